"""Tables that are made in Python, not by a statement: their rows come as Arrow, and few are one row."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from assets.formats.table import Table
from assets.state.lake import Lake, LakeError, TableVersion, file_hash, write_parquet


def write_rows(lake: Lake, rows: pa.Table, path: Path) -> None:
    """Write rows in the order that they have."""
    with lake.connect() as connection:
        connection.register("rows_made_here", rows)
        write_parquet(connection, "FROM rows_made_here", path)


def publish_row(lake: Lake, table: Table, made_from: str, row: Mapping[str, object]) -> TableVersion:
    """Publish a table of one row."""
    return lake.publish(table.name, made_from, lambda path: write_rows(lake, table.rows([row]), path))


def read_row(lake: Lake, table: Table) -> dict[str, Any]:
    """The row of a table of one row; raises LakeError where there is none, or not what was written.

    It decides, so nobody may have written into it.
    """
    version = lake.current(table.name)
    if file_hash(version.path) != version.content_hash:
        raise LakeError(
            f"The table '{table.name}' is not what was written: materialize the asset '{table.name}' again."
        )
    rows = pq.read_table(version.path).to_pylist()
    if len(rows) != 1:
        raise LakeError(
            f"The table '{table.name}' has {len(rows)} rows in place of one: materialize the asset "
            f"'{table.name}' again."
        )
    found: dict[str, Any] = rows[0]
    return found
