"""One try at fetching a file over HTTP: from the request to bytes appended to the part on disk.

    <name>.part        what an unfinished download has so far; the next try, or the next run, continues it
    <name>.part.json   of which version of the remote file it is a part

A part is continued only where the host confirms, by its validator (RFC 9110, 13.1.5), that it still serves
the version that the part was begun with; otherwise the download starts again from zero.
"""

import errno
import json
import re
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any

import httpx
from tqdm import tqdm

from assets.formats.gunzip import GZIP_MAGIC
from assets.state.files import replace_text

_CONTENT_RANGE = re.compile(r"bytes (?:(\d+)-\d+|\*)/(\d+|\*)")


class TransferError(Exception):
    """Why a try failed: the middle of a sentence."""


class TransientError(TransferError):
    """Another try may succeed, not before `retry_after` seconds where the host says so."""

    def __init__(self, reason: str, retry_after: float = 0.0) -> None:
        super().__init__(reason)
        self.retry_after = retry_after


class _PartUnusableError(Exception):
    """The part on disk does not belong to what the host has now."""


@dataclass(frozen=True)
class Part:
    """The unfinished copy of the file that `address` (without credentials) is to bring to `destination`."""

    address: str
    destination: Path

    @property
    def path(self) -> Path:
        return self.destination.with_name(f"{self.destination.name}.part")

    @property
    def note_path(self) -> Path:
        return self.destination.with_name(f"{self.destination.name}.part.json")

    def size(self) -> int:
        return self.path.stat().st_size if self.path.exists() else 0

    def note(self) -> dict[str, Any]:
        """`address`, `bytes`, `etag` and `last_modified` of the remote file; empty where unknown."""
        note = read_json(self.note_path)
        return note if note.get("address") == self.address else {}

    def discard(self) -> None:
        self.path.unlink(missing_ok=True)  # first: a note without a part is harmless
        self.note_path.unlink(missing_ok=True)

    def begin(self, response: httpx.Response) -> None:
        """Forget what is there and note what the new part is a part of."""
        self.discard()
        headers = response.headers
        facts = {"etag": headers.get("ETag"), "last_modified": headers.get("Last-Modified")}
        note = {"address": self.address, "bytes": _total(response), **facts}
        replace_text(self.note_path, json.dumps(note, indent=1))


def transfer(
    client: httpx.Client, url: str, part: Part, conditions: Mapping[str, str], progress: bool | None
) -> bool:
    """Bring the part to its full length. False: the host says that nothing has changed.

    `conditions` are the headers of a conditional request. Raises TransferError; every byte that came is kept.
    """
    try:
        return _request(client, url, part, conditions, progress)
    except _PartUnusableError:
        part.discard()
        return _request(client, url, part, conditions, progress)


def _request(
    client: httpx.Client, url: str, part: Part, conditions: Mapping[str, str], progress: bool | None
) -> bool:
    note = part.note()
    validator = _validator(note)
    offset = part.size() if validator else 0
    resume = {"Range": f"bytes={offset}-", "If-Range": validator} if offset and validator else {}
    with client.stream("GET", url, headers={**conditions, **resume}) as response:
        if conditions and response.status_code == HTTPStatus.NOT_MODIFIED:
            return False
        if resume and response.status_code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            if _total(response) == note.get("bytes") == offset:
                return True  # a run was killed between the last byte and the renaming
            raise _PartUnusableError
        if resume and response.status_code == HTTPStatus.PARTIAL_CONTENT:
            if not _continues(response, note, offset):
                raise _PartUnusableError
            _append(part, response, b"", response.iter_raw(), progress)
            return True
        _check_status(response)
        chunks = response.iter_raw()
        head = _head(chunks, part.destination)  # a web page must not cost us the part
        part.begin(response)
        _append(part, response, head, chunks, progress)
    return True


def _validator(note: Mapping[str, Any]) -> str | None:
    """What If-Range may carry: a strong entity tag or, where there is no tag at all, a date."""
    etag: str | None = note.get("etag")
    if etag:
        return None if etag.startswith("W/") else etag
    return note.get("last_modified")


def _continues(response: httpx.Response, note: Mapping[str, Any], offset: int) -> bool:
    """Whether a 206 goes on where the part ends, and in the same version of the file."""
    found = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
    if found is None or found[1] is None or int(found[1]) != offset:
        return False
    same_tag = response.headers.get("ETag", note.get("etag")) == note.get("etag")
    return same_tag and (note.get("bytes") is None or _total(response) in {None, note.get("bytes")})


def _total(response: httpx.Response) -> int | None:
    """The size of the remote file in bytes, where the response tells it."""
    if response.status_code == HTTPStatus.OK:
        length = response.headers.get("Content-Length", "")
        return int(length) if length.isdecimal() else None
    found = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
    return int(found[2]) if found and found[2] != "*" else None


def _head(chunks: Iterator[bytes], destination: Path) -> bytes:
    """The first bytes of a body. Raises TransferError where they are not what the name promises."""
    head = b""
    for chunk in chunks:
        head += chunk
        if len(head) >= len(GZIP_MAGIC):
            break
    if not head:
        raise TransferError("the host sent an empty file")
    if destination.suffix == ".gz" and not head.startswith(GZIP_MAGIC):
        kind = "a web page" if head.lstrip().startswith(b"<") else "something else"
        raise TransferError(f"the host sent {kind} instead of a gzip file")
    return head


def _append(
    part: Part, response: httpx.Response, head: bytes, chunks: Iterator[bytes], progress: bool | None
) -> None:
    total = _total(response)
    bar = tqdm(
        desc=part.destination.name,
        total=total,
        initial=part.size(),
        unit="B",
        unit_scale=True,
        disable=None if progress is None else not progress,
    )
    with bar, part.path.open("ab") as stream:
        stream.write(head)
        bar.update(len(head))
        for chunk in chunks:
            stream.write(chunk)
            bar.update(len(chunk))
    if total is not None and part.size() < total:  # a host may send less of a range than it was asked for
        raise TransientError("the connection broke off")


def _check_status(response: httpx.Response) -> None:
    status = response.status_code
    if status == HTTPStatus.OK:
        return
    reason = f"the host answered {status} {response.reason_phrase}".rstrip()
    if status not in {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS} and status < 500:
        raise TransferError(reason)
    wait = _retry_after(response)
    raise TransientError(f"{reason} and asks to wait {wait:.0f} s" if wait else reason, wait)


def _retry_after(response: httpx.Response) -> float:
    """Seconds; 0 where the host does not say, or not in a way that can be read."""
    value = response.headers.get("Retry-After", "").strip()
    if value.isdecimal():
        return float(value)
    try:
        return max(0.0, (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return 0.0


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object; empty where there is none that can be read."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


@contextmanager
def own_words(folder: Path, read_timeout: float) -> Iterator[None]:
    """Say in words of our own what failed: the texts of libraries can repeat an address, secrets and all."""
    try:
        yield
    except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
        raise TransferError("its address is not a valid one") from error
    except httpx.TooManyRedirects as error:
        raise TransferError("the host redirects it in circles") from error
    except (httpx.ReadTimeout, httpx.WriteTimeout) as error:
        raise TransientError(f"the host sent nothing for {read_timeout:g} s") from error
    except (httpx.TimeoutException, httpx.ConnectError) as error:
        if _caused_by(error, ssl.SSLCertVerificationError):
            raise TransferError("the certificate of the host cannot be verified") from error
        raise TransientError("the host did not answer") from error
    except httpx.ProxyError as error:
        raise TransientError("the proxy refused") from error
    except httpx.TransportError as error:
        raise TransientError("the connection broke off") from error
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise TransferError(
                f"the disk is full, free some space for {folder} and run this again"
            ) from error
        raise TransferError(f"{folder} cannot be written to ({error.strerror})") from error


def _caused_by(error: BaseException | None, kind: type[BaseException]) -> bool:
    while error is not None:
        if isinstance(error, kind):
            return True
        error = error.__cause__ or error.__context__
    return False
