"""Decompress a gzip file of lines in a thread of its own, chunk by chunk, with bounded memory."""

import threading
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from queue import Full, Queue

_READ = 1 << 20  # compressed bytes read at once
_LONGEST_LINE = 1 << 28  # a text without line ends would otherwise fill the memory
_GZIP = zlib.MAX_WBITS | 16


class DamagedFileError(Exception):
    """A raw file cannot be decompressed to its end; the message is one sentence."""


def gunzip(path: Path, chunk_bytes: int) -> Iterator[bytes]:
    """The decompressed text in pieces of about `chunk_bytes` bytes, of one or several gzip members.

    Raises DamagedFileError where the file is no gzip file, is cut off, or fails its own checksum.
    """
    done, member = 0, zlib.decompressobj(_GZIP)
    with path.open("rb") as stream:
        compressed = b""
        while True:
            compressed = compressed or stream.read(_READ)
            if not compressed:
                break
            if member.eof:
                compressed = compressed.lstrip(b"\0")  # padding between members, as gzip itself allows
                if not compressed:
                    continue
                member = zlib.decompressobj(_GZIP)
            try:
                text = member.decompress(compressed, chunk_bytes)
            except zlib.error as error:
                raise DamagedFileError(
                    _complaint(path, done, f"it is no gzip data there ({error})")
                ) from None
            done += len(text)
            compressed = member.unused_data if member.eof else member.unconsumed_tail
            if text:
                yield text
    if not member.eof:
        raise DamagedFileError(_complaint(path, done, "it is cut off there"))


def chunks_of_lines(path: Path, chunk_bytes: int = 1 << 25) -> Iterator[bytes]:
    """Whole lines in chunks of about `chunk_bytes` bytes; only the last may lack its line end."""
    rest: list[bytes] = []
    size = 0
    for text in _ahead(gunzip(path, chunk_bytes)):
        size += len(text)
        cut = text.rfind(b"\n") + 1
        if cut and size >= chunk_bytes:
            yield b"".join([*rest, text[:cut]])
            rest, size = [text[cut:]], len(text) - cut
        else:
            rest.append(text)
        if size > chunk_bytes + _LONGEST_LINE:
            raise DamagedFileError(
                f"{path} is no file of lines: one is longer than {_LONGEST_LINE >> 20} MB."
            )
    if size:
        yield b"".join(rest)


def _complaint(path: Path, done: int, what: str) -> str:
    return f"{path} is damaged after {done:,} decompressed bytes: {what}; delete it and fetch it again."


def _ahead(pieces: Iterator[bytes], depth: int = 8) -> Iterator[bytes]:
    """The same pieces, made in a thread up to `depth` pieces ahead; zlib works without the GIL."""
    queue: Queue[bytes | BaseException | None] = Queue(depth)
    stopped = threading.Event()

    def put(piece: bytes | BaseException | None) -> None:
        while not stopped.is_set():
            with suppress(Full):
                queue.put(piece, timeout=0.1)
                return

    def work() -> None:
        try:
            for piece in pieces:
                put(piece)
                if stopped.is_set():
                    return
            put(None)
        except BaseException as error:  # handed over: the reader raises it
            put(error)

    thread = threading.Thread(target=work, name="gunzip", daemon=True)
    thread.start()
    try:
        while (piece := queue.get()) is not None:
            if isinstance(piece, BaseException):
                raise piece
            yield piece
    finally:
        stopped.set()
        thread.join()
