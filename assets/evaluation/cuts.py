"""Where to cut the plays of a home, so that what is served before each cut is judged by what came after."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import duckdb

from assets.engines.sql import statement
from assets.formats.timestamps import units_a_second
from assets.resources import LAST
from assets.state.lake import Lake

SHARES = (0.85, 0.9, 0.95)  # of the plays that are before a cut
ENOUGH_USERS = 100


def default_cuts(lake: Lake, min_playtime: int) -> list[str]:
    """Days of the last stretch, where plays have real times and enough users played on both sides; else last.

    A cut is a value of NEXTPLAY_HOLD_BACK. Raises LakeError where there are no plays yet.
    """
    with lake.connect("all_interactions") as connection:
        unit = unit_of_plays(connection)
        return list(_days(connection, unit, min_playtime)) if unit else [LAST]


def unit_of_plays(connection: duckdb.DuckDBPyConnection) -> int | None:
    """Units a second of the times of `all_interactions`; None where some have none, or they are no clock."""
    ((plays, timed, last),) = connection.execute(statement("play_times")).fetchall()
    return units_a_second(last or 0) if timed == plays else None


def _days(connection: duckdb.DuckDBPyConnection, unit: int, min_playtime: int) -> Iterator[str]:
    found = dict.fromkeys(_day(connection, share, unit) for share in SHARES)
    enough = [day for day in found if _users(connection, day, unit, min_playtime) >= ENOUGH_USERS]
    yield from enough or [LAST]


def _day(connection: duckdb.DuckDBPyConnection, share: float, unit: int) -> str:
    (time,) = _only(connection, "play_time_at", {"share": share})
    return datetime.fromtimestamp(time / unit, UTC).date().isoformat()


def _users(connection: duckdb.DuckDBPyConnection, day: str, unit: int, min_playtime: int) -> int:
    time = int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp()) * unit
    (users,) = _only(connection, "users_across", {"time": time, "min_playtime": min_playtime})
    return int(users)


def _only(connection: duckdb.DuckDBPyConnection, name: str, parameters: dict[str, Any]) -> Sequence[Any]:
    (row,) = connection.execute(statement(name), parameters).fetchall()
    found: Sequence[Any] = row
    return found
