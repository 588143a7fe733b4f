"""The rows of delimited text: each with the lines that it stands on, and what is wrong with it.

A quotation mark that is not closed would swallow what follows. So a row that does not end within MOST_LINES,
or by the end of the file, or is no CSV, counts as its first line alone, and reading goes on behind that.
"""

import csv
import re
from collections.abc import Iterator, Sequence
from typing import IO

from assets.formats.text import LONGEST_LINE, Lines, TooManyLinesError

MOST_LINES = 1000  # of a row; nobody writes a cell of more
_A_TEXT = 2  # lines that may look like rows by chance
UNCLOSED = "a quotation mark is not closed"
TOO_LONG = f"a line of more than {LONGEST_LINE:,} characters"

_OTHERS = {
    "PK\3\4": "a ZIP archive or a workbook",
    "Obj\1": "Avro",
    "ORC": "ORC",
    "ARROW1": "an Arrow file",
    "SQLite": "a SQLite database",
    "{": "JSON",
    "[": "JSON",
    "<": "HTML or XML",
}
_SEPARATOR = re.compile(r"sep=(.)[\r\n]*", re.IGNORECASE)

# On which line it begins, blank lines before it, its further lines, why it is refused, its text, its values.
CsvRow = tuple[int, int, int, str | None, str, list[str]]


def csv_rows(
    stream: IO[str], separator: str, header: Sequence[str], time: str, line: int = 2, key: str = ""
) -> Iterator[CsvRow]:
    """The rows from where a text stands, which is the beginning of its `line`; blank lines are no rows.

    `time` is the name of the column of times, where there is one, and `key` that of ids.
    """
    lines, form = Lines(stream, MOST_LINES), _Form(separator, header, time, key)
    kept, width, blank = lines.kept, len(header), 0
    while True:
        try:
            for read in csv.reader(lines, delimiter=separator, strict=True):
                further = len(kept) - 1
                text = "".join(kept) if further else kept[0]
                if not read:
                    kept.clear()
                    line, blank = line + 1, blank + 1
                    continue
                if further and form.swallows(kept):
                    raise TooManyLinesError
                reason, values = None, read
                if len(read) != width or form.quoted in text or len(text) > LONGEST_LINE:
                    reason, values = form.second_look(read, text, kept)
                kept.clear()
                reason, text = readable(reason, text)
                yield line, blank, further, reason, text, values
                line, blank = line + 1 + further, 0
            return
        except (csv.Error, TooManyLinesError) as error:
            alone = len(kept) == 1 and str(error) not in ("unexpected end of data", "")
            reason, text = readable(f"not CSV: {error}" if alone else UNCLOSED, lines.put_back())
            kept.clear()
            yield line, blank, 0, TOO_LONG if len(text) > LONGEST_LINE else reason, text, []
            line, blank = line + 1, 0


def header_line(stream: IO[str], separators: str) -> tuple[str, str, int]:
    """The first line that is not blank, the separators that it may have, and its number.

    A line such as `sep=;`, which Excel understands, may come before it. The text is empty where there is no
    line, and longer than LONGEST_LINE where it does not end.
    """
    number, text = 0, "\n"
    while text and not text.strip():
        number, text = number + 1, stream.readline(LONGEST_LINE + 1)
        if named := _SEPARATOR.fullmatch(text):
            separators, text = named[1], "\n"
    return text, separators, number


def no_text_of_columns(text: str) -> str | None:
    """What a first line shows its file to be, where that is not CSV; None where it may be CSV."""
    for beginning, what in _OTHERS.items():
        if text.startswith(beginning):
            return f"is {what}, which is not read"
    broken = has_broken_bytes(text)
    if "\0" in text or (broken and any(letter < " " for letter in text.strip().replace("\t", ""))):
        return "is neither CSV nor Parquet"
    return "is text in another encoding than UTF-8 or UTF-16" if broken else None


def readable(reason: str | None, text: str) -> tuple[str | None, str]:
    """A reason and a text without its line end, in which bytes that are not UTF-8 are marked."""
    text = text.rstrip("\r\n")
    if text.isascii() or not has_broken_bytes(text):
        return reason, text
    return "not UTF-8", text.encode(errors="surrogateescape").decode(errors="replace")


def has_broken_bytes(text: str) -> bool:
    """Whether a text of `open_text` holds bytes that are not UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


class _Form:
    """What rows of a header look like."""

    def __init__(self, separator: str, header: Sequence[str], time: str, key: str) -> None:
        self.quoted = ' "'  # in a row that may hold a cell that is quoted behind a blank
        self._separator, self._width = separator, len(header)
        self._least = max(
            (i for i, name in enumerate(header, 1) if name), default=0
        )  # the others are nameless
        self._time = header.index(time) if time in header else None
        self._key = header.index(key) if key in header else None

    def swallows(self, lines: Sequence[str]) -> bool:
        """Whether each line of a row looks like a row with a time: then a mark is missing, or is too many.

        Without times three lines are needed, as a text of few lines may look so, and ids that are alike.
        """
        cells = [line.split(self._separator) for line in lines]
        if any(len(row) != self._width for row in cells):
            return False
        if self._time is not None:
            return all(_has_digit(row[self._time]) for row in cells)
        return self._key is not None and len(lines) > _A_TEXT and _alike([row[self._key] for row in cells])

    def second_look(self, values: list[str], text: str, lines: Sequence[str]) -> tuple[str | None, list[str]]:
        """Why an odd row is refused, or None, and its values."""
        if max(map(len, lines)) > LONGEST_LINE:
            return TOO_LONG, values
        if any(value.startswith(" ") and value.lstrip(" ").startswith('"') for value in values):
            try:
                values = next(
                    csv.reader([text], delimiter=self._separator, strict=True, skipinitialspace=True)
                )
            except csv.Error:
                return UNCLOSED, values
        if len(values) < self._least:
            return "too few values", values
        if any(value.strip() for value in values[self._width :]):
            return "too many values", values
        return None, values


def _alike(ids: Sequence[str]) -> bool:
    """Whether texts may be ids of one kind: all have digits, and they are numbers or of one length."""
    bare = [text.strip(' "\r\n') for text in ids]
    if not all(_has_digit(text) for text in bare):
        return False
    return all(text.isdigit() for text in bare) or (
        len({len(text) for text in bare}) == 1 and not any(" " in text for text in bare)
    )


def _has_digit(text: str) -> bool:
    return any(sign.isdigit() for sign in text)
