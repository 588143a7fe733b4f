"""Which files of a folder or a pattern are read as tables, and what is left, each with the reason.

Files that are called after a table are read, or refused by name where they cannot be. Others are read where
their content is a table, else left. What tools keep for themselves is always left: hidden files and folders
(`.git`, `_temporary`), copies, and files that are not finished.
"""

import glob
import os
import re
import stat
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from assets.formats.rows import holds_nothing

COMPRESSED = ("", ".gz", ".bz2", ".xz", ".zst")
TABLES = (
    *(f"{kind}{packed}" for kind in (".csv", ".tsv") for packed in COMPRESSED),
    ".parquet",
    ".pq",
    ".parq",
)
HIDDEN = (".", "_", "~", "#", "$", "@")  # beginnings of names
ASIDE = ("._", "~$", ".~lock.", "_committed_", "_started_")  # beginnings of names that no data have
OF_TOOLS = {"_SUCCESS", "_temporary", "_metadata", "_common_metadata", "__MACOSX", "__pycache__", "@eaDir",
            "#recycle", "$RECYCLE.BIN", "lost+found", "System Volume Information"}  # fmt: skip
UNFINISHED = (".part", ".partial", ".filepart", ".crdownload", ".download", ".opdownload", ".aria2", ".tmp",
              ".temp", ".inprogress", ".lock", ".swp", ".swo")  # fmt: skip
COPIES = ("~", ".bak", ".old", ".orig", ".save", "#")
CONFLICT = re.compile(r"conflicted copy|sync-conflict", re.IGNORECASE)  # of Dropbox, Nextcloud, Syncthing
ICEBERG = ".metadata.json"  # in its folder `metadata`
COPIED = re.compile(r"(copy of )?(.*?)( - copy| copy|_copy)?( ?\([0-9]+\))?", re.IGNORECASE)
NOT_DATA = {"lost+found", "System Volume Information"}
LOGS = {"_delta_log": "a Delta", ".hoodie": "a Hudi"}  # folders of tables that keep files of older versions


@dataclass
class Listing:
    """Name and path of each file to read, in the order of the names, and name and reason of what is left."""

    files: list[tuple[str, Path]] = field(default_factory=list)
    left: list[tuple[str, str]] = field(default_factory=list)

    def without(self, path: Path, reason: str) -> "Listing":
        """The same, with a file that is read for something else among those that are left."""
        left = [(name, reason) for name, file in self.files if file.resolve() == path]
        files = [(name, file) for name, file in self.files if file.resolve() != path]
        return Listing(files, sorted(self.left + left))


# What is no table by its content: says why, or returns None for a table. May raise OSError.
Judge = Callable[[Path], str | None]


def list_folder(folder: Path, judge: Judge) -> Listing:
    """All files below a folder. Raises OSError where a folder cannot be read."""
    return _list([folder], folder, judge)


def list_pattern(pattern: str, judge: Judge) -> Listing:
    """All files that a pattern matches, and all below the folders that it matches."""
    paths = sorted(Path(match) for match in glob.glob(pattern, recursive=True))  # noqa: PTH207
    root = Path(os.path.commonpath([path.parent for path in paths])) if paths else Path(pattern)
    return _list(paths, root, judge)


def no_file(path: Path) -> str | None:
    """Why a path is no file that can be read, or None where it is one."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return "a link that leads nowhere" if path.is_symlink() else "gone"
    except OSError as error:
        return f"it cannot be reached: {error.strerror}"
    return None if stat.S_ISREG(mode) or stat.S_ISDIR(mode) else "neither a file nor a folder"


def alike(names: Iterable[str]) -> list[tuple[str, str]]:
    """Pairs of names that differ in their suffixes alone, or as `a (1)` and `Copy of a` do from `a`: probably
    the same rows twice."""
    first: dict[str, str] = {}
    pairs = []
    given = list(names)
    for name in given:
        stem = _suffix_of(name)[0]
        if stem in first:
            pairs.append((first[stem], name))
        first.setdefault(stem, name)
    for name in given:
        stem = _suffix_of(name)[0]
        folder, slash, last = stem.rpartition("/")
        original = folder + slash + (found[2] if (found := COPIED.fullmatch(last)) else last)
        if original != stem and original in first:
            pairs.append((first[original], name))
    return pairs


def is_of_tools(name: str) -> bool:
    """Whether no one would take what is left for data, by its name: `_SUCCESS`, `.part-0.csv.crc`, `.git`."""
    last = name.rpartition("/")[2]
    if last in LOGS:
        return False  # there is something to know of it
    return last.startswith(ASIDE) or last in OF_TOOLS or (last.startswith(".") and not _suffix_of(last)[1])


def _list(paths: Sequence[Path], root: Path, judge: Judge) -> Listing:
    """Links come last, so that of two names of one file the one without a link counts."""
    found, names = Listing(), dict[tuple[int, int], str]()
    waiting, links, listed = sorted(paths, reverse=True), deque[Path](), set[Path]()
    while waiting or links:
        from_link = not waiting
        path = links.popleft() if from_link else waiting.pop()
        if path.is_symlink() and not from_link:
            links.append(path)
            continue
        if path in listed:
            continue  # a pattern matches a folder and what is in it
        listed.add(path)
        name = path.relative_to(root).as_posix()
        reason = _kept_by_tools(path.relative_to(root)) or no_file(path)
        if reason is None:
            known = (path.stat().st_dev, path.stat().st_ino)
            same = names.setdefault(known, name)
            if same != name:
                reason = f"another name of {same}"
            elif path.is_dir():
                waiting.extend(sorted(path.iterdir(), reverse=True))
                continue
            else:
                reason = _no_table(path, judge)
        if reason is None:
            found.files.append((name, path))
        else:
            found.left.append((name, reason))
    return Listing(sorted(found.files), sorted(found.left))


def _kept_by_tools(name: Path) -> str | None:
    """Why no tool means a file or folder of this name to be read as data, or None."""
    last = name.name.lower()
    is_iceberg = name.parent.name == "metadata" and last.endswith(ICEBERG)
    if of := "an Iceberg" if is_iceberg else LOGS.get(name.name):
        return f"the log of {of} table, whose older files are read too"
    if any(part.startswith(HIDDEN) or part in NOT_DATA for part in name.parts):
        return "hidden, or kept by a tool"
    if last.endswith(UNFINISHED):
        return "not finished, or of another tool"
    if last.endswith(COPIES) or CONFLICT.search(last):
        return "a copy that a tool keeps"
    if not name.as_posix().isprintable():
        return "a name with characters that cannot be shown"
    return None


def _no_table(path: Path, judge: Judge) -> str | None:
    if path.stat().st_size == 0:
        return "empty"
    if not _suffix_of(path.name)[1]:
        return judge(path)
    return "empty" if holds_nothing(path) else None


def _suffix_of(name: str) -> tuple[str, str]:
    """A name without its suffix, and its suffix where it is that of a table."""
    lower = name.lower()
    suffix = max((suffix for suffix in TABLES if lower.endswith(suffix)), key=len, default="")
    return name[: len(name) - len(suffix)], suffix
