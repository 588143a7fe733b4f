"""The text of a file, unpacked and decoded, in lines of bounded length.

What packed a file and how it is encoded are told from its first bytes: gzip, bzip2, xz or Zstandard; UTF-8,
or UTF-16 and UTF-32 with their marks (UTF-16 of Latin letters also without).
"""

import bz2
import codecs
import gzip
import io
import lzma
import zlib
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pyarrow as pa

from assets.formats.gunzip import GZIP_MAGIC, DamagedFileError

LONGEST_LINE = 1 << 20  # characters; the rest of a longer one is passed over
_READ = 1 << 16  # characters read at once

_UNPACK: dict[bytes, Callable[[Path], Any]] = {
    GZIP_MAGIC: gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ\x00": lzma.open,
    b"\x28\xb5\x2f\xfd": lambda path: io.BufferedReader(pa.input_stream(path, compression="zstd")),
}
_MARKS = {  # the longer ones first: that of UTF-16 begins that of UTF-32
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


def open_text(path: Path) -> IO[str]:
    """The text of a file, line ends as they stand; a byte that is not UTF-8 is half a surrogate pair."""
    unpacked = open_unpacked(path)
    with sound(path):
        encoding = _encoding(unpacked.peek(32)[:32])
    return io.TextIOWrapper(unpacked, encoding=encoding, errors="surrogateescape", newline="")


def open_unpacked(path: Path) -> Any:
    """The bytes of a file, unpacked, as a stream with `peek`."""
    with path.open("rb") as stream:
        start = stream.read(8)
    unpack = next((unpack for magic, unpack in _UNPACK.items() if start.startswith(magic)), None)
    return unpack(path) if unpack else path.open("rb")


def _encoding(start: bytes) -> str:
    for mark, encoding in _MARKS.items():
        if start.startswith(mark):
            return encoding
    for encoding, letters, zeros in (
        ("utf-16-le", start[0::2], start[1::2]),
        ("utf-16-be", start[1::2], start[0::2]),
    ):
        if len(start) > 8 and not any(zeros) and all(letters) and letters.isascii():
            return encoding
    return "utf-8-sig"


@contextmanager
def sound(path: Path) -> Iterator[None]:
    """Turns what unpacking or decoding complains about into a DamagedFileError."""
    try:
        yield
    except (EOFError, OSError, zlib.error, lzma.LZMAError, UnicodeDecodeError) as error:
        raise DamagedFileError(f"{path} is damaged ({error}): give a whole copy.") from None


class Lines:
    """The lines of a text from where it stands, one at a time, with a way back.

    `kept` are those that were handed out since it was emptied last. An iteration ends with TooManyLinesError
    where more than `most` would be kept; a new one goes on from there.
    """

    def __init__(self, stream: IO[str], most: int) -> None:
        self.kept: list[str] = []
        self._stream, self._most = stream, most
        self._rest = ""  # of what was read: a line that has not ended yet
        self._waiting = deque[str]()

    def __iter__(self) -> Iterator[str]:
        kept, waiting, most = self.kept, self._waiting, self._most
        while waiting or self._read():
            if len(kept) == most:
                raise TooManyLinesError
            line = waiting.popleft()
            kept.append(line)
            yield line

    def put_back(self) -> str:
        """Keep the first line alone, which is returned, and hand the others out again."""
        self._waiting.extendleft(reversed(self.kept[1:]))
        del self.kept[1:]
        return self.kept[0]

    def _read(self) -> bool:
        """Read some more lines; returns whether there are any."""
        while not self._waiting:
            text = self._stream.read(_READ)
            if not text:
                if self._rest:
                    self._waiting.append(self._rest)
                    self._rest = ""
                break
            if text[-1] == "\r":
                text += self._stream.read(1)  # the other half of a line end
            self._waiting.extend(io.StringIO(self._rest + text, newline=""))
            self._rest = self._waiting.pop() if text[-1] not in "\r\n" else ""
            if len(self._rest) > LONGEST_LINE:
                self._cut()
        return bool(self._waiting)

    def _cut(self) -> None:
        """Hand out the beginning of a line that is too long, and pass over the rest of it."""
        self._waiting.append(self._rest[: LONGEST_LINE + 1])
        self._rest = ""
        while text := self._stream.read(_READ):
            if text[-1] == "\r":
                text += self._stream.read(1)
            _, *others = io.StringIO(text, newline="")
            if others or text[-1] in "\r\n":
                self._waiting.extend(others)
                self._rest = self._waiting.pop() if text[-1] not in "\r\n" else ""
                return


class TooManyLinesError(Exception):
    """More lines would be kept than may be."""


def count_lines(path: Path) -> int:
    """The lines of a file up to the last that is not empty, told from its line ends alone.

    Raises DamagedFileError.
    """
    lines = after = 0  # after: those behind the last that is not empty so far
    open_line = False
    with open_text(path) as stream, sound(path):
        while text := stream.read(_READ):
            if text[-1] == "\r":
                text += stream.read(1)
            full = text.rstrip("\r\n")
            if full:
                lines += after + _ends(full)
                after, open_line = 0, True
            after += _ends(text[len(full) :])
    return lines + open_line


def _ends(text: str) -> int:
    return text.count("\n") + text.count("\r") - text.count("\r\n")
