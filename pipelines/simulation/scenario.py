"""Every day is played, every night is run, and the next day judges each way of retraining."""

import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from assets.sample import SEED
from assets.sample.days import Day, play_days, shifted
from assets.sample.process import SampleProcess
from pipelines.simulation.faults import FAULTS
from pipelines.simulation.judging import JudgedDay, item_table, judge
from pipelines.simulation.nights import Night, Plan, Run, run_night
from pipelines.simulation.source import send_events, write_catalogue, write_history

HISTORY_DAYS = 28
NIGHTLY, WEEKLY, NEVER = "nightly", "weekly", "never"
EVERY: dict[str, Callable[[int], bool]] = {
    NIGHTLY: lambda day: True,
    WEEKLY: lambda day: day % 7 == 0,
    NEVER: lambda day: day == 0,
}


@dataclass(frozen=True)
class Scenario:
    """What is simulated. Night 0 gives all ways the same first champion; day 1 is the first one judged."""

    days: int = 60
    shift: int = 30  # the first day on which the world is another one
    size: str = "tiny"
    seed: int = SEED
    training: str = '{"epochs": 4}'
    faults: Mapping[int, Run] = field(default_factory=lambda: FAULTS)  # of the nightly way, by night


@dataclass(frozen=True)
class Outcome:
    """All that came of a scenario."""

    scenario: Scenario
    days: list[JudgedDay]
    nights: list[Night]
    seconds: float


def simulate(scenario: Scenario, folder: Path, tell: Callable[[str], object]) -> Outcome:
    """Play the scenario in `folder`, which is emptied first; `tell` gets a line for each night.

    Raises FaultError where an injected fault does harm, NightError where another run fails.
    """
    started = time.monotonic()
    shutil.rmtree(folder, ignore_errors=True)
    homes = {way: folder / way for way in EVERY}
    plan = Plan(folder / "source", scenario.training, folder / "nights.log")
    plan.source.mkdir(parents=True)
    process = SampleProcess.from_seed(scenario.size, scenario.seed)
    before, after = shifted(process, scenario.seed)
    ids, items = process.game_ids, item_table(process.game_ids)
    there = [ids[game] for game in np.flatnonzero(before.weights)]
    history, judged, nights = list[Day](), list[JudgedDay](), list[Night]()
    for day in play_days(before, after, 1 - HISTORY_DAYS, scenario.days, scenario.shift, scenario.seed):
        if day.number > 0:
            judged.append(judge(day, homes, items))
            for way in (NIGHTLY, WEEKLY):
                send_events(homes[way], day, ids)
        else:
            history.append(day)
        if 0 <= day.number < scenario.days:
            write_history(plan.source, history, ids)
            write_catalogue(plan.source, ids if day.number >= scenario.shift else there)
            for night in _nights(scenario, plan, homes, day.number):
                nights.append(night)
                tell(_line(night, judged))
    return Outcome(scenario, judged, nights, time.monotonic() - started)


def _nights(scenario: Scenario, plan: Plan, homes: Mapping[str, Path], day: int) -> Iterator[Night]:
    """The runs of one night. The first is the same for all: it runs once, and its home is copied."""
    if day == 0:
        yield run_night(plan, homes[NIGHTLY], day, NIGHTLY)
        for way in (WEEKLY, NEVER):
            shutil.copytree(homes[NIGHTLY], homes[way], symlinks=True)
        return
    for way, home in homes.items():
        if EVERY[way](day):
            run = scenario.faults.get(day, run_night) if way == NIGHTLY else run_night
            yield run(plan, home, day, way)


def _line(night: Night, judged: list[JudgedDay]) -> str:
    shown = f"night {night.day:2}  {night.way:<8} {night.outcome:<9} {night.seconds:5.1f} s"
    if judged and night.way == NIGHTLY:
        shown += "  NDCG@10 of the day: " + ", ".join(
            f"{w} {v.mean():.3f}" for w, v in judged[-1].ndcg.items()
        )
    return f"{shown}\n          {night.fault}" if night.fault else shown
