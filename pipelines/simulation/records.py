"""What a simulation leaves behind, laid out as in docs/: a page, a picture, and the figures as CSV."""

import csv
import os
import platform
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, fields
from importlib.metadata import version
from pathlib import Path

from assets.shown.charts import alone
from models.cores import usable_cores
from pipelines.simulation.judging import Mean
from pipelines.simulation.nights import Night
from pipelines.simulation.picture import WayOnDay, by_day, draw, nights_table, table
from pipelines.simulation.scenario import HISTORY_DAYS, Outcome, Scenario

PAGE_FILE, DAYS_FILE = "benchmarks/freshness.md", "benchmarks/freshness.csv"
NIGHTS_FILE, PICTURE_FILE = "benchmarks/freshness-nights.csv", "pictures/freshness.svg"
USED = ("torch", "dagster", "duckdb", "numpy")

PAGE = """# What freshness is worth
{days} days of players on the process behind the sample, at size {size}, and a shift on day {shift}: from
then on new games are among the most popular, and each taste likes other games. The process is known, so the
best possible ranking of each play is known too. {history} days of history come as a table; after that each
day's plays are events in the endpoint's store. Each night runs the job `everything`, all of it: tables and
their contracts, candidates, leaderboard, gate, Bento, promotion. It tests on the day that has just ended,
validates on the day before, and trains on all that was before that, so a judged model has seen no play of
the last two days. What serves is its refit, which has learned from those, too.

![NDCG@10 a day for nightly, weekly and no retraining](../pictures/freshness.svg)

NDCG@10 on the next day's plays, full catalogue, with 95 % intervals over players; a game that a champion
does not know ranks last:

{table}

{nights}

The size of the gain is that of this shift; what carries over is its shape, and that the gate lets it through.

- Command: `make simulate`, then `cp -r var/simulation/records/. docs/`
- Seed: {seed}; training: `{training}`, one thread; {minutes:.0f} minutes
- Machine: {machine}, {cores} cores, load {load:.1f} at the end
- Versions: Python {python}, {versions}
"""


def write_records(outcome: Outcome, folder: Path) -> None:
    for name in (PAGE_FILE, PICTURE_FILE):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
    _write_csv(folder / DAYS_FILE, ["day", "way", "plays", "ndcg_at_10", "low", "high"], _day_rows(outcome))
    (folder / PICTURE_FILE).write_text(picture(folder, outcome.scenario), encoding="utf-8")
    names = [field.name for field in fields(Night)]
    _write_csv(folder / NIGHTS_FILE, names, [list(asdict(night).values()) for night in outcome.nights])
    (folder / PAGE_FILE).write_text(page(outcome), encoding="utf-8")


def page(outcome: Outcome) -> str:
    """The page of docs/benchmarks, as Markdown."""
    scenario = outcome.scenario
    return PAGE.format(
        days=scenario.days,
        size=f"`{scenario.size}`",
        shift=scenario.shift,
        history=HISTORY_DAYS,
        table=table(outcome),
        nights=nights_table(outcome),
        seed=scenario.seed,
        training=scenario.training,
        minutes=outcome.seconds / 60,
        machine=platform.machine(),
        cores=usable_cores(),
        load=os.getloadavg()[0],
        python=platform.python_version(),
        versions=", ".join(f"{name} {version(name)}" for name in USED),
    )


def picture(folder: Path, scenario: Scenario) -> str:
    """The chart of the figures that lie in `folder`, as an SVG file."""
    return alone(draw(list(_read_days(folder / DAYS_FILE)), scenario))


def _day_rows(outcome: Outcome) -> Iterable[Sequence[object]]:
    for found in by_day(outcome):
        shown = [f"{value:.4f}" for value in (found.ndcg.value, found.ndcg.low, found.ndcg.high)]
        yield [found.day, found.way, found.plays, *shown]


def _read_days(path: Path) -> Iterator[WayOnDay]:
    with path.open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream):
            mean = Mean(float(row["ndcg_at_10"]), float(row["low"]), float(row["high"]))
            yield WayOnDay(int(row["day"]), row["way"], int(row["plays"]), mean)


def _write_csv(path: Path, names: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(names)
        writer.writerows(rows)
