"""One night: the job `everything` in process, on what the source holds then, and what came of it."""

import time
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from assets.evaluation.gate import read_verdict
from assets.resources import Home
from models.mistakes import UserError
from pipelines.apart import own_environment, run_apart
from pipelines.resources import Settings
from pipelines.simulation.source import CATALOGUE, HISTORY, date_of
from serving.state.pointer import Pointer, read_pointer

CORE = 2  # a day's new games have few plays each


class NightError(UserError):
    """A night went wrong that nobody disturbed; the message says which one and why."""


@dataclass(frozen=True)
class Plan:
    """What all nights share."""

    source: Path
    training: str  # JSON, as in NEXTPLAY_TRAINING
    log: Path  # what the runs say on the terminal

    def settings(self, home: Path, day: int) -> Settings:
        """Test on the day that has just ended, validate on the day before, train on what was before that."""
        values: dict[str, Any] = {
            "home": home,
            "lake": None,
            "events": None,
            "source": "table",
            "table": str(self.source / HISTORY),
            "table_items": str(self.source / CATALOGUE),
            "split": "temporal",
            "cutoffs": f"{date_of(day - 1)},{date_of(day)}",
            "core": CORE,
            "training": self.training,
            "threads": 1,  # small batches gain nothing from more, and shared cores lose
            "progress": False,
        }
        return Settings(**values)


@dataclass(frozen=True)
class Night:
    """What one night brought. `outcome` is promoted, refused or failed; `runs` counts tries."""

    day: int
    way: str
    outcome: str
    runs: int
    seconds: float
    champion: str  # version after the night
    reason: str
    fault: str = ""


Run = Callable[[Plan, Path, int, str], Night]  # of a home, a day and a way


def run_job(plan: Plan, home: Path, day: int, until: Sequence[str] = ()) -> str | None:
    """Run the job, or what is needed for some of its assets; returns why it failed, if it did."""
    with own_environment(), plan.log.open("a", encoding="utf-8") as log, redirect_stderr(log):
        log.write(f"{date_of(day)} {home.name}\n")
        return run_apart(plan.settings(home, day), until)


def run_night(plan: Plan, home: Path, day: int, way: str) -> Night:
    """A night without a fault. Raises NightError where the run fails all the same."""
    started, before = time.monotonic(), champion(home)
    failure = run_job(plan, home, day)
    if failure:
        raise NightError(f"The {way} run of {date_of(day)} failed: {failure}; see {plan.log}.")
    return night(home, day, way, before, runs=1, seconds=time.monotonic() - started)


def night(
    home: Path, day: int, way: str, before: Pointer | None, runs: int, seconds: float, fault: str = ""
) -> Night:
    """The record of a night that ended well."""
    now, verdict = champion(home), read_verdict(Home(path=str(home)))
    outcome = "promoted" if now != before else "refused"
    version = now.version if now else "none"
    return Night(day, way, outcome, runs, round(seconds, 1), version, verdict.why, fault)


def champion(home: Path) -> Pointer | None:
    return read_pointer(home / "champion" / "pointer.json")
