"""Tables with a few rows for each day: a run makes the newest days again, and the others stay as they are."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa

from assets.state.by_content import publish_rows
from assets.state.lake import Lake, TableVersion, write_parquet

LONGEST_LOOK_BACK = timedelta(days=30)


def first_day(lake: Lake, table: str, last: date, again: int) -> date:
    """From which day on a table is to be made up to `last`; of the days that it has, the last `again` too."""
    earliest = last - LONGEST_LOOK_BACK
    if not lake.has(table):
        return earliest
    with lake.connect(table) as connection:
        (newest,) = connection.execute(f"SELECT max(day) FROM {table}").fetchall()[0]
    if newest is None:
        return earliest
    return min(last, max(earliest, date.fromisoformat(newest) - timedelta(days=again - 1)))


def publish_days(
    lake: Lake, table: str, schema: pa.Schema, rows: Sequence[Mapping[str, object]]
) -> TableVersion:
    """Replace the days that `rows` are of. Rows are ordered by all columns, the day first."""

    def write(path: Path) -> None:
        with lake.connect(*([table] if lake.has(table) else [])) as connection:
            connection.register("nothing", schema.empty_table())
            connection.register("new_rows", pa.Table.from_pylist(list(rows), schema))
            connection.table(table if lake.has(table) else "nothing").create_view("rows_before")
            kept = "FROM rows_before WHERE day NOT IN (SELECT day FROM new_rows)"
            write_parquet(connection, f"{kept} UNION ALL FROM new_rows ORDER BY ALL", path)

    return publish_rows(lake, table, write)
