"""What every source works with and gives: a request, and raw files that are whole and on this machine."""

from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from assets.ingest.download import DEFAULT_SETTINGS, DownloadSettings, public_address
from assets.resources import Source
from assets.state.lake import file_hash
from models.mistakes import UserError


class SourceError(UserError):
    """The raw files cannot be had from what was configured; the message says what to change."""


@dataclass(frozen=True)
class RawFile:
    """One raw file, whole and on this machine.

    `role` says what it holds: libraries, games, reviews, items, table/<name> for each file of a table, or
    plays/<name> and items/<name> of other sources; see `assets.ingest.source`.
    `how` says how it came this time: downloaded, unchanged, kept (the host could not be asked), in place,
    generated or reused. `notes` say which columns are taken as which. Neither is a property of
    the file or compared.
    """

    role: str
    path: Path
    sha256: str
    bytes: int
    address: str  # without credentials
    how: str = field(default="", compare=False)
    notes: tuple[str, ...] = field(default=(), compare=False)


@dataclass(frozen=True)
class Request:
    """What a source gets to work with; `folder` is where raw files are kept."""

    source: Source
    folder: Path
    settings: DownloadSettings = DEFAULT_SETTINGS


def raw_file(role: str, path: Path, address: str, how: str) -> RawFile:
    """A file that is there, with its hash and size."""
    return RawFile(role, path, file_hash(path), path.stat().st_size, address, how)


def file_state(given: str) -> list[object]:
    """Path, size and time of a file, by its path or `file://` address. Raises OSError, ValueError."""
    path = local_path(given)
    found = path.stat()
    return [str(path), found.st_size, found.st_mtime_ns]


def local_path(given: str) -> Path:
    """The path that a person gave as such or as a `file://` address. Raises ValueError, RuntimeError."""
    if "://" not in given:
        return Path(given).expanduser().resolve()
    parts = urlsplit(given)
    if parts.scheme != "file" or parts.netloc not in {"", "localhost"}:
        raise ValueError(given)
    return Path(url2pathname(parts.path)).resolve()


def shown(given: str) -> str:
    """What a person gave, without credentials."""
    try:
        return public_address(given) if "://" in given else given
    except ValueError:
        return "an address"
