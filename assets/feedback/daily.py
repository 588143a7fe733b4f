"""Tables with a few rows for each day: a run makes the newest days again, and the others stay as they are."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path

from assets.feedback.events import cutoff_ms
from assets.feedback.impressions import day_of
from assets.formats.table import Table
from assets.state.by_content import publish_rows
from assets.state.lake import Lake, TableVersion, write_parquet
from serving.state.events import now_ms

LONGEST_LOOK_BACK = timedelta(days=30)


def days_to_make(lake: Lake, table: Table, tags: Mapping[str, str], again: int) -> tuple[date, date]:
    """The first and the last day that a run with these tags makes: up to its cut-off, or now.

    Of the days that the table has, the last `again` are among them.
    """
    last = day_of(cutoff_ms(tags) or now_ms())
    return _first_day(lake, table.name, last, again), last


def _first_day(lake: Lake, table: str, last: date, again: int) -> date:
    earliest = last - LONGEST_LOOK_BACK
    if not lake.has(table):
        return earliest
    with lake.connect(table) as connection:
        (newest,) = connection.execute(f"SELECT max(day) FROM {table}").fetchall()[0]
    if newest is None:
        return earliest
    return min(last, max(earliest, date.fromisoformat(newest) - timedelta(days=again - 1)))


def publish_days(lake: Lake, table: Table, rows: Sequence[Mapping[str, object]]) -> TableVersion:
    """Replace the days that `rows` are of. Rows are ordered by all columns, the day first."""
    name = table.name

    def write(path: Path) -> None:
        with lake.connect(*([name] if lake.has(name) else [])) as connection:
            connection.register("nothing", table.schema.empty_table())
            connection.register("new_rows", table.rows(rows))
            connection.table(name if lake.has(name) else "nothing").create_view("rows_before")
            kept = "FROM rows_before WHERE day NOT IN (SELECT day FROM new_rows)"
            write_parquet(connection, f"{kept} UNION ALL FROM new_rows ORDER BY ALL", path)

    return publish_rows(lake, name, write)
