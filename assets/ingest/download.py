"""Downloading a file so that only a whole, checked one ever appears at its destination.

<name>             the file; replaced by renaming, never written in place
<name>.meta.json   where it came from, its SHA-256, and what to ask the host whether it has changed with
<name>.lock        held while a process works on it; `assets.ingest.transfer` adds the unfinished part
"""

import gzip
import json
import logging
import os
import zlib
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit, urlunsplit

import httpx
import tenacity
from filelock import FileLock

from assets.ingest.transfer import Part, TransferError, TransientError, own_words, read_json, transfer
from assets.state.files import replace_text
from assets.state.lake import file_hash
from models.mistakes import UserError

log = logging.getLogger(__name__)

_DECODED_AT_ONCE = 1 << 20  # bytes


class DownloadError(UserError):
    """A file could not be fetched; the message is for the reader of a run's log.

    `transient` says that the same download may well succeed later.
    """

    def __init__(self, message: str, *, transient: bool) -> None:
        super().__init__(message)
        self.transient = transient


@dataclass(frozen=True)
class DownloadSettings:
    """How patient a download is. All times are in seconds."""

    tries: int = 5
    first_wait: float = 1.0  # doubles with every try; up to as much again comes on top at random
    longest_wait: float = 60.0
    longest_retry_after: float = 300.0  # a host that asks for more ends the download
    connect_timeout: float = 15.0
    read_timeout: float = 60.0  # without a single byte


DEFAULT_SETTINGS = DownloadSettings()


@dataclass(frozen=True)
class Downloaded:
    """A whole file. `address` carries no credentials; `changed` is False where the file was there already.

    `confirmed` is False where the host could not be asked and the file of an earlier download stands in.
    """

    path: Path
    sha256: str
    bytes: int
    address: str
    etag: str | None
    last_modified: str | None
    changed: bool
    confirmed: bool = True


class _CorruptError(TransferError):
    """The whole file is here, and it is not the right one."""


@dataclass(frozen=True)
class _Job:
    url: str  # without credentials: httpx writes it to the log
    auth: tuple[str, str] | None
    part: Part
    sha256: str | None
    kept: Downloaded | None
    settings: DownloadSettings
    progress: bool | None

    @property
    def destination(self) -> Path:
        return self.part.destination


def download(
    address: str,
    destination: Path,
    *,
    sha256: str | None = None,
    settings: DownloadSettings = DEFAULT_SETTINGS,
    progress: bool | None = None,
    advice: str = "",
) -> Downloaded:
    """Make `destination` a whole copy of the file at an http(s) address, and say how it came about.

    `sha256` pins the content. Without it a `.gz` file is decoded once, to its end, before it counts as whole.
    `progress` shows a bar; None: on a terminal only. `advice` ends the message of an error. A file that is
    there and unchanged is not fetched again: a pinned one without asking the host, another one after asking.
    Raises DownloadError; an earlier good file then still stands at `destination`.
    """
    name = _file_name(address) or destination.name
    kept: Downloaded | None = None
    try:
        part = Part(_checked_address(address), destination)
        with own_words(destination.parent, settings.read_timeout):
            destination.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(f"{destination}.lock"):
                kept = _kept(part, sha256)
                if kept and sha256:
                    return kept
                return _fetch(_Job(*apart(address), part, sha256, kept, settings, progress))
    except TransferError as trouble:
        transient = isinstance(trouble, TransientError)
        if kept and transient:
            log.warning("%s may have changed, but %s: the copy from before is used.", name, trouble)
            return replace(kept, confirmed=False)
        message = f"Cannot download {name}: {trouble}. {advice}".strip()
        raise DownloadError(message, transient=transient) from trouble.__cause__


def public_address(address: str) -> str:
    """An address without what may be secret in it: user, password and the query's values.

    Raises ValueError where it is no address at all.
    """
    parts = urlsplit(address)
    _ = parts.port  # raises where a password with a slash in it tore the address apart
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, host, parts.path, "..." if parts.query else "", ""))


def _checked_address(address: str) -> str:
    """The public address. Raises TransferError where it is not one to download from."""
    try:
        parts, public = urlsplit(address), public_address(address)
    except ValueError:
        raise TransferError("its address is not a valid one") from None
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise TransferError("its address does not start with http:// or https:// and a host")
    return public


def apart(address: str) -> tuple[str, tuple[str, str] | None]:
    """An address without its credentials, and these."""
    parts = urlsplit(address)
    url = urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, parts.query, ""))
    return url, (unquote(parts.username), unquote(parts.password or "")) if parts.username else None


def _file_name(address: str) -> str:
    try:
        return PurePosixPath(unquote(urlsplit(address).path)).name
    except ValueError:
        return ""


def _kept(part: Part, sha256: str | None) -> Downloaded | None:
    """The file of an earlier download, where it still is what it was and may be what is asked for."""
    path = part.destination
    if not path.is_file():
        return None
    digest = file_hash(path)
    meta = read_json(_meta_path(path))
    recorded = meta.get("address") == part.address and meta.get("sha256") == digest
    if not (digest == sha256 if sha256 else recorded):
        return None
    etag, last_modified = (meta.get("etag"), meta.get("last_modified")) if recorded else (None, None)
    return Downloaded(path, digest, path.stat().st_size, part.address, etag, last_modified, changed=False)


def _meta_path(destination: Path) -> Path:
    return destination.with_name(f"{destination.name}.meta.json")


def _fetch(job: _Job) -> Downloaded:
    timeout = httpx.Timeout(job.settings.read_timeout, connect=job.settings.connect_timeout)
    # identity: a body compressed on the way could neither be resumed nor compared with the file's size
    headers = {"Accept-Encoding": "identity", "User-Agent": "nextplay"}
    with httpx.Client(headers=headers, timeout=timeout, auth=job.auth, follow_redirects=True) as client:
        try:
            return _fetch_whole(client, job)
        except _CorruptError as corrupt:
            log.warning("%s: %s; it is fetched once more from its start.", job.destination.name, corrupt)
            return _fetch_whole(client, job)


def _fetch_whole(client: httpx.Client, job: _Job) -> Downloaded:
    """Try until the file is whole, then check it and put it in its place."""
    settings = job.settings
    retrying = tenacity.Retrying(
        retry=tenacity.retry_if_exception(partial(_worth_another_try, settings)),
        stop=tenacity.stop_after_attempt(settings.tries),
        wait=partial(_wait, settings),
        before_sleep=_log_retry,
        retry_error_callback=_give_up,
    )
    fetched = retrying(_try_once, client, job)
    if job.kept and not fetched:
        job.part.discard()
        return job.kept
    return _install(job)


def _try_once(client: httpx.Client, job: _Job) -> bool:
    conditions = {}
    if job.kept:
        wanted = {"If-None-Match": job.kept.etag, "If-Modified-Since": job.kept.last_modified}
        conditions = {name: value for name, value in wanted.items() if value}
    with own_words(job.destination.parent, job.settings.read_timeout):
        return transfer(client, job.url, job.part, conditions, job.progress)


def _worth_another_try(settings: DownloadSettings, error: BaseException) -> bool:
    return isinstance(error, TransientError) and error.retry_after <= settings.longest_retry_after


def _wait(settings: DownloadSettings, state: tenacity.RetryCallState) -> float:
    backoff = tenacity.wait_exponential_jitter(
        settings.first_wait, settings.longest_wait, jitter=settings.first_wait
    )
    trouble = _trouble(state)
    return max(backoff(state), trouble.retry_after if isinstance(trouble, TransientError) else 0.0)


def _log_retry(state: tenacity.RetryCallState) -> None:
    wait = state.next_action.sleep if state.next_action else 0.0
    log.warning("Try %d failed: %s. The next one is in %.1f s.", state.attempt_number, _trouble(state), wait)


def _give_up(state: tenacity.RetryCallState) -> bool:
    trouble, tries = _trouble(state), state.attempt_number
    raise TransientError(f"{trouble} after {tries} tries" if tries > 1 else f"{trouble}") from trouble


def _trouble(state: tenacity.RetryCallState) -> BaseException | None:
    return state.outcome.exception() if state.outcome else None


def _install(job: _Job) -> Downloaded:
    """Check the whole part, then make it the file at the destination."""
    digest, note = _checked_hash(job), job.part.note()
    etag, last_modified = note.get("etag"), note.get("last_modified")
    whole = Downloaded(
        job.destination, digest, job.part.size(), job.part.address, etag, last_modified, changed=True
    )
    with job.part.path.open("rb") as stream:
        os.fsync(stream.fileno())
    job.part.path.replace(job.destination)
    meta = {
        "address": whole.address,
        "bytes": whole.bytes,
        "etag": etag,
        "last_modified": last_modified,
        "sha256": digest,
    }
    replace_text(_meta_path(job.destination), json.dumps(meta, indent=1))  # flushes the folder, too
    job.part.discard()
    return whole


def _checked_hash(job: _Job) -> str:
    """The SHA-256 of the whole part. Where it is not the right one: raises _CorruptError, the part gone."""
    path = job.part.path
    digest = file_hash(path)
    fault = None
    if job.sha256 and digest != job.sha256:
        fault = f"its SHA-256 is {digest} and not {job.sha256}, so it is damaged or not the file meant"
    elif not job.sha256 and job.destination.suffix == ".gz" and not decodes(path):
        fault = "what the host sent is a damaged gzip file"
    if fault:
        job.part.discard()
        raise _CorruptError(fault)
    return digest


def decodes(path: Path) -> bool:
    """Whether a file is gzip data that can be read to its end; costs a pass over all of it."""
    try:
        with gzip.open(path) as stream:
            while stream.read(_DECODED_AT_ONCE):
                pass
    except (EOFError, gzip.BadGzipFile, zlib.error):
        return False
    return True
