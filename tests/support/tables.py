"""Published tables of a few rows, with the columns of their descriptions."""

from collections.abc import Sequence
from typing import Any

from assets.state.lake import Lake, fingerprint, write_parquet
from pipelines.tables import TABLES


def publish(lake: Lake, table: str, rows: Sequence[tuple[Any, ...]]) -> None:
    """Publish rows, ordered by all columns; the columns that a row does not reach stay empty."""
    columns = TABLES[table].schema.names
    made = TABLES[table].rows([dict(zip(columns, row, strict=False)) for row in rows])

    def write(path: Any) -> None:
        with lake.connect() as connection:
            connection.register("made", made)
            write_parquet(connection, "FROM made ORDER BY ALL", path)

    lake.publish(table, fingerprint(table, rows), write)
