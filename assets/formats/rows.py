"""Reads files of rows, CSV (plain or gzip) or Parquet, as texts in batches of bounded memory.

Each row comes with its line and its text, so that what is refused later can be shown. In CSV a line is the
line of the file on which the row begins, the header being line 1; in Parquet it is the number of the row.
The format is told from the content, not from the name. The separator of CSV is the one of comma, semicolon,
tab and bar that gives the header the columns asked for.
"""

import csv
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from assets.formats.csv_rows import csv_rows, header_line, no_text_of_columns
from assets.formats.gunzip import DamagedFileError
from assets.formats.literals import TEXT_KEPT
from assets.formats.text import LONGEST_LINE, count_lines, open_text, sound
from models.bundle.attributes import LIST_SEPARATOR

TABLE_COLUMNS = ("user_id", "item_id", "timestamp")  # of a file of plays
TIME = "timestamp"
ITEM_COLUMNS = ("item_id",)  # of a file of items; it may have more

ROWS_AT_ONCE = 1 << 16
SEPARATORS = ",;\t|"

_PARQUET_MAGIC = b"PAR1"
ABOUT_A_ROW = {"line": pa.int32(), "reason": pa.string(), "text": pa.string()}


class ColumnError(Exception):
    """A file of rows lacks a column, or is none; the message says what was found instead."""


def batch_schema(columns: Sequence[str]) -> pa.Schema:
    """Columns line, reason (why the row could not be read, else null), text, and those asked for."""
    return pa.schema({**ABOUT_A_ROW, **dict.fromkeys(columns, pa.string())})


def with_file(rows: pa.Table, number: int) -> pa.Table:
    """Rows with the number of their file as first column."""
    return rows.add_column(0, "file", pa.array([number] * len(rows), pa.int32()))


def columns_of(path: Path, required: Sequence[str]) -> list[str]:
    """The names of a file's columns. Raises ColumnError where it lacks one of those required, and
    DamagedFileError where it cannot be read."""
    if _is_parquet(path):
        return _parquet_columns(path, required)
    with open_text(path) as stream, sound(path):
        return _read_header(stream, required)[0]


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
    in another way than `read` does.
    """

    read: Callable[[Path], Iterator[pa.Table]]
    read_chunk: Callable[[tuple[int, bytes]], pa.Table] | None = None
    lines: Callable[[Path], FileLines] | None = None


def read_plays(path: Path) -> Iterator[pa.Table]:
    """The rows of a file of plays, TABLE_COLUMNS. Raises ColumnError and DamagedFileError."""
    return read_rows(path, TABLE_COLUMNS)


def read_rows(path: Path, required: Sequence[str], optional: Sequence[str] = ()) -> Iterator[pa.Table]:
    """The rows of a file in their order. Raises ColumnError and DamagedFileError."""
    read = _read_parquet if _is_parquet(path) else _read_csv
    return read(path, required, optional)


def lines_of(path: Path) -> FileLines:
    """The lines of a file of rows. Raises DamagedFileError."""
    if _is_parquet(path):
        with _whole(path):
            return FileLines(pq.read_metadata(path).num_rows, 0, 0, 0)
    with open_text(path) as stream, sound(path):
        *_, header = header_line(stream, SEPARATORS)
        lines, blank, marks = count_lines(stream)
    return FileLines(header + lines, header, blank, marks)


# --- CSV


def _read_csv(path: Path, required: Sequence[str], optional: Sequence[str]) -> Iterator[pa.Table]:
    wanted = [*required, *optional]
    with open_text(path) as stream, sound(path):
        header, separator, first = _read_header(stream, required)
        places = [header.index(name) if name in header else None for name in wanted]
        rows: list[tuple[object, ...]] = []
        for line, _, _, reason, text, values in csv_rows(stream, separator, header, TIME, first + 1):
            picked = [None if i is None or reason else values[i] for i in places]
            rows.append((line, reason, text[:TEXT_KEPT], *picked))
            if len(rows) == ROWS_AT_ONCE:
                yield _table(rows, wanted)
                rows = []
        if rows:
            yield _table(rows, wanted)


def _read_header(stream: IO[str], required: Sequence[str]) -> tuple[list[str], str, int]:
    """The names of the columns, the separator, and the number of the line."""
    text, separators, line = header_line(stream, SEPARATORS)
    if not text:
        raise ColumnError("is empty")
    if len(text) > LONGEST_LINE:
        raise ColumnError("has a first line without an end")
    if other := no_text_of_columns(text):
        raise ColumnError(other)
    for separator in separators:
        header = [name.strip() for name in next(csv.reader([text], delimiter=separator), [])]
        if set(required) <= set(header):
            _once(header, required)
            return header, separator, line
    header = [name.strip() for name in next(csv.reader([text]), [])]
    raise ColumnError(_lacks(header, required))


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


def _parquet_columns(path: Path, required: Sequence[str]) -> list[str]:
    with _whole(path):
        schema = pq.read_schema(path)
    columns: list[str] = schema.names
    if not set(required) <= set(columns):
        raise ColumnError(_lacks(columns, required))
    for name in required:
        if pa.types.is_nested(schema.field(name).type):
            raise ColumnError(
                f"has a column '{name}' of type {schema.field(name).type}, not of single values"
            )
    return columns


@contextmanager
def _whole(path: Path) -> Iterator[None]:
    """Turns what Arrow says of a file that is not whole into a DamagedFileError."""
    try:
        yield
    except (pa.ArrowInvalid, OSError):
        raise DamagedFileError(
            f"{path} is damaged: it is no whole Parquet file; give a whole copy."
        ) from None


def _read_parquet(path: Path, required: Sequence[str], optional: Sequence[str]) -> Iterator[pa.Table]:
    wanted, there = [*required, *optional], _parquet_columns(path, required)
    line = 1
    with _whole(path), pq.ParquetFile(path) as file:
        for batch in file.iter_batches(ROWS_AT_ONCE, columns=[name for name in wanted if name in there]):
            yield _texts(batch, wanted, line)
            line += len(batch)


def _texts(batch: pa.RecordBatch, wanted: Sequence[str], line: int) -> pa.Table:
    """A batch as `read_rows` gives it; its first row is row `line` of the file."""
    n, there = len(batch), batch.schema.names
    values = [_as_text(batch[name]) if name in there else pa.nulls(n, pa.string()) for name in wanted]
    shown = pc.binary_join_element_wise(*values, ",", null_handling="replace", null_replacement="")
    lines = pa.array(range(line, line + n), pa.int32())
    text = pc.utf8_slice_codeunits(shown, 0, TEXT_KEPT)
    arrays = [lines, pa.nulls(n, pa.string()), text, *values]
    return pa.Table.from_arrays(arrays, schema=batch_schema(wanted))


def _as_text(values: pa.Array) -> pa.Array:
    """Values as they would stand in CSV."""
    if pa.types.is_struct(values.type) or pa.types.is_map(values.type):
        return pa.nulls(len(values), pa.string())
    if pa.types.is_list(values.type) or pa.types.is_large_list(values.type):
        texts = pc.cast(values, pa.list_(pa.string()))
        return pc.binary_join(texts, LIST_SEPARATOR)
    return pc.cast(values, pa.string())


def _lacks(columns: Sequence[str], required: Sequence[str]) -> str:
    missing = " and ".join(f"'{name}'" for name in required if name not in columns)
    found = ", ".join(columns[:20]) or "none"
    return f"has no column {missing}; its columns are {found[:300]}"
