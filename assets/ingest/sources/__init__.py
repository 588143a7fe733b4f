"""The sources, by name. A new one is a file here and an entry in `SOURCES`; see docs/data.md."""

from collections.abc import Mapping, Sequence

import httpx

from assets.formats.rows import RowReader
from assets.ingest.download import DownloadError
from assets.ingest.raw_file import RawFile, Request, SourceError
from assets.ingest.source import DataSource, Remarks
from assets.ingest.sources import sample, sample_dated, sample_repeats, steam, steam_reviews, table
from assets.resources import Source
from assets.state.lake import fingerprint
from models.bundle.bundle import ItemTable
from models.scorer import Scorer

SOURCES: dict[str, DataSource] = {
    "sample": sample.SOURCE,
    "sample-dated": sample_dated.SOURCE,
    "sample-repeats": sample_repeats.SOURCE,
    "steam": steam.SOURCE,
    "steam-reviews": steam_reviews.SOURCE,
    "table": table.SOURCE,
}
GAMES = "games"
STEAM_ROLES = ("libraries", GAMES)  # which `assets.clean` reads as a whole
UNKNOWN = "unknown"  # a state that no run has recorded: where nothing can be told, the run has to look


def resolve(request: Request) -> list[RawFile]:
    """The raw files of a source, in a fixed order, each of a role that something reads.

    One of them at most describes items: `assets.clean` counts its rows. Raises SourceError and DownloadError.
    """
    source = SOURCES.get(request.source.name)
    if source is None:
        known = " or ".join(SOURCES)
        raise SourceError(f"There is no source '{request.source.name}': set SOURCE to {known}.")
    files = source.files(request)
    for file in files:
        if not (file.role in STEAM_ROLES or plays_reader(file.role) or catalogue_reader(file.role)):
            raise ValueError(f"Nothing reads the role '{file.role}' of {file.path}.")
    catalogues = [file.role for file in files if file.role == GAMES or catalogue_reader(file.role)]
    if len(catalogues) > 1:
        raise SourceError(
            f"The source '{request.source.name}' has {len(catalogues)} files that describe items, "
            f"{' and '.join(catalogues)}: put them into one file."
        )
    return files


def remarks(request: Request) -> Remarks:
    """What people should know of the files of a source that can be resolved. Raises SourceError."""
    told = SOURCES[request.source.name].remarks
    return told(request) if told else Remarks()


def source_state(request: Request) -> str:
    """A text that differs when the raw files may differ, told without reading them.

    UNKNOWN where it cannot be told; never raises for what a run would tell.
    """
    source = SOURCES.get(request.source.name)
    try:
        return fingerprint(request.source.name, source.state(request))[:16] if source else UNKNOWN
    except (SourceError, DownloadError, OSError, ValueError, RuntimeError, httpx.HTTPError):
        return UNKNOWN


def plays_reader(role: str) -> RowReader | None:
    """What reads the plays of a raw file of this role; None where it holds none."""
    return _by_role(role, [source.plays for source in SOURCES.values()])


def catalogue_reader(role: str) -> RowReader | None:
    """What reads the items of a raw file of this role row by row; None where it holds none."""
    return _by_role(role, [source.catalogue for source in SOURCES.values()])


def optimum(source: Source, items: ItemTable) -> Scorer | None:
    """The best scorer that there can be, where the process behind a source is known."""
    known = SOURCES[source.name].optimum if source.name in SOURCES else None
    return known(source, items) if known else None


def dated_sources() -> list[str]:
    """The names of the sources whose plays have times."""
    return [name for name, source in SOURCES.items() if source.dated]


def _by_role(role: str, of_sources: Sequence[Mapping[str, RowReader]]) -> RowReader | None:
    readers = {known: reader for of_one in of_sources for known, reader in of_one.items()}
    while role not in readers and "/" in role:
        role = role.rpartition("/")[0]
    return readers.get(role)
