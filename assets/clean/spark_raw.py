"""What Spark's executors make of raw files: rows, with the readers that the engine of one machine uses too.

A gzip file cannot be entered in its middle. So each task decompresses the whole stream, which is fast, and
parses its own share of the chunks, which is slow: chunk `i` belongs to the task `i % parts`.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from assets.clean.clean_tables import CATALOGUE
from assets.clean.forgetting import without_users
from assets.formats import steam_format, steam_games
from assets.formats.gunzip import chunks_of_lines, numbered
from assets.formats.ids import with_usable_ids
from assets.formats.literals import Quarantined
from assets.formats.rows import RowReader, batch_schema, with_file
from serving.state.own_folder import own_folder
from serving.state.storage import Store, is_address

WORK = "file int, address string, part int, parts int"  # what the readers get
CHUNK_BYTES = 1 << 22  # of text: small, so that few tasks share even a small file evenly

LIBRARIES = pa.schema(
    {
        "line": pa.int32(),
        "item": pa.int32(),
        "user_id": pa.string(),
        "item_id": pa.string(),
        "name": pa.string(),
        "playtime": pa.int32(),
        "reason": pa.string(),
        "text": pa.string(),
        "lines_read": pa.int64(),
        "items_read": pa.int64(),
        "lines_accepted": pa.int64(),
        "lines_forgotten": pa.int64(),
        "items_forgotten": pa.int64(),
    }
)
GAMES = pa.schema(
    [
        pa.field("line", pa.int32()),
        *CATALOGUE.schema,
        pa.field("reason", pa.string()),
        pa.field("text", pa.string()),
    ]
)

Work = dict[str, Any]


class Reader:
    """For `mapInArrow`: the rows, of `schema`, that `read` makes of each piece of work."""

    def __init__(self, schema: pa.Schema, read: Callable[[Work], Iterator[pa.Table]]) -> None:
        self.schema, self._read = schema, read

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for work in batch.to_pylist():
                for table in self._read(work):
                    yield from table.cast(self.schema).to_batches(max_chunksize=1 << 16)


def rows_reader(readers: Mapping[int, RowReader], columns: tuple[str, ...], ids: tuple[str, ...]) -> Reader:
    """Reads files of rows, each by the reader of its number; the rows come with that number."""

    def read(work: Work) -> Iterator[pa.Table]:
        reader = readers[work["file"]]
        if reader.read_chunk:
            tables: Iterable[pa.Table] = map(reader.read_chunk, _chunks(work))
        else:
            tables = reader.read(_local(work["address"]))
        for table in tables:
            yield with_file(with_usable_ids(table, ids), work["file"])

    return Reader(pa.schema([pa.field("file", pa.int32()), *batch_schema(columns)]), read)


def libraries_reader(forgotten: Collection[str]) -> Reader:
    """Reads files of libraries: items, what is left out, and for each chunk a row that says what was read."""

    def read(work: Work) -> Iterator[pa.Table]:
        for first_line, chunk in _chunks(work):
            found = without_users(steam_format.read_chunk(chunk), forgotten)
            yield _owned(found, first_line)
            yield _refused(found.quarantine, LIBRARIES, first_line - 1)
            counts = {
                "lines_read": found.lines_read,
                "items_read": found.items_read,
                "lines_accepted": sum(owner is not None for owner in found.owners),
                "lines_forgotten": found.lines_forgotten,
                "items_forgotten": found.items_forgotten,
            }
            yield pa.Table.from_pylist([counts], LIBRARIES)

    return Reader(LIBRARIES, read)


def games_reader() -> Reader:
    """Reads the catalogue of the store: a row for each line, with a game or with what is left out."""

    def read(work: Work) -> Iterator[pa.Table]:
        for first_line, chunk in _chunks(work):
            found = steam_games.read_chunk(chunk, first_line)
            yield pa.Table.from_pylist([{"line": line, **asdict(game)} for line, game in found], GAMES)

    return Reader(GAMES, read)


def _owned(found: steam_format.Libraries, first_line: int) -> pa.Table:
    """The accepted items of a chunk, [items], in the order of the text."""
    sizes = found.sizes
    line = np.repeat(np.arange(len(sizes), dtype=np.int32), sizes)  # [items]
    starts = np.cumsum(sizes, dtype=np.int64) - sizes  # [lines]
    item_ids, names = zip(*found.games, strict=True) if found.games else ((), ())
    game = pa.array(found.game)
    columns = {
        "line": pa.array(line + np.int32(first_line), pa.int32()),
        "item": pa.array((np.arange(len(line)) - starts[line]).astype(np.int32)),
        "user_id": pa.array(found.owners, pa.string()).take(pa.array(line)),
        "item_id": pa.array(item_ids, pa.string()).take(game),
        "name": pa.array(names, pa.string()).take(game),
        "playtime": pa.array(found.playtime),
    }
    return _filled(pa.table(columns), LIBRARIES)


def _refused(entries: list[Quarantined], schema: pa.Schema, lines_before: int) -> pa.Table:
    rows = [asdict(entry) | {"line": entry.line + lines_before} for entry in entries]
    return pa.Table.from_pylist(rows, schema)


def _filled(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """A table with the columns of a schema, null where it has none."""
    columns = [
        table[field.name] if field.name in table.column_names else pa.nulls(len(table), field.type)
        for field in schema
    ]
    return pa.Table.from_arrays(columns, schema=schema)


def _chunks(work: Work) -> Iterator[tuple[int, bytes]]:
    """The task's share of the chunks, each with the number of its first line."""
    chunks = numbered(chunks_of_lines(_local(work["address"]), CHUNK_BYTES))
    return (chunk for i, chunk in enumerate(chunks) if i % work["parts"] == work["part"])


@cache
def _local(address: str) -> Path:
    """Where a raw file lies on this machine; one of an object store is fetched once. Its name is its hash."""
    if not is_address(address):
        return Path(address)
    folder, _, name = address.rpartition("/")
    path = own_folder("nextplay-raw") / name
    if not path.exists():
        Store(folder).get(name, path)
    return path
