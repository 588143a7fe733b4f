"""What was read and may be meant otherwise: checks that warn, and block nothing."""

import time
from collections.abc import Sequence
from datetime import UTC, datetime

import dagster as dg
import duckdb

from assets.engines.sql import markdown, statement
from assets.formats.timestamps import calendar_format, units_a_second
from assets.resources import Home

A_DAY = 86_400  # seconds
SHOWN = 5  # doubtful rows in a check's metadata
ADVICE = "write them in one way in the files, where that is not meant (docs/data.md)."


@dg.asset_check(
    asset="unread_values",
    additional_deps=["catalogue"],
    description="Every value of a typed column of the file of items could be read, and lists are lists. A "
    "warning: it blocks nothing.",
)
def item_values_were_read(home: Home) -> dg.AssetCheckResult:
    with home.lake().connect("unread_values", "catalogue") as connection:
        rows = connection.execute("SELECT name, times, first_value, first_line FROM unread_values").fetchall()
        joined = connection.execute(statement("joined_texts")).fetchall()
    said = [
        f"{times:,} values of {name} could not be read and are left empty, first '{value}' in line {line}"
        for name, times, value, line in rows
    ] + [
        f"{times:,} of {filled:,} {name}, such as '{first}', may be lists, whose texts only a bar separates"
        for name, filled, times, first in joined
    ]
    return _warning(said, ["column", "values", "first", "line"], rows)


@dg.asset_check(
    asset="interactions",
    additional_deps=["catalogue"],
    description="No two ids are most likely the same, and the items that are described are those that are "
    "played. A warning: it blocks nothing.",
)
def ids_are_told_apart(home: Home) -> dg.AssetCheckResult:
    with home.lake().connect("interactions", "catalogue") as connection:
        found = connection.execute(statement("ids_alike"))
        rows, more = found.fetchmany(SHOWN), len(found.fetchall())
        played, described, both, first_played, first_described = (
            connection.execute(statement("described_plays")).fetchone() or (0,) * 5
        )
    said = [f"the {what} ids '{one}' and '{other}' are most likely one" for what, one, other, _ in rows[:1]]
    if len(rows) + more > 1:
        said[0] += f", and {len(rows) + more - 1:,} more like them"
    if played and described and not both:
        said.append(
            f"none of the {described:,} items of the catalogue, such as '{first_described}', is played, "
            f"and none of those that are, such as '{first_played}', is in it"
        )
    return _warning(said, ["of", "one", "other", "ids"], rows)


@dg.asset_check(
    asset="interactions",
    description="No play is ahead of today, and times are no dates that were read as numbers. A warning: it "
    "blocks nothing.",
)
def times_are_likely(home: Home) -> dg.AssetCheckResult:
    with home.lake().connect("interactions") as connection:
        first, last = connection.execute(
            "SELECT min(timestamp), max(timestamp) FROM interactions"
        ).fetchone() or (None, None)
        told = None if last is None else _doubt_of_times(connection, first, last)
    return dg.AssetCheckResult(
        passed=not told,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"{told}: mend the times in the files, where that is not meant (docs/data.md)."
        if told else None,
    )  # fmt: skip


def _doubt_of_times(connection: duckdb.DuckDBPyConnection, first: int, last: int) -> str | None:
    if form := calendar_format(first, last):
        return f"the times from {first} to {last} look like dates, which NEXTPLAY_TIME_FORMAT={form} reads"
    unit = units_a_second(last)
    if not unit:
        return None
    tomorrow = {"tomorrow": int((time.time() + A_DAY) * unit)}
    (ahead,) = connection.execute(
        "SELECT count(*) FROM interactions WHERE timestamp > $tomorrow", tomorrow
    ).fetchone() or (0,)
    plays = "play is" if ahead == 1 else "plays are"
    return f"{ahead:,} {plays} ahead of today, the last on {_day(last / unit)}" if ahead else None


def _day(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).date().isoformat()


def _warning(
    said: Sequence[str], columns: Sequence[str], rows: Sequence[Sequence[object]]
) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        passed=not said,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"{'; '.join(said)}: {ADVICE}" if said else None,
        metadata={"doubtful": dg.MetadataValue.md(markdown(columns, rows))} if rows else {},
    )
