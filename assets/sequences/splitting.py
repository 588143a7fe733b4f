"""How sequences are split into what is trained on, validated on and tested on."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from assets.engines.engine import Engine
from assets.formats.timestamps import MICROSECONDS
from assets.ingest.sources import dated_sources
from models.mistakes import UserError

LEAVE_ONE_OUT, TEMPORAL = "leave-one-out", "temporal"

PARTS = ("train", "validation", "test")
_ADVICE = "give two rising shares of the plays such as 0.8,0.9, two dates, or two whole numbers"


class SplitError(UserError):
    """The data cannot be split as the settings ask; the message says what to change."""


@dataclass(frozen=True)
class Cutoffs:
    """Where validation and test begin: shares of the plays, or times as the column `timestamp` has them."""

    validation: float | int
    test: float | int

    @property
    def are_shares(self) -> bool:
        return isinstance(self.validation, float)

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
                return cls(*values)
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

    Those that say whether seen items are answers are given, as `seen`.
    Raises SplitError where the data have no times, or the cut-offs leave a part empty.
    """
    if split == LEAVE_ONE_OUT:
        engine.make_view("splits")
        return {"name": LEAVE_ONE_OUT, "validation_from": None, "test_from": None, **seen}
    cuts = _times(engine, Cutoffs.from_text(cutoffs))
    engine.make_table("temporal_splits", cuts)
    engine.alias("splits", "temporal_splits")
    made = {"name": f"{TEMPORAL} ({cutoffs})", **cuts, **seen}
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


def _times(engine: Engine, cutoffs: Cutoffs) -> Mapping[str, int]:
    """Where validation and test begin, as times."""
    ((plays, dated, first, last),) = engine.find("time_span").rows
    if dated < plays:
        raise SplitError(
            "NEXTPLAY_SPLIT=temporal needs plays with a time, and this source has none: set "
            f"NEXTPLAY_SPLIT=leave-one-out, or take a dated source ({' or '.join(dated_sources())})."
        )
    times = [cutoffs.validation, cutoffs.test]
    if cutoffs.are_shares:
        times = [_quantile(engine, share) for share in times]
    if not first < times[0] < times[1] <= last:
        raise SplitError(
            f"NEXTPLAY_CUTOFFS cut at {times[0]} and {times[1]}, and the plays run from {first} to {last} "
            f"(as the column timestamp has it; dates are microseconds): {_ADVICE}."
        )
    return {"validation_from": int(times[0]), "test_from": int(times[1])}


def _quantile(engine: Engine, share: float) -> int:
    return int(engine.find("timestamp_quantile", {"share": share}).one()["time"])
