"""A gzip file that a host publishes, or what a setting names in its place."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import httpx

from assets.formats.gunzip import GZIP_MAGIC
from assets.ingest.download import apart, decodes, download
from assets.ingest.raw_file import RawFile, Request, SourceError, file_state, local_path, raw_file, shown
from assets.ingest.transfer import read_json
from assets.resources import Source

SIGNS = ("etag", "last-modified", "content-length")  # of a remote file, in a host's answer
TIMEOUT_S = 10.0


@dataclass(frozen=True)
class Published:
    """Where a raw file of a role is published; `sha256` pins what `address` has for good.

    `given` is the path or address that the setting `variable` names instead, if it names any.
    """

    role: str
    address: str
    variable: str
    given: Callable[[Source], str | None]
    folder: str  # below that of the raw files: where the download is kept, under the name that it has there
    sha256: str | None = None

    def fetch(self, request: Request) -> RawFile:
        """The file, downloaded where it is not there yet. Raises SourceError and DownloadError."""
        address = self._address(request)
        if not _is_remote(address):
            return gzip_file_in_place(self.role, address, self.variable)
        done = download(
            address,
            self._kept(request),
            sha256=self._pin(address),
            settings=request.settings,
            advice=f"Give a copy with {self.variable}=path, or run the built-in sample with SOURCE=sample.",
        )
        how = "downloaded" if done.changed else "unchanged" if done.confirmed else "kept"
        return RawFile(self.role, done.path, done.sha256, done.bytes, done.address, how)

    def state(self, request: Request) -> object:
        """Differs when the file may differ: its size and time, its pin, or what the host says of it.

        Raises OSError, ValueError and httpx.HTTPError where that cannot be told.
        """
        address = self._address(request)
        if not _is_remote(address):
            return file_state(address)
        if pinned := self._pin(address):
            return pinned
        try:
            signs = _signs(*apart(address))
        except httpx.HTTPError:  # a run would take the copy from before too, where there is one
            kept = self._kept(request)
            meta = read_json(kept.with_name(f"{kept.name}.meta.json"))
            if not meta:
                raise
            return [meta.get("etag"), meta.get("last_modified"), str(meta.get("bytes"))]
        return signs

    def _address(self, request: Request) -> str:
        return self.given(request.source) or self.address

    def _pin(self, address: str) -> str | None:
        return self.sha256 if address == self.address else None

    def _kept(self, request: Request) -> Path:
        return request.folder / self.folder / self.address.rpartition("/")[2]


def _signs(url: str, auth: tuple[str, str] | None) -> list[str | None]:
    """What a host says of a file. One that answers no HEAD, as for a signed address, is asked as a download
    is, and left before the content. Raises httpx.HTTPError."""
    with httpx.Client(auth=auth, follow_redirects=True, timeout=TIMEOUT_S) as client:
        answer = client.head(url)
        if answer.is_client_error:
            with client.stream("GET", url) as answer:
                pass
    headers = answer.raise_for_status().headers
    return [headers.get(sign) for sign in SIGNS]


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


def _is_remote(address: str) -> bool:
    return address.lower().startswith(("http://", "https://"))
