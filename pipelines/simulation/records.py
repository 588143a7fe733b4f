"""What a simulation leaves behind: the picture, a line a day and way, a line a night, and a page."""

import csv
from collections.abc import Iterable, Sequence
from dataclasses import asdict, fields
from pathlib import Path

from pipelines.simulation.judging import mean_over
from pipelines.simulation.nights import Night
from pipelines.simulation.picture import COLOURS, nights_table, save, table
from pipelines.simulation.scenario import Outcome

DAYS_FILE, NIGHTS_FILE, PAGE_FILE = "freshness.csv", "freshness-nights.csv", "freshness.md"


def write_records(outcome: Outcome, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    save(outcome, folder)
    _write_csv(folder / DAYS_FILE, ["day", "way", "plays", "ndcg_at_10", "low", "high"], _day_rows(outcome))
    names = [field.name for field in fields(Night)]
    _write_csv(folder / NIGHTS_FILE, names, [list(asdict(night).values()) for night in outcome.nights])
    (folder / PAGE_FILE).write_text(f"{table(outcome)}\n\n{nights_table(outcome)}\n", encoding="utf-8")


def _day_rows(outcome: Outcome) -> Iterable[Sequence[object]]:
    for day in outcome.days:
        for way in COLOURS:
            mean = mean_over([day], way)
            shown = [f"{value:.4f}" for value in (mean.value, mean.low, mean.high)]
            yield [day.number, way, len(day.players), *shown]


def _write_csv(path: Path, names: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(names)
        writer.writerows(rows)
