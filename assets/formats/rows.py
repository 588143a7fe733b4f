"""Reads files of rows, CSV (plain or gzip) or Parquet, as texts in batches of bounded memory.

Each row comes with its line and its text, so that what is refused later can be shown. In CSV a line is the
line of the file on which the row begins, the header being line 1; in Parquet it is the number of the row.
The format is told from the content, not from the name. The separator of CSV is the one of comma, semicolon,
tab and bar that gives the header the columns asked for.
"""

import csv
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import IO, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from assets.formats.arrow_texts import (
    as_text,
    has_text,
    has_zone,
    is_bytes,
    is_single,
    is_text,
    is_time,
    lost_digits,
)
from assets.formats.columns import EXACTLY, ColumnError, Naming, lacking
from assets.formats.csv_rows import csv_rows, header_line, no_text_of_columns
from assets.formats.gunzip import DamagedFileError
from assets.formats.ids import lost_digits as why_lost
from assets.formats.literals import TEXT_KEPT
from assets.formats.reading import Reading
from assets.formats.text import LONGEST_LINE, count_lines, open_text, sound

TABLE_COLUMNS = ("user_id", "item_id", "timestamp")  # of a file of plays
ID_COLUMNS = ("user_id", "item_id")
TIME = "timestamp"
ITEM_COLUMNS = ("item_id",)  # of a file of items; it may have more

ROWS_AT_ONCE = 1 << 16
SEPARATORS = ",;\t|"

_BLANK_AT_MOST = 64  # characters of a file that holds nothing
_PARQUET_MAGIC = b"PAR1"
ABOUT_A_ROW = {"line": pa.int32(), "reason": pa.string(), "text": pa.string()}


def batch_schema(columns: Sequence[str]) -> pa.Schema:
    """Columns line, reason (why the row could not be read, else null), text, and those asked for."""
    return pa.schema({**ABOUT_A_ROW, **dict.fromkeys(columns, pa.string())})


def with_file(rows: pa.Table, number: int) -> pa.Table:
    """Rows with the number of their file as first column."""
    return rows.add_column(0, "file", pa.array([number] * len(rows), pa.int32()))


@dataclass(frozen=True)
class Columns:
    """The columns of a file: as it calls them, and by the names that they are read by, in the same order.

    `left_out` has the types of those whose values have no form as text; `typed` are those that are times or
    numbers by their type.
    """

    header: Sequence[str]
    names: Sequence[str]
    left_out: Mapping[str, str] = field(default_factory=dict)
    typed: frozenset[str] = frozenset()


def columns_of(
    path: Path, required: Sequence[str], optional: Sequence[str] = (), naming: Naming = EXACTLY
) -> Columns:
    """The columns of a file. Raises ColumnError where it lacks one of those required, and DamagedFileError
    where it cannot be read."""
    if _is_parquet(path):
        return _parquet_columns(path, required, optional, naming)
    with open_text(path) as stream, sound(path):
        return _read_header(stream, required, optional, naming)[0]


class FileLines(NamedTuple):
    """The lines of a file, told without reading its rows. In Parquet a line is a row.

    `header` are those up to the names of the columns, `blank` those behind it without a character.
    """

    lines: int
    header: int
    blank: int
    marks: int  # quotation marks behind the header


@dataclass(frozen=True)
class RowReader:
    """What reads a file in batches of rows, as `read_rows` gives them.

    `read_chunk` makes rows of some lines of a gzip file, given with the number of the first: with it, the
    tasks of Spark share a file; without it, one task reads the whole file. `lines` counts the lines of a file
    in another way than `read` does. `read_as` reads a file as the settings of somebody's table say.
    """

    read: Callable[[Path], Iterator[pa.Table]]
    read_chunk: Callable[[tuple[int, bytes]], pa.Table] | None = None
    lines: Callable[[Path], FileLines] | None = None
    read_as: Callable[[Path, Reading], Iterator[pa.Table]] | None = None

    def reading(self, how: Reading) -> "RowReader":
        """The reader of files that are to be read in some way, where they can be."""
        return replace(self, read=partial(_read_as, self.read_as, how)) if self.read_as else self


def _read_as(
    read: Callable[[Path, Reading], Iterator[pa.Table]], how: Reading, path: Path
) -> Iterator[pa.Table]:
    return read(path, how)


def read_rows(
    path: Path, required: Sequence[str], optional: Sequence[str] = (), naming: Naming = EXACTLY
) -> Iterator[pa.Table]:
    """The rows of a file in their order. Raises ColumnError and DamagedFileError."""
    read = _read_parquet if _is_parquet(path) else _read_csv
    return read(path, required, optional, naming)


def lines_of(path: Path) -> FileLines:
    """The lines of a file of rows. Raises DamagedFileError."""
    if _is_parquet(path):
        with _whole(path):
            return FileLines(pq.read_metadata(path).num_rows, 0, 0, 0)
    with open_text(path) as stream, sound(path):
        *_, header = header_line(stream, SEPARATORS)
        lines, blank, marks = count_lines(stream)
    return FileLines(header + lines, header, blank, marks)


def holds_nothing(path: Path) -> bool:
    """Whether a file has no columns and no rows, as writers leave one for a part without rows."""
    try:
        if _is_parquet(path):
            with _whole(path):
                found = pq.read_metadata(path)
            return bool(found.num_rows == found.num_columns == 0)
        with open_text(path) as stream, sound(path):
            text = stream.read(_BLANK_AT_MOST)
        return len(text) < _BLANK_AT_MOST and not text.strip()
    except (DamagedFileError, OSError):
        return False  # whoever reads it says what is wrong


# --- CSV


def _read_csv(
    path: Path, required: Sequence[str], optional: Sequence[str], naming: Naming
) -> Iterator[pa.Table]:
    wanted = [*required, *optional]
    with open_text(path) as stream, sound(path):
        columns, separator, first = _read_header(stream, required, optional, naming)
        header = columns.names
        places = [header.index(name) if name in header else None for name in wanted]
        rows: list[tuple[object, ...]] = []
        for line, _, _, reason, text, values in csv_rows(
            stream, separator, header, TIME, first + 1, required[0]
        ):
            picked = [None if i is None or reason else values[i] for i in places]
            rows.append((line, reason, text[:TEXT_KEPT], *picked))
            if len(rows) == ROWS_AT_ONCE:
                yield _table(rows, wanted)
                rows = []
        if rows:
            yield _table(rows, wanted)


def _read_header(
    stream: IO[str], required: Sequence[str], optional: Sequence[str], naming: Naming
) -> tuple[Columns, str, int]:
    """The columns, the separator, and the number of the line."""
    text, separators, line = header_line(stream, SEPARATORS)
    if not text:
        raise ColumnError("is empty")
    if len(text) > LONGEST_LINE:
        raise ColumnError("has a first line without an end")
    if other := no_text_of_columns(text):
        raise ColumnError(other)
    for separator in separators:
        header = next(csv.reader([text], delimiter=separator), [])
        names = naming.renamed(header, required, optional)
        if set(required) <= set(names):
            _once(names, required)
            return Columns(header, names), separator, line
    split = [next(csv.reader([text], delimiter=separator), []) for separator in separators]
    raise lacking(max(split, key=len), required, naming)


def _once(header: Sequence[str], required: Sequence[str]) -> None:
    """Raises ColumnError where a header names a column several times."""
    for name in required:
        if (times := header.count(name)) > 1:
            raise ColumnError(f"has the column '{name}' {times} times: rename one")


def _table(rows: Iterable[Sequence[object]], columns: Sequence[str]) -> pa.Table:
    schema = batch_schema(columns)
    arrays = [
        pa.array(column, kind) for column, kind in zip(zip(*rows, strict=True), schema.types, strict=True)
    ]
    return pa.Table.from_arrays(arrays, schema=schema)


# --- Parquet


def _is_parquet(path: Path) -> bool:
    with path.open("rb") as stream:
        return stream.read(len(_PARQUET_MAGIC)) == _PARQUET_MAGIC


def _parquet_columns(path: Path, required: Sequence[str], optional: Sequence[str], naming: Naming) -> Columns:
    with _whole(path):
        schema = pq.read_schema(path)
    names = naming.renamed(schema.names, required, optional)
    if not set(required) <= set(names):
        raise lacking(schema.names, required, naming)
    _once(names, required)
    kinds = dict(zip(reversed(names), reversed(schema.types), strict=True))  # of two of one name the first
    for name in required:
        if not (is_single(kinds[name]) or is_bytes(kinds[name])):
            raise ColumnError(f"has a column '{name}' of type {kinds[name]}, not of single values")
        if name == "timestamp" and (pa.types.is_time(kinds[name]) or pa.types.is_boolean(kinds[name])):
            raise ColumnError(f"has a column '{name}' of type {kinds[name]}, which is no time since 1970")
    known = {*required, *optional}
    strange = {
        name: str(kind)
        for name, kind in kinds.items()
        if name not in required and not (has_text(kind) or (name in known and is_bytes(kind)))
    }
    typed = frozenset(name for name, kind in kinds.items() if is_time(kind))
    return Columns(schema.names, names, strange, typed)


@contextmanager
def _whole(path: Path) -> Iterator[None]:
    """Turns what Arrow says of a file that is not whole into a DamagedFileError."""
    try:
        yield
    except pa.ArrowNotImplementedError as error:
        why = str(error).rstrip(".")
        raise DamagedFileError(f"{path} cannot be read ({why}): write it in another way.") from None
    except (pa.ArrowInvalid, OSError) as error:
        if "UTF8" in str(error):  # of a dictionary, which Arrow looks at
            raise DamagedFileError(f"{path} holds texts that are not UTF-8: write it anew.") from None
        raise DamagedFileError(
            f"{path} is damaged: it is no whole Parquet file; give a whole copy."
        ) from None


def _read_parquet(
    path: Path, required: Sequence[str], optional: Sequence[str], naming: Naming
) -> Iterator[pa.Table]:
    columns = _parquet_columns(path, required, optional, naming)
    wanted = [*required, *optional]
    theirs = dict(zip(reversed(columns.names), reversed(columns.header), strict=True))
    read = {name: theirs[name] for name in wanted if name in theirs and name not in columns.left_out}
    line = 1
    # old writers' times of 96 bits reach further than nanoseconds of 64 do: 9999-12-31 would become 1816
    with _whole(path), pq.ParquetFile(path, coerce_int96_timestamp_unit="us") as file:
        for batch in file.iter_batches(ROWS_AT_ONCE, columns=list(read.values())):
            places = {name: batch.schema.names.index(name) for name in read.values()}
            given = {ours: batch.column(places[name]) for ours, name in read.items()}
            yield _texts(given, wanted, len(batch), line)
            line += len(batch)


def _texts(columns: Mapping[str, pa.Array], wanted: Sequence[str], n: int, line: int) -> pa.Table:
    """`n` rows as `read_rows` gives them; the first is row `line` of the file."""
    texts = {name: as_text(values) for name, values in columns.items()}
    if TIME in columns and has_zone(columns[TIME].type):
        texts[TIME] = pc.replace_substring_regex(texts[TIME], "(:.*)$", r"\1Z")  # behind a time of day
    values = [texts.get(name, pa.nulls(n, pa.string())) for name in wanted]
    shown = pc.binary_join_element_wise(*values, ",", null_handling="replace", null_replacement="")
    lines = pa.array(range(line, line + n), pa.int32())
    text = pc.utf8_slice_codeunits(shown, 0, TEXT_KEPT)
    reason = pa.nulls(n, pa.string())
    for name, given in columns.items():
        if is_bytes(given.type) or (is_text(given.type) and texts[name].null_count > given.null_count):
            broken = pc.and_(pc.is_valid(given), pc.is_null(texts[name]))
            reason = pc.if_else(broken, "not UTF-8", reason)
        if name in TABLE_COLUMNS and (lost := lost_digits(given)) is not None:
            reason = pc.if_else(pc.fill_null(lost, False), why_lost(name), reason)
    return pa.Table.from_arrays([lines, reason, text, *values], schema=batch_schema(wanted))
