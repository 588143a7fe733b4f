"""Reads the Steam reviews: a gzip file of lines, each a Python 2 literal of one review, as rows of a table.

Who reviews a game has played it, so a review is a play, at the date of the review. The hours of the review
are those that the profile showed when the file was made, not when the review was written: they are not used.
Dates are days, and reviews of one user and day stay in the order of the file.

`ast.literal_eval` reads the lines right and slowly. A regular expression that admits nothing but whole tokens
proves most lines to be a dict of plain values, whose pairs are then what `ast.literal_eval` would have found;
any other line goes to `ast.literal_eval`.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from assets.formats.gunzip import chunks_of_lines, numbered
from assets.formats.literals import TEXT_KEPT, RefusedError, is_text, literal
from assets.formats.parallel import in_order
from assets.formats.rows import TABLE_COLUMNS, batch_schema

KEYS = ("username", "product_id", "date")  # user_id, item_id, timestamp of the table

_ESCAPE = r"\\(?:[\\'\"nrt]|x[0-9a-f]{2}|u[0-9a-f]{4})"
_SINGLE, _DOUBLE = r"[^'\\\r\n\0]*", r"[^\"\\\r\n\0]*"
_TEXT = rf"u?(?:'{_SINGLE}(?:{_ESCAPE}{_SINGLE})*'|\"{_DOUBLE}(?:{_ESCAPE}{_DOUBLE})*\")"
_PAIR = rf"u?'([a-z_]+)': ({_TEXT}|-?(?:0|[1-9][0-9]{{0,8}})(?:[.][0-9]{{1,9}})?|True|False|None)"
_PAIRS = re.compile(_PAIR)
_PROVEN = re.compile(rf"\{{{_PAIR}(?:, {_PAIR})*\}}")
_PLAIN = re.compile(r"u?(?:'([^\\]*)'|\"([^\\]*)\")")  # a text without escapes

Row = tuple[int, str | None, str, str | None, str | None, str | None]


def read_reviews(path: Path, chunk_bytes: int = 1 << 24) -> Iterator[pa.Table]:
    """The reviews in the order of the file, as `rows.read_rows` gives rows.

    Raises DamagedFileError where the file cannot be decompressed to its end.
    """
    return in_order(read_chunk, numbered(chunks_of_lines(path, chunk_bytes)))


def read_chunk(numbered_chunk: tuple[int, bytes]) -> pa.Table:
    """The reviews of some whole lines, given with the number of their first."""
    first, chunk = numbered_chunk
    rows = [_row(line, text) for line, text in enumerate(chunk.removesuffix(b"\n").split(b"\n"), first)]
    schema = batch_schema(TABLE_COLUMNS)
    columns = zip(zip(*rows, strict=True), schema.types, strict=True)
    return pa.Table.from_arrays([pa.array(column, kind) for column, kind in columns], schema=schema)


def _row(line: int, text: bytes) -> Row:
    shown = text[: 4 * TEXT_KEPT].decode(errors="replace")[:TEXT_KEPT]
    try:
        user, item, date = _proven(text) or _review(literal(text))
    except RefusedError as refused:
        return line, str(refused), shown, None, None, None
    return line, None, shown, user, item, date


def _proven(text: bytes) -> tuple[str, str, str] | None:
    """User, item and date of a line that is plain, and has all three without escapes; else None."""
    try:
        decoded = text.decode()
    except UnicodeDecodeError:
        return None
    if not _PROVEN.fullmatch(decoded):
        return None
    pairs = dict(_PAIRS.findall(decoded))
    user, item, date = (_PLAIN.fullmatch(pairs.get(key, "")) for key in KEYS)
    if not (user and item and date):
        return None
    return _inside(user), _inside(item), _inside(date)


def _inside(text: re.Match[str]) -> str:
    return text[2] if text[1] is None else text[1]


def _review(value: object) -> tuple[str | None, str | None, str | None]:
    """User, item and date; what is missing is told by the reader of the rows."""
    if not isinstance(value, dict):
        raise RefusedError("not a review")
    found = [value.get(key) for key in KEYS]
    if not all(one is None or is_text(one) for one in found):
        raise RefusedError("a review whose username, product_id or date is no text")
    user, item, date = (one if isinstance(one, str) else None for one in found)
    return user, item, date
