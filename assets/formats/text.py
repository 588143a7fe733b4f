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
from typing import IO, Any, NamedTuple

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


class LineCount(NamedTuple):
    """What a text holds up to its last line that is not empty: lines, empty ones of them, quotation marks."""

    lines: int
    blank: int
    marks: int


def count_lines(stream: IO[str]) -> LineCount:
    """What a text holds from where it stands, told from its characters alone."""
    lines = blank = marks = trailing = 0
    begun = ""  # of a line; what it says does not matter
    while text := stream.read(_READ):
        if text[-1] == "\r":
            text += stream.read(1)
        marks += text.count('"')
        *ended, begun = (begun + text.replace("\r\n", "\n").replace("\r", "\n")).split("\n")
        begun = begun[:1]
        lines, blank = lines + len(ended), blank + ended.count("")
        behind = next((n for n, line in enumerate(reversed(ended)) if line), len(ended))
        trailing = behind if behind < len(ended) else trailing + behind
    if begun:
        return LineCount(lines + 1, blank, marks)
    return LineCount(lines - trailing, blank - trailing, marks)
