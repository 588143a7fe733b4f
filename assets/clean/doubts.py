"""What was read and may be meant otherwise: checks that warn, and block nothing."""

import time
from collections.abc import Sequence
from datetime import UTC, datetime

import dagster as dg
import duckdb

from assets.clean.clean import zones
from assets.clean.mixed_columns import mixed_columns
from assets.engines.sql import markdown, statement
from assets.formats.timestamps import calendar_format, units_a_second
from assets.resources import Home

A_DAY = 86_400  # seconds
LONG_AGO = 788_918_400  # seconds, up to 1995: times of .NET, Windows and Apple, since other days, look older
SHOWN = 5  # doubtful rows in a check's metadata
ENOUGH = 20  # ids, for their digits to be no chance
ONE_IN = 20  # ids that both know, and fewer are chance
FURTHER = "SELECT attributes FROM catalogue WHERE attributes <> '' LIMIT $most"
MOST_ITEMS = 100_000  # that are looked at for columns of several kinds
ADVICE = "write them in one way in the files, where that is not meant (docs/data.md)."


@dg.asset_check(
    asset="unread_values",
    additional_deps=["catalogue"],
    description="Every value of a typed column of the file of items could be read, lists are lists, and no "
    "column is text for the sake of a few values. A warning: it blocks nothing.",
)
def item_values_were_read(home: Home) -> dg.AssetCheckResult:
    with home.lake().connect("unread_values", "catalogue") as connection:
        rows = connection.execute("SELECT name, times, first_value, first_line FROM unread_values").fetchall()
        joined = connection.execute(statement("joined_texts")).fetchall()
        found = connection.execute(FURTHER, {"most": MOST_ITEMS}).fetchall()
        far, last = connection.execute(statement("far_releases")).fetchone() or (0, None)
    said = [
        f"{times:,} values of {name} could not be read and are left empty, first '{value}' in line {line}"
        for name, times, value, line in rows
    ] + [
        f"{times:,} of {filled:,} {name}, such as '{first}', may be lists, whose texts only a bar separates"
        for name, filled, times, first in joined
    ]
    said += mixed_columns(text for (text,) in found)
    if far:
        releases = "release is" if far == 1 else "releases are"
        said.append(f"{far:,} {releases} in 2100 or later, the last on {last}, as where there is no date")
    return warning(said, ADVICE, ["column", "values", "first", "line"], rows)


@dg.asset_check(
    asset="interactions",
    additional_deps=["catalogue"],
    description="No two ids are most likely the same, none stands for several, and the items that are "
    "described are those that are played. A warning: it blocks nothing.",
)
def ids_are_told_apart(home: Home) -> dg.AssetCheckResult:
    with home.lake().connect("interactions", "catalogue") as connection:
        found = connection.execute(statement("ids_alike"))
        rows, more = found.fetchmany(SHOWN), len(found.fetchall())
        described = [*_in_other_letters(connection), *_hardly_described(connection)]
        rounded = _rounded(connection)
    said = [f"the {what} ids '{one}' and '{other}' are most likely one" for what, one, other, _ in rows[:1]]
    if len(rows) + more > 1:
        said[0] += f", and {len(rows) + more - 1:,} more like them"
    return warning([*said, *rounded, *described], ADVICE, ["of", "one", "other", "ids"], rows)


def _rounded(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """Long numbers that end in zeros more often than chance makes them."""
    return [
        f"{rounded:,} of the {ids:,} {what} ids of more than 15 digits, such as '{first}', end in zeros, as "
        f"spreadsheets and JavaScript round them: one may stand for several {what}s"
        for what, ids, rounded, first in connection.execute(statement("ids_rounded")).fetchall()
        if ids >= ENOUGH and 2 * rounded >= ids
    ]


def _in_other_letters(connection: duckdb.DuckDBPyConnection) -> list[str]:
    items, played, described = connection.execute(statement("ids_apart")).fetchone() or (0, None, None)
    pair = f"'{played}' is played and '{described}' is described"
    return [f"{pair}, and {items:,} such items differ in capital letters alone"] if items else []


def _hardly_described(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """Where the ids of plays and catalogue are most likely of two kinds; some may be the same by chance."""
    played, described, both, first_played, first_described = (
        connection.execute(statement("described_plays")).fetchone() or (0,) * 5
    )
    if ONE_IN * both >= min(played, described):
        return []
    if not both:
        return [
            f"none of the {described:,} items of the catalogue, such as '{first_described}', is played, "
            f"and none of those that are, such as '{first_played}', is in it"
        ]
    return [
        f"only {both:,} of the {described:,} items of the catalogue are among the {played:,} that are "
        f"played: '{first_described}' is not, and '{first_played}' is not in the catalogue"
    ]


@dg.asset_check(
    asset="interactions",
    additional_deps=["raw_counts"],
    description="No play is ahead of today, the last is not long ago, times are no dates that were read as "
    "numbers, and all or none say how far they are from UTC. A warning: it blocks nothing.",
)
def times_are_likely(home: Home) -> dg.AssetCheckResult:
    with home.lake().connect("interactions", "raw_counts") as connection:
        first, last = connection.execute(
            "SELECT min(timestamp), max(timestamp) FROM interactions"
        ).fetchone() or (None, None)
        told = None if last is None else _doubt_of_times(connection, first, last)
        mixed = _doubt_of_zones(*zones(connection))
    advice = "mend the times in the files, where that is not meant (docs/data.md)."
    return warning([said for said in (told, mixed) if said], advice)


def _doubt_of_zones(zoned: int, plain: int) -> str | None:
    """Of times that are written in two ways; those without an offset may be of another zone."""
    if not (zoned and plain):
        return None
    return (
        f"{plain:,} of {zoned + plain:,} times have no offset from UTC and count as UTC, and the others have "
        "one"
    )


def _doubt_of_times(connection: duckdb.DuckDBPyConnection, first: int, last: int) -> str | None:
    if form := calendar_format(first, last):
        return f"the times from {first} to {last} look like dates, which NEXTPLAY_TIME_FORMAT={form} reads"
    unit = units_a_second(last)
    if not unit:
        return None
    if last < LONG_AGO * unit:
        day = _day(last / unit)
        return f"the last play is on {day}, as where times are counted from another day than 1970-01-01"
    tomorrow = {"tomorrow": int((time.time() + A_DAY) * unit)}
    (ahead,) = connection.execute(
        "SELECT count(*) FROM interactions WHERE timestamp > $tomorrow", tomorrow
    ).fetchone() or (0,)
    plays = "play is" if ahead == 1 else "plays are"
    return f"{ahead:,} {plays} ahead of today, the last on {_day(last / unit)}" if ahead else None


def _day(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).date().isoformat()


def warning(
    said: Sequence[str],
    advice: str = ADVICE,
    columns: Sequence[str] = (),
    rows: Sequence[Sequence[object]] = (),
) -> dg.AssetCheckResult:
    """A check that warns of what is said, if anything is, and shows rows."""
    return dg.AssetCheckResult(
        passed=not said,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"{'; '.join(said)}: {advice}" if said else None,
        metadata={"doubtful": dg.MetadataValue.md(markdown(columns, rows))} if rows else {},
    )
