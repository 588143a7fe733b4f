"""A home copied to a folder and back: every file with its checksum, databases through SQLite's own backup.

    <backup>/manifest.json   what there is: files with size and SHA-256, links with their target; and its own
                             checksum. It is written last: a folder without it is no backup.
    <backup>/home/...        the files

Whoever backs up holds the home's lock, so tables, bundles and pointers belong together. Databases may be
written to meanwhile: SQLite copies each as of one moment. What has not changed since an earlier backup on the
same disk may be a hard link to that one's file, so each is whole by itself and takes the room of what is new.
"""

import hashlib
import json
import logging
import os
import shutil
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, suppress
from pathlib import Path, PurePosixPath
from typing import Any

from assets.state.files import sync_folder
from assets.state.home_id import HOME_FILE
from assets.state.lake import WAREHOUSE_FILE, file_hash
from models.bundle.formats import Format
from models.mistakes import UserError

log = logging.getLogger(__name__)

MANIFEST_FILE = "manifest.json"
ABANDONED_SECONDS = 86_400
FORMATS = Format(1)
SQLITE_MAGIC = b"SQLite format 3\0"
LEFT_OUT = ("*.lock", WAREHOUSE_FILE, ".*", "*-wal", "*-shm", "*-journal")  # remade, or unfinished
FOLDERS_LEFT_OUT = (
    "as_served",  # homes whose nights can be run again
    *("lake/spill", "bentoml/tmp", "bentoml/prometheus_multiproc_dir", "dagster/.logs_queue"),
)
EMPTY_ENOUGH = {"dagster/dagster.yaml", ".nextplay", "home.json"}  # what the other commands put there
RESTORING_FILE = ".restoring"  # in a home whose files are there, and which is not yet opened
WITHIN = ".restore.unfinished"  # in a home that cannot be replaced: what is restored, before it has its place


class BackupError(UserError):
    """A backup cannot be made or restored; the message says why and what to do."""


def back_up(home: Path, to: Path, earlier: Path | None = None) -> dict[str, Any]:
    """Copy `home` to the new folder `to`; returns the manifest. Raises BackupError; no half one is left.

    Files that the backup `earlier` holds as they are now are linked to, where the disk can do that.
    """
    home, to = home.resolve(), to.resolve()
    if to.exists() and (not to.is_dir() or any(to.iterdir())):
        raise BackupError(f"{to} is there already: name a folder that is new or empty.")
    if to.is_relative_to(home):
        raise BackupError(f"{to} lies inside the home {home}: name a folder outside of it.")
    aside = to.with_name(f".{to.name}.unfinished")
    _remove_abandoned(to.parent)
    shutil.rmtree(aside, ignore_errors=True)
    known = _contents(earlier) if earlier else {}
    try:
        contents = {}
        for path in _walk(home):
            source, target = home / path, aside / "home" / path
            linked = earlier is not None and _link(source, target, earlier / "home" / path, known.get(path))
            contents[path] = known[path] if linked else _copy(source, target, in_use=True)
        manifest = {"format": FORMATS.current, "contents": contents, "sha256": _checksum(contents)}
        (aside / MANIFEST_FILE).write_text(json.dumps(manifest, indent=1, sort_keys=True), encoding="utf-8")
        sync_folder(aside)
        if to.exists():
            to.rmdir()
        aside.rename(to)
    except OSError as error:
        raise BackupError(f"The backup to {to} failed, nothing is left of it: {error}.") from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return manifest


def _contents(backup: Path) -> dict[str, dict[str, Any]]:
    """What an earlier backup says that it holds; nothing where that cannot be read, or is not what it was."""
    try:
        manifest = json.loads((backup / MANIFEST_FILE).read_text(encoding="utf-8"))
        contents: dict[str, dict[str, Any]] = manifest["contents"]
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return contents if manifest.get("sha256") == _checksum(contents) else {}


def _link(source: Path, target: Path, old: Path, entry: Mapping[str, Any] | None) -> bool:
    """Link to an earlier backup's copy of a file that is still the same; False where it has to be copied.

    Both are read: a copy that has decayed on the disk is not handed on.
    """
    if entry is None or source.is_symlink() or old.is_symlink() or not old.is_file():
        return False
    if source.stat().st_size != entry.get("bytes") or _is_database(source):
        return False
    if _described(source) != entry or _described(old) != entry:
        return False
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        target.hardlink_to(old)
    except OSError:  # a file system without hard links, or too many of one file
        return False
    return True


def _remove_abandoned(folder: Path) -> None:
    """What killed backups left under other names: nobody has written to it for a day."""
    for aside in folder.glob(".*.unfinished"):
        with suppress(OSError):  # it was finished meanwhile, or is not ours to look at
            ours = aside.is_dir() and {path.name for path in aside.iterdir()} <= {"home", MANIFEST_FILE}
            newest = max(path.lstat().st_mtime for path in [aside, *aside.rglob("*")])
            if ours and newest < time.time() - ABANDONED_SECONDS:
                shutil.rmtree(aside, ignore_errors=True)


def restore(backup: Path, home: Path) -> dict[str, Any]:
    """Copy a backup to the empty folder `home`; returns the manifest. Raises BackupError; home stays empty.

    Every file is checked before anything is written, and again after it was copied. Whoever has opened the
    home calls `opened`; until then the same restoration may be asked for again.
    """
    backup, home = backup.resolve(), home.resolve()
    manifest = verified(backup)
    within = _is_fixed(home)
    aside = home / WITHIN if within else home.with_name(f".{home.name}.unfinished")
    if within and _is_marked(aside, manifest):
        _move_into(aside, home)
    if _is_restored(home, manifest):
        return manifest
    shutil.rmtree(aside, ignore_errors=True)
    there = {path.relative_to(home).as_posix() for path in home.rglob("*") if not path.is_dir()}
    if there - EMPTY_ENOUGH:
        raise BackupError(f"{home} is not empty: restore into a new home, and name it with NEXTPLAY_HOME.")
    try:
        _fill(aside, backup, manifest)
        if within:
            _move_into(aside, home)
        else:
            shutil.rmtree(home, ignore_errors=True)
            aside.rename(home)
    except OSError as error:
        raise BackupError(f"The restoration to {home} failed: {error}.") from error
    finally:
        if not (within and _is_marked(aside, manifest)):
            shutil.rmtree(aside, ignore_errors=True)
    return manifest


def _fill(aside: Path, backup: Path, manifest: Mapping[str, Any]) -> None:
    """Copy a backup into a new folder, and mark it once all is there. Raises BackupError, OSError."""
    aside.mkdir(parents=True)
    for path, entry in manifest["contents"].items():
        if _copy(backup / "home" / path, aside / path, in_use=False) != entry:
            raise BackupError(f"{path} changed while it was copied: restore again.")
    sync_folder(aside)
    (aside / RESTORING_FILE).write_text(manifest["sha256"], encoding="utf-8")
    sync_folder(aside)


def _is_fixed(home: Path) -> bool:
    """Whether no other folder can take its place: a disk is mounted there, or the one above is closed."""
    if not home.is_dir():
        return False
    return home.is_mount() or str(home) in _mounts() or not os.access(home.parent, os.W_OK)


def _mounts() -> set[str]:
    """Where something is mounted, as Linux tells: a folder of the same disk may be, too."""
    try:
        return {line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()}
    except OSError:
        return set()


def _is_marked(folder: Path, manifest: Mapping[str, Any]) -> bool:
    """Whether a folder holds a backup whole, or what of it has not been moved yet."""
    try:
        return bool((folder / RESTORING_FILE).read_text(encoding="utf-8") == manifest["sha256"])
    except OSError:
        return False


def _move_into(aside: Path, home: Path) -> None:
    """Move what was restored within a home to its place, the mark last; a kill is gone on from."""
    for path in sorted(aside.iterdir(), key=lambda path: path.name == RESTORING_FILE):
        target = home / path.name
        if target.is_dir() and not target.is_symlink():  # what other commands had put there
            shutil.rmtree(target)
        path.replace(target)
    aside.rmdir()


def _is_restored(home: Path, manifest: Mapping[str, Any]) -> bool:
    """Whether a restoration of this backup was killed when the files had their place, and nothing came since.

    Databases may have changed, and the home's name: both are fitted to their place when the home is opened.
    """
    try:
        if not _is_marked(home, manifest):
            return False
        files = ((home / path, entry) for path, entry in manifest["contents"].items() if path != HOME_FILE)
        return all(
            _described(file) == entry for file, entry in files if "link" in entry or not _is_database(file)
        )
    except OSError:
        return False


def opened(home: Path) -> None:
    """A restored home has been opened: what is done in it from now on is nobody's to restore again."""
    (home / RESTORING_FILE).unlink(missing_ok=True)


def verified(backup: Path) -> dict[str, Any]:
    """The manifest of a backup that is whole; raises BackupError at the first thing that is not."""
    try:
        manifest: dict[str, Any] = json.loads((backup / MANIFEST_FILE).read_text(encoding="utf-8"))
        contents, checksum = dict(manifest["contents"]), manifest["sha256"]
    except FileNotFoundError:
        raise BackupError(f"{backup} is no backup: it has no {MANIFEST_FILE}.") from None
    except (OSError, ValueError, KeyError, TypeError):
        raise BackupError(f"The backup {backup} is damaged: its {MANIFEST_FILE} cannot be read.") from None
    if problem := FORMATS.problem(f"The backup {backup}", manifest.get("format")):
        raise BackupError(problem)
    if checksum != _checksum(contents):
        raise BackupError(f"The backup {backup} is damaged: its {MANIFEST_FILE} is not what was written.")
    there = set(_walk(backup / "home"))
    for path in sorted({*contents, *there}):
        if not _is_inside(path):
            raise BackupError(f"The backup {backup} is not safe: it names {path!r}, outside of the home.")
        if path not in contents or path not in there:
            what = "is missing" if path in contents else "does not belong to it"
            raise BackupError(f"The backup {backup} is damaged: {path} {what}.")
        if _described(backup / "home" / path) != contents[path]:
            raise BackupError(f"The backup {backup} is damaged: {path} has changed.")
    return manifest


def damaged_databases(home: Path) -> Iterator[str]:
    """A sentence for each of SQLite's databases below a folder that SQLite does not find whole."""
    for path in sorted(home.rglob("*.db")):
        if path.is_symlink() or not path.is_file() or not _is_database(path):
            continue
        try:
            with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as database:
                (found,) = database.execute("PRAGMA integrity_check(1)").fetchone()
        except sqlite3.Error as error:
            found = error
        if found != "ok":
            what = " ".join(str(found).split())
            yield f"The database {path.relative_to(home)} is damaged: {what}."


def _walk(home: Path) -> Iterator[str]:
    """Every file and link that belongs to a backup, in order."""
    for folder, folders, files in os.walk(home):
        here = Path(folder)
        links = [name for name in folders if (here / name).is_symlink()]
        folders[:] = sorted(name for name in folders if name not in links and _goes_in(home, here / name))
        for name in sorted([*files, *links]):
            if any(PurePosixPath(name).match(pattern) for pattern in LEFT_OUT):
                continue
            if (here / name).is_symlink() or (here / name).is_file():
                yield (here / name).relative_to(home).as_posix()
            else:  # to read a FIFO would wait for ever
                log.warning("%s is no file, and is left out of the backup.", here / name)


def _goes_in(home: Path, folder: Path) -> bool:
    path = folder.relative_to(home).as_posix()
    return path not in FOLDERS_LEFT_OUT and not folder.name.startswith((".unfinished", ".tmp"))


def _copy(source: Path, target: Path, in_use: bool) -> dict[str, Any]:
    """Copy one file or link, and say what the copy is."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_symlink():
        target.symlink_to(source.readlink())
    elif in_use and _is_database(source):
        address = f"{source.as_uri()}?mode=ro"
        with closing(sqlite3.connect(address, uri=True)) as old, closing(sqlite3.connect(target)) as new:
            old.backup(new)
    else:
        shutil.copyfile(source, target)
        times = source.stat()
        with suppress(OSError):  # not every disk keeps them
            os.utime(target, ns=(times.st_atime_ns, times.st_mtime_ns))  # by which old and new are told apart
    return _described(target)


def _described(path: Path) -> dict[str, Any]:
    if path.is_symlink():
        return {"link": str(path.readlink())}
    return {"bytes": path.stat().st_size, "sha256": file_hash(path)}


def _is_database(path: Path) -> bool:
    with path.open("rb") as stream:
        return stream.read(len(SQLITE_MAGIC)) == SQLITE_MAGIC


def _is_inside(path: str) -> bool:
    parts = PurePosixPath(path).parts
    return bool(parts) and not path.startswith("/") and ".." not in parts


def _checksum(contents: Mapping[str, object]) -> str:
    return hashlib.sha256(json.dumps(contents, sort_keys=True).encode()).hexdigest()
