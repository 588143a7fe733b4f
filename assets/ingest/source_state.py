"""Whether a source may have changed, told without reading it: sizes and times of files, what a host says.

A state is a text that differs when the raw files may differ. It is asked for by every scheduled run, so it
costs a few file look-ups and one request a remote file, and never a download.
"""

from collections.abc import Callable, Mapping

import httpx

from assets.ingest.download import DownloadError, apart
from assets.ingest.raw_file import Request, SourceError, local_path
from assets.ingest.sources import (
    PINNED_SHA256,
    STEAM_ADDRESS,
    STEAM_GAMES,
    STEAM_LIBRARIES,
    STEAM_REVIEWS,
    generated_name,
)
from assets.ingest.table_source import table_files
from assets.ingest.transfer import read_json
from assets.state.lake import fingerprint

SIGNS = ("etag", "last-modified", "content-length")  # of a remote file, in a host's answer
TIMEOUT_S = 10.0
UNKNOWN = "unknown"  # never equal to what a run has recorded: where nothing can be told, the run has to look


def source_state(request: Request) -> str:
    """The state of the source, or UNKNOWN where it cannot be told; never raises for what a run would tell."""
    tell = STATES.get(request.source.name)
    try:
        return fingerprint(request.source.name, tell(request))[:16] if tell else UNKNOWN
    except (SourceError, DownloadError, OSError, ValueError, RuntimeError, httpx.HTTPError):
        return UNKNOWN


def _sample(request: Request) -> object:
    return generated_name(request, request.source.name)


def _table(request: Request) -> object:
    files = table_files(request.source.table or "")
    items = [("items", local_path(request.source.table_items))] if request.source.table_items else []
    return [[name, *_stat(str(path))] for name, path in [*files, *items]]


def _steam(request: Request) -> object:
    return [
        _file(request, STEAM_LIBRARIES, request.source.libraries),
        _file(request, STEAM_GAMES, request.source.games),
    ]


def _steam_reviews(request: Request) -> object:
    return [
        _file(request, STEAM_REVIEWS, request.source.reviews),
        _file(request, STEAM_GAMES, request.source.games),
    ]


STATES: Mapping[str, Callable[[Request], object]] = {
    "sample": _sample,
    "sample-dated": _sample,
    "steam": _steam,
    "steam-reviews": _steam_reviews,
    "table": _table,
}


def _file(request: Request, name: str, given: str | None) -> object:
    address = given or STEAM_ADDRESS + name
    if not address.lower().startswith(("http://", "https://")):
        return _stat(address)
    if address in PINNED_SHA256:
        return PINNED_SHA256[address]
    url, auth = apart(address)
    try:
        answer = httpx.head(url, auth=auth, follow_redirects=True, timeout=TIMEOUT_S).raise_for_status()
    except httpx.HTTPError:  # a run would take the copy from before too, where there is one
        kept = read_json(request.folder / "steam" / f"{name}.meta.json")
        if not kept:
            raise
        return [kept.get("etag"), kept.get("last_modified"), str(kept.get("bytes"))]
    return [answer.headers.get(sign) for sign in SIGNS]


def _stat(given: str) -> list[object]:
    path = local_path(given)
    found = path.stat()
    return [str(path), found.st_size, found.st_mtime_ns]
