"""The column `timestamp`: whole numbers, in a unit that is told from their size."""

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

MICROSECONDS = 10**6  # a second: what dates become
UNITS = {"seconds": 1, "milliseconds": 10**3, "microseconds": MICROSECONDS, "nanoseconds": 10**9}  # a second
FEW = (
    0.01  # share of times that may be of no unit where the others have one: numbers that only count have more
)


CALENDAR = {8: "%Y%m%d", 10: "%Y%m%d%H", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}  # by the number of digits


def calendar_format(first: int, last: int) -> str | None:
    """The format of whole numbers that are dates without signs, such as 201801041230; None for others."""
    form = CALENDAR.get(len(str(last)))
    if form is None or len(str(first)) != len(str(last)):
        return None
    try:
        years = [datetime.strptime(str(number), form).year for number in (first, last)]
    except ValueError:
        return None
    return form if all(1990 <= year < 2100 for year in years) else None


def units_a_second(newest: int) -> int | None:
    """The unit of whole numbers that are times since 1970, told from the size of the newest.

    Seconds, milliseconds, microseconds and nanoseconds of a time between 1973 and 2286; None for others.
    """
    return next((unit for unit in UNITS.values() if 10**8 <= newest / unit < 10**10), None)


def no_clock(plays: int, dated: int, first: int | None, last: int | None, different: int) -> str | None:
    """Why the times of plays are none that can be split at; None where they can.

    `dated` of the `plays` have a time, `different` ones from `first` to `last`. Times since 1970 are a clock,
    in a unit that is told from their size. Numbers without a gap or a repeat count lines.
    """
    if first is None or last is None:
        return "the plays have no times"
    if dated < plays:
        return f"{plays - dated:,} of {plays:,} plays have no time"
    if last - first + 1 == different == plays > 1:
        return f"the times from {first} to {last} only number the plays"
    unit = units_a_second(last)
    if unit is None or units_a_second(first) != unit:
        return f"the times from {first} to {last} are no clock, such as seconds since 1970"
    return None


class Clock(NamedTuple):
    """How whole numbers and their millionths become times of one unit; `zeros` are times too, 0 and -1."""

    unit: str
    zeros: bool
    scale: int  # of the new unit in the old one
    share: int  # millionths of the old unit that make one of the new


def clock_of(plays: Mapping[str, int], broken: int) -> Clock | None:
    """The clock of a table, of the number of plays by unit and those that are no whole numbers of it.

    None where all times stay as they are: in one unit, or numbers that only count. The most common unit
    is taken; where there are broken numbers, microseconds take the place of seconds and milliseconds.
    """
    units = {unit: count for unit, count in plays.items() if unit in UNITS}
    others = sum(plays.values()) - sum(units.values()) - plays.get("nothing", 0)
    they_count = others > FEW * sum(plays.values())
    if not units or (not broken and (they_count or len(plays) == 1)):
        return None
    unit = max(units, key=lambda name: units[name])
    scale = max(1, MICROSECONDS // UNITS[unit]) if broken else 1
    return Clock(unit, they_count, scale, MICROSECONDS // scale)
