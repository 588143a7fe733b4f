"""Samples that are generated where they are not there yet."""

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from assets.ingest.raw_file import RawFile, Request, SourceError, raw_file
from assets.ingest.transfer import read_json
from assets.resources import Source
from assets.sample.process import SIZES, OptimumScorer
from assets.state.code import made_by
from assets.state.files import replace_text, sync_entry, sync_folder
from assets.state.lake import file_hash
from models.bundle.bundle import ItemTable

_HASHES_FILE = "sha256.json"


@dataclass(frozen=True)
class Generated:
    """A sample of the known process. `generate` writes one of a size and seed into a folder."""

    name: str
    generate: Callable[[Path, str, int], None]
    files: Mapping[str, str]  # the file of each role

    def fetch(self, request: Request) -> list[RawFile]:
        """The files, generated where they are not there whole. Raises SourceError."""
        size, seed = request.source.sample_size, request.source.seed
        if size not in SIZES:
            raise SourceError(f"There is no sample of size '{size}': choose {' or '.join(SIZES)}.")
        folder = request.folder / self.state(request)
        request.folder.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{folder}.lock"):
            how = "reused" if _is_whole(folder) else "generated"
            if how == "generated":
                _generate(folder, lambda unfinished: self.generate(unfinished, size, seed))
        return [
            raw_file(role, folder / file, f"{self.name}:{size}-{seed}/{file}", how)
            for role, file in self.files.items()
        ]

    def state(self, request: Request) -> str:
        """The name of the sample's folder: all that its content follows from."""
        return f"{self.name}-{request.source.sample_size}-{request.source.seed}-{_generator_version()}"


def optimum(source: Source, items: ItemTable) -> OptimumScorer:
    """The best scorer that there can be on a sample of this size and seed."""
    return OptimumScorer(source.sample_size, source.seed, items)


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
