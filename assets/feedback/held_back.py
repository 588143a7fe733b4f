"""Plays that are held back, so that a run can be asked what it would have served before them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import duckdb

from assets.engines.sql import make_table, statement
from assets.formats.timestamps import MICROSECONDS, units_a_second
from assets.resources import LAST
from models.mistakes import UserError

ADVICE = "give last, a date such as 2017-07-01, or a whole number as the column timestamp has it"


class HoldBackError(UserError):
    """The plays cannot be held back as the settings ask; the message says what to change."""


@dataclass(frozen=True)
class HoldBack:
    """What is held back: each user's last play, or every play from a time on.

    `moment` is a time in microseconds since 1970, `number` one as the column `timestamp` has it. With
    neither it is the last play of each user.
    """

    text: str
    moment: int | None = None
    number: int | None = None

    @classmethod
    def from_text(cls, text: str) -> "HoldBack":
        """Of `last`, `2017-07-01` or `1480000000`. Raises HoldBackError."""
        if text.strip() == LAST:
            return cls(text)
        try:
            return cls(text, number=int(text))
        except ValueError:
            pass
        try:
            moment = datetime.fromisoformat(text.strip())
        except ValueError:
            raise HoldBackError(f"'{text}' does not say what is held back: {ADVICE}.") from None
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        seconds = int(moment.replace(microsecond=0).timestamp())
        return cls(text, moment=seconds * MICROSECONDS + moment.microsecond)

    @property
    def is_time(self) -> bool:
        return self.moment is not None or self.number is not None


def hold_back(connection: duckdb.DuckDBPyConnection, hold: HoldBack, min_playtime: int) -> None:
    """Make `held_from` of the table `united_plays`: for each user from which position on plays are held back.

    A last play is one that is long enough to learn from. Raises HoldBackError where nothing, or everything,
    would be held back.
    """
    cut = _cut(connection, hold) if hold.is_time else None
    make_table(connection, "held_from", {"time": cut, "min_playtime": min_playtime})
    ((held, left),) = connection.execute(statement("held_counts")).fetchall()
    if not held or not left:
        what = "every play" if held else "no play"
        raise HoldBackError(f"NEXTPLAY_HOLD_BACK={hold.text} holds back {what}{_span(connection)}: {ADVICE}.")


def _cut(connection: duckdb.DuckDBPyConnection, hold: HoldBack) -> int:
    """The time as the column `timestamp` has it."""
    times = _times(connection)
    if times["timed"] < times["plays"]:
        raise HoldBackError(
            f"NEXTPLAY_HOLD_BACK={hold.text} needs plays with a time, and this source has none: set "
            f"NEXTPLAY_HOLD_BACK={LAST}, which holds back the last play of each user."
        )
    if hold.moment is None:
        assert hold.number is not None
        return hold.number
    unit = units_a_second(times["last"] or 0)
    if unit is None:
        raise HoldBackError(
            f"NEXTPLAY_HOLD_BACK={hold.text} is a date, and the times of this source are no times since 1970 "
            f"but numbers from {times['first']} to {times['last']}: give such a number, or {LAST}."
        )
    return -(-hold.moment * unit // MICROSECONDS)  # rounded up: what is before the moment stays


def _span(connection: duckdb.DuckDBPyConnection) -> str:
    times = _times(connection)
    if times["timed"] < times["plays"] or not times["plays"]:
        return ""
    return f" (the plays run from {times['first']} to {times['last']}, as the column timestamp has it)"


def _times(connection: duckdb.DuckDBPyConnection) -> Mapping[str, Any]:
    found = connection.execute(statement("united_times"))
    columns, (row,) = [column[0] for column in found.description], found.fetchall()
    return dict(zip(columns, row, strict=True))
