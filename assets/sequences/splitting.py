"""How sequences are split into what is trained on, validated on and tested on."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from assets.engines.engine import Engine
from assets.formats.timestamps import MICROSECONDS, no_clock, units_a_second
from assets.ingest.sources import dated_sources
from assets.resources import Splitting
from models.mistakes import UserError

AUTO, LEAVE_ONE_OUT, TEMPORAL = "auto", "leave-one-out", "temporal"
CUTOFFS = Splitting().cutoffs  # unless they are set
FEWEST_TEST_USERS = 20  # the gate tells no two models apart with fewer
PARTS = ("train", "validation", "test")
_ADVICE = "give two rising shares of the plays such as 0.8,0.9, two dates, or two whole numbers"


class SplitError(UserError):
    """The data cannot be split as the settings ask; the message says what to change."""


@dataclass(frozen=True)
class Cutoffs:
    """Where validation and test begin: shares of the plays, times as in the column `timestamp`, or dates."""

    validation: float | int
    test: float | int
    are_dates: bool = False  # microseconds since 1970, whatever the unit of the plays is

    @property
    def are_shares(self) -> bool:
        return isinstance(self.validation, float)

    def times(self, newest: int) -> tuple[int, int]:
        """In the unit of plays of which the newest has this time; not for shares."""
        unit = (units_a_second(newest) if self.are_dates else None) or MICROSECONDS
        return int(self.validation) * unit // MICROSECONDS, int(self.test) * unit // MICROSECONDS

    @classmethod
    def from_text(cls, text: str) -> "Cutoffs":
        """Of `0.8,0.9`, `2017-01-01,2017-07-01` or `1480000000,1500000000`. Raises SplitError."""
        parts = [part.strip() for part in text.split(",")]
        for read in (int, _share, _date):
            try:
                values = [read(part) for part in parts]
            except ValueError:
                continue
            if len(values) == 2 and values[0] < values[1]:
                return cls(values[0], values[1], are_dates=read is _date)
        raise SplitError(f"The cut-offs '{text}' cannot be used: {_ADVICE}.")


def _share(text: str) -> float:
    share = float(text)
    if not 0 < share < 1:
        raise ValueError(text)
    return share


def _date(text: str) -> int:
    """Microseconds since 1970; what has no offset is in UTC."""
    moment = datetime.fromisoformat(text)
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    seconds = int(moment.replace(microsecond=0).timestamp())
    return seconds * MICROSECONDS + moment.microsecond


def make_splits(engine: Engine, split: str, cutoffs: str, seen: Mapping[str, Any]) -> dict[str, Any]:
    """Make `splits` of the view `core_interactions`; returns the parameters of `split.sql`.

    Those that say whether seen items are answers are given, as `seen`. Set to `auto`, plays are split in time
    where their times are a clock and leave every part something, else leave-one-out.
    Raises SplitError where the data cannot be split as it is set.
    """
    if split == LEAVE_ONE_OUT:
        return _leave_one_out(engine, seen, f"NEXTPLAY_SPLIT={split} says so")
    span = engine.find("time_span").one()
    if split == TEMPORAL:
        return _temporal(engine, cutoffs, span, seen, f"NEXTPLAY_SPLIT={split} says so")
    if fault := no_clock(**span):
        return _leave_one_out(engine, seen, fault)
    try:
        made = _temporal(engine, cutoffs, span, seen, "each play has a time, and the times are a clock")
        sizes = engine.find("split", made).one()
        check_parts(sizes)
        if sizes["test_users"] >= FEWEST_TEST_USERS:
            return made
        fault = f"split in time only {sizes['test_users']} users have a test play"
        fault += f", and {FEWEST_TEST_USERS} are needed"
    except SplitError as error:
        if cutoffs != CUTOFFS:
            raise
        fault = f"the plays have times, but cannot be split by them: {str(error).rstrip('.')}"
    return _leave_one_out(engine, seen, fault)


def _leave_one_out(engine: Engine, seen: Mapping[str, Any], reason: str) -> dict[str, Any]:
    engine.make_view("splits")
    return {"name": LEAVE_ONE_OUT, "validation_from": None, "test_from": None, **seen, "reason": reason}


def _temporal(
    engine: Engine, cutoffs: str, span: Mapping[str, Any], seen: Mapping[str, Any], reason: str
) -> dict[str, Any]:
    cuts = _times(engine, Cutoffs.from_text(cutoffs), span)
    engine.make_table("temporal_splits", cuts)
    engine.alias("splits", "temporal_splits")
    made = {"name": f"{TEMPORAL} ({cutoffs})", **cuts, **seen, "reason": reason}
    sizes = engine.find("split", made).one()
    for part in PARTS:
        if not sizes[part]:
            raise SplitError(f"NEXTPLAY_CUTOFFS={cutoffs} leaves nothing for {part}: {_ADVICE}.")
    return made


def check_parts(sizes: Mapping[str, Any]) -> None:
    """Raises SplitError where the row of the table `split` has a part without plays."""
    empty = [part for part in PARTS if not sizes[part]]
    if empty:
        raise SplitError(
            f"NEXTPLAY_SPLIT={sizes['name']} leaves no plays for {' and '.join(empty)}, as no user has three "
            "left: set a smaller NEXTPLAY_CORE, or bring more plays of the same users."
        )


def _times(engine: Engine, cutoffs: Cutoffs, span: Mapping[str, Any]) -> Mapping[str, int]:
    """Where validation and test begin, as times."""
    first, last = span["first"], span["last"]
    if span["dated"] < span["plays"]:
        raise SplitError(
            "NEXTPLAY_SPLIT=temporal needs plays with a time, and this source has none: set "
            f"NEXTPLAY_SPLIT=leave-one-out, or take a dated source ({' or '.join(dated_sources())})."
        )
    if cutoffs.are_shares:
        times = (_quantile(engine, cutoffs.validation), _quantile(engine, cutoffs.test))
    else:
        times = cutoffs.times(last)
    if not first < times[0] < times[1] <= last:
        raise SplitError(
            f"NEXTPLAY_CUTOFFS cut at {times[0]} and {times[1]}, and the plays run from {first} to {last} "
            f"(as the column timestamp has it; dates are microseconds): {_ADVICE}."
        )
    return {"validation_from": times[0], "test_from": times[1]}


def _quantile(engine: Engine, share: float) -> int:
    return int(engine.find("timestamp_quantile", {"share": share}).one()["time"])
