"""What Spark's executors do with Parquet: write the partitions of a frame as parts, and read parts again.

Both go through Arrow and `serving.state.storage`, so that a folder and an object store are one to them
and no Java connector is needed. A part is written beside its place and appears whole, under a
name that its task gives it: a task that is run again, or twice, leaves the same part.
"""

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from serving.state.storage import Store

ROW_GROUP = 1 << 18  # rows
WORK = "address string, row_group int"  # what `part_reader` gets
REPORT = "part int, key string, rows bigint"  # what `part_writer` gives

_REPORT = pa.schema({"part": pa.int32(), "key": pa.string(), "rows": pa.int64()})

Batches = Iterator[pa.RecordBatch]


@dataclass(frozen=True, order=True)
class Part:
    """A part that was written; parts are ordered as the partitions of their frame."""

    number: int
    key: str
    rows: int


def part_writer(store: str, prefix: str, schema: pa.Schema) -> Callable[[Batches], Batches]:
    """For `mapInArrow`: write each partition as one part below `prefix` of a store, and report it."""

    def write(batches: Batches) -> Batches:
        from pyspark import TaskContext

        context = TaskContext.get()
        number = context.partitionId() if context else 0
        key = f"{prefix}/part-{number:06d}.parquet"
        rows = _write_part(batches, Store(store), key, schema)
        if rows:
            yield pa.RecordBatch.from_pylist([{"part": number, "key": key, "rows": rows}], _REPORT)

    return write


def _write_part(batches: Batches, store: Store, key: str, schema: pa.Schema) -> int:
    """Returns the number of rows; no part is written of none."""
    rows = 0
    with tempfile.TemporaryDirectory() as folder:
        aside = Path(folder) / "part.parquet"
        with pq.ParquetWriter(aside, schema, compression="zstd", store_schema=False) as writer:
            for table in _groups(batches):
                writer.write_table(table.cast(schema))
                rows += len(table)
        if rows:
            store.put(aside, key)
    return rows


def _groups(batches: Batches) -> Iterator[pa.Table]:
    """Batches joined to tables of about ROW_GROUP rows."""
    waiting: list[pa.RecordBatch] = []
    for batch in batches:
        waiting.append(batch)
        if sum(map(len, waiting)) >= ROW_GROUP:
            yield pa.Table.from_batches(waiting)
            waiting = []
    if any(map(len, waiting)):
        yield pa.Table.from_batches(waiting)


def part_reader(batches: Batches) -> Batches:
    """For `mapInArrow`: the rows of row groups, given by the address of their file and their number."""
    for batch in batches:
        for row in batch.to_pylist():
            yield from _row_group(row["address"], row["row_group"])


def _row_group(address: str, number: int) -> Batches:
    folder, _, name = address.rpartition("/")
    with Store(folder).stream(name) as stream:
        table = pq.ParquetFile(stream).read_row_group(number)
    yield from table.to_batches(max_chunksize=1 << 16)


def row_groups(address: str) -> tuple[pa.Schema, list[tuple[str, int]]]:
    """The schema of a Parquet file, and the work of `part_reader` on it."""
    folder, _, name = address.rpartition("/")
    with Store(folder).stream(name) as stream:
        file = pq.ParquetFile(stream)
        return file.schema_arrow, [(address, number) for number in range(file.num_row_groups)]


def empty_part(path: Path, schema: pa.Schema) -> Path:
    """A part without rows: where a frame has none, its columns still have to be known."""
    pq.write_table(schema.empty_table(), path)
    return path
