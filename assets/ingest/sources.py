"""Where raw files come from: one function for each source, found by its name.

To add a source, write a function from `Request` to its raw files and enter it in `SOURCES`.
"""

import json
import shutil
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from filelock import FileLock

from assets.formats.gunzip import GZIP_MAGIC
from assets.ingest.download import decodes, download
from assets.ingest.raw_file import RawFile, Request, SourceError, local_path, raw_file, shown
from assets.ingest.table_source import ITEMS_ROLE, TABLE_ROLE, table
from assets.ingest.transfer import read_json
from assets.sample import dated as sample_dated
from assets.sample import libraries as generator
from assets.sample import process as sample_process
from assets.state.code import made_by
from assets.state.files import replace_text, sync_entry, sync_folder
from assets.state.lake import file_hash

CODE = made_by(__name__)
STEAM_ADDRESS = "https://mcauleylab.ucsd.edu/public_datasets/data/steam/"
STEAM_LIBRARIES = "australian_users_items.json.gz"
STEAM_GAMES = "steam_games.json.gz"
STEAM_REVIEWS = "steam_reviews.json.gz"
PINNED_SHA256 = {
    STEAM_ADDRESS + STEAM_LIBRARIES: "0b329f79ddf450aba0aad923c8cb6d1affac0c98efaf70242d22fd10987a8d99",
}

_HASHES_FILE = "sha256.json"


def resolve(request: Request) -> list[RawFile]:
    """The raw files of a source, in a fixed order. Raises SourceError and DownloadError."""
    find = SOURCES.get(request.source.name)
    if find is None:
        raise SourceError(f"There is no source '{request.source.name}': set SOURCE to {_either(SOURCES)}.")
    return find(request)


def steam(request: Request) -> list[RawFile]:
    """The public Steam data, or what replaces a file of it."""
    source = request.source
    return [
        _steam_file(request, "libraries", STEAM_LIBRARIES, source.libraries, "NEXTPLAY_STEAM_LIBRARIES"),
        _steam_file(request, "games", STEAM_GAMES, source.games, "NEXTPLAY_STEAM_GAMES"),
    ]


def steam_reviews(request: Request) -> list[RawFile]:
    """The public Steam reviews, which are dated, or what replaces them; titles come from the catalogue."""
    source = request.source
    return [
        _steam_file(request, "reviews", STEAM_REVIEWS, source.reviews, "NEXTPLAY_STEAM_REVIEWS"),
        _steam_file(request, "games", STEAM_GAMES, source.games, "NEXTPLAY_STEAM_GAMES"),
    ]


def sample(request: Request) -> list[RawFile]:
    """The built-in sample, generated where it is not there yet."""
    names = {"libraries": generator.LIBRARIES_FILE, "games": generator.GAMES_FILE}
    return _generated(request, "sample", generator.write_sample, names)


def dated_sample(request: Request) -> list[RawFile]:
    """What the players of the built-in sample play, as a table with times."""
    names = {
        TABLE_ROLE + sample_dated.PLAYS_FILE: sample_dated.PLAYS_FILE,
        ITEMS_ROLE: sample_dated.ITEMS_FILE,
    }
    return _generated(request, "sample-dated", sample_dated.write_dated_sample, names)


SOURCES: dict[str, Callable[[Request], list[RawFile]]] = {
    "sample": sample,
    "sample-dated": dated_sample,
    "steam": steam,
    "steam-reviews": steam_reviews,
    "table": table,
}

Generator = Callable[[Path, str, int], None]  # writes a sample of a size and seed into a folder


def _generated(request: Request, name: str, generate: Generator, names: Mapping[str, str]) -> list[RawFile]:
    """A generated sample; `names` gives the file of each role."""
    size, seed = request.source.sample_size, request.source.seed
    if size not in sample_process.SIZES:
        raise SourceError(f"There is no sample of size '{size}': choose {_either(sample_process.SIZES)}.")
    folder = request.folder / generated_name(request, name)
    request.folder.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"):
        how = "reused" if _is_whole(folder) else "generated"
        if how == "generated":
            _generate(folder, lambda unfinished: generate(unfinished, size, seed))
    return [
        raw_file(role, folder / file, f"{name}:{size}-{seed}/{file}", how) for role, file in names.items()
    ]


def generated_name(request: Request, name: str) -> str:
    """The folder of a generated sample: all that its content follows from."""
    return f"{name}-{request.source.sample_size}-{request.source.seed}-{_generator_version()}"


def _steam_file(request: Request, role: str, name: str, given: str | None, variable: str) -> RawFile:
    address = given or STEAM_ADDRESS + name
    if given and not given.lower().startswith(("http://", "https://")):
        return gzip_file_in_place(role, given, variable)
    done = download(
        address,
        request.folder / "steam" / name,
        sha256=PINNED_SHA256.get(address),
        settings=request.settings,
        advice=f"Give a copy with {variable}=path, or run the built-in sample with SOURCE=sample.",
    )
    how = "downloaded" if done.changed else "unchanged" if done.confirmed else "kept"
    return RawFile(role, done.path, done.sha256, done.bytes, done.address, how)


def gzip_file_in_place(role: str, given: str, variable: str) -> RawFile:
    """A gzip file that a person named by path or `file://` address; it stays where it is.

    Raises SourceError with one sentence that names the variable.
    """
    try:
        path = local_path(given)
        with path.open("rb") as stream:
            start = stream.read(len(GZIP_MAGIC))
        if start == GZIP_MAGIC and decodes(path):
            return raw_file(role, path, path.as_uri(), "in place")
        fault = "is empty" if not start else "is not a gzip file, or only a part of one"
    except FileNotFoundError:
        fault = "does not exist"
    except IsADirectoryError:
        fault = "is a folder"
    except OSError as error:
        fault = f"cannot be read ({error.strerror})"
    except (ValueError, RuntimeError):  # a NUL in a path, a home of nobody
        fault = "is neither a path nor a file, http or https address"
    raise SourceError(f"{variable} names {shown(given)}, which {fault}: give the path of a gzip file.")


def _is_whole(folder: Path) -> bool:
    """Whether a generated folder still is what it was."""
    recorded = read_json(folder / _HASHES_FILE)
    try:
        return bool(recorded) and all(file_hash(folder / name) == digest for name, digest in recorded.items())
    except OSError:
        return False


def _generator_version() -> str:
    """Changes with the generator's code: a sample that older code made is never taken for this one's."""
    return made_by("assets.sample")[:8]


def _generate(folder: Path, generate: Callable[[Path], None]) -> None:
    """Write the sample aside and rename its folder when it is whole."""
    unfinished = folder.with_name(f".{folder.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)  # of a killed run
    unfinished.mkdir()
    generate(unfinished)
    hashes = {path.name: file_hash(path) for path in sorted(unfinished.iterdir())}
    replace_text(unfinished / _HASHES_FILE, json.dumps(hashes, indent=1))
    sync_folder(unfinished)
    shutil.rmtree(folder, ignore_errors=True)  # damaged
    unfinished.rename(folder)
    sync_entry(folder.parent)


def _either(names: Iterable[str]) -> str:
    return " or ".join(names)
