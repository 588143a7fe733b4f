"""Decompress a gzip file of lines, chunk by chunk, with bounded memory."""

import zlib
from collections.abc import Iterator
from pathlib import Path

from models.mistakes import UserError

GZIP_MAGIC = b"\x1f\x8b"
_READ = 1 << 22  # compressed bytes read at once
_LONGEST_LINE = 1 << 28  # a text without line ends would otherwise fill the memory
_GZIP = zlib.MAX_WBITS | 16


class DamagedFileError(UserError):
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


def chunks_of_lines(path: Path, chunk_bytes: int = 1 << 24) -> Iterator[bytes]:
    """Whole lines in chunks of about `chunk_bytes` bytes; only the last may lack its line end."""
    rest: list[bytes] = []
    size = 0
    for text in gunzip(path, chunk_bytes):
        size += len(text)
        cut = text.rfind(b"\n") + 1
        if cut and size >= chunk_bytes:
            yield b"".join([*rest, memoryview(text)[:cut]])
            rest, size = [text[cut:]], len(text) - cut
        else:
            rest.append(text)
        if size > chunk_bytes + _LONGEST_LINE:
            raise DamagedFileError(
                f"{path} is no file of lines: one is longer than {_LONGEST_LINE >> 20} MB."
            )
    if size:
        yield b"".join(rest)


def numbered(chunks: Iterator[bytes]) -> Iterator[tuple[int, bytes]]:
    """Chunks of lines, each with the number of its first line."""
    line = 1
    for chunk in chunks:
        yield line, chunk
        line += chunk.count(b"\n")


def _complaint(path: Path, done: int, what: str) -> str:
    return f"{path} is damaged after {done:,} decompressed bytes: {what}; delete it and fetch it again."
