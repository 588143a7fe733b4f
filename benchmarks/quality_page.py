"""docs/benchmarks/quality.md, from the trainings so far: complete or not, it says which."""

from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np

from benchmarks.contenders.common import BATCH_USERS, VALIDATION_USERS, unpacked
from benchmarks.hierarchy import Gains, hierarchical_interval
from benchmarks.search import (
    FINAL_SEEDS,
    FULL_UP_TO,
    LEAST_DROPOUT,
    LONGEST,
    MOST_DROPOUT,
    PATIENCE,
    RATE_FACTOR,
    RUNGS,
    TRIALS,
    WIDTHS,
    Result,
    Study,
    peak,
)
from benchmarks.splits import ROOT, TITLES
from models.evaluation.metrics import per_user

REPORT = ROOT / "docs" / "benchmarks" / "quality.md"
PROTOCOL = Path(__file__).with_name("quality_protocol.md")
NOTES = Path(__file__).with_name("quality_notes.md")  # by hand: earlier runs, and what was tried
SHIPS, OURS_SEARCHED = "ours, as it ships", "ours, searched"


class Row:
    """One contender on one data set, as far as it is."""

    def __init__(self, study: Study, results: Sequence[Result]) -> None:
        self.study, self.name = study, study.contender
        self.searched, self.final = (study.done(results, final) for final in (False, True))
        self.complete = not study.missing(results)

    @cached_property
    def gains(self) -> Gains:
        """NDCG@10 on test, [seeds, users]."""
        return np.stack([per_user("ndcg@10", unpacked(result["ranks"])) for result in self.final])

    @property
    def validation(self) -> float:
        return float(np.mean([peak(result) for result in self.final]))

    @property
    def progress(self) -> str:
        trials = sum(rung.trials for rung in RUNGS) if self.study.searched else 0
        return f"{len(self.searched) + len(self.final)} of {trials + self.study.seeds} trainings"


def write(studies: Sequence[Study], results: Sequence[Result]) -> None:
    rows = [Row(study, results) for study in studies]
    lines = ["# Quality", "", protocol(results), *unfinished(rows)]
    for data in dict.fromkeys(study.data for study in studies):
        of_data = [row for row in rows if row.study.data == data]
        if any(row.final for row in of_data):
            lines += section(data, of_data)
    REPORT.write_text("\n".join([*lines, NOTES.read_text(encoding="utf-8")]), encoding="utf-8")


def protocol(results: Sequence[Result]) -> str:
    versions = {f"{name} {version}" for r in results for name, version in r["versions"].items()}
    return PROTOCOL.read_text(encoding="utf-8").format(
        versions=", ".join(sorted(versions)),
        trials=TRIALS,
        widths=", ".join(map(str, WIDTHS)),
        least_dropout=LEAST_DROPOUT,
        most_dropout=MOST_DROPOUT,
        rate_factor=RATE_FACTOR,
        full_up_to=FULL_UP_TO,
        batch_users=BATCH_USERS,
        rungs=", then the best ".join(f"{rung.trials} for {rung.epochs} epochs" for rung in RUNGS),
        validation_users=VALIDATION_USERS,
        seeds=", ".join(map(str, FINAL_SEEDS)),
        patience=PATIENCE,
        longest=LONGEST,
    )


def unfinished(rows: Sequence[Row]) -> Iterator[str]:
    missing = [row for row in rows if not row.complete]
    if not missing:
        return
    yield "## What is missing\n"
    yield "This run is not complete; `make bench-quality` goes on from where it is.\n"
    for data in dict.fromkeys(row.study.data for row in missing):
        of_data = [row for row in missing if row.study.data == data]
        begun = [f"{row.name} has {row.progress}" for row in of_data if row.searched or row.final]
        others = [row.name for row in of_data if not (row.searched or row.final)]
        nothing = [f"nothing yet of {', '.join(others)}"] if others else []
        yield f"- **{TITLES[data]}**: {'; '.join(begun + nothing)}."
    yield ""


def section(data: str, rows: Sequence[Row]) -> Iterator[str]:
    shown = sorted((row for row in rows if row.final), key=lambda row: -row.gains.mean())
    references = [best for kind in (SHIPS, OURS_SEARCHED) if (best := chosen(shown, kind))]
    yield f"## {TITLES[data]}\n"
    for row in references:
        yield f"Of {row.name.split('(')[1][:-1]}, validation chooses {row.name.split(' (')[0]}.\n"
    heads = [f"{row.name.replace(' (', ', ').replace(')', '')}, minus this" for row in references]
    yield f"| model | validation | test NDCG@10 | 95 % interval | of each seed | {' | '.join(heads)} |"
    yield f"|---|---:|---:|---:|---:|{'---:|' * len(heads)}"
    for row in shown:
        low, high = hierarchical_interval(row.gains)
        each = ", ".join(f"{mean:.4f}" for mean in row.gains.mean(axis=1))
        differences = [difference(reference, row) for reference in references]
        yield (
            f"| {row.name} | {row.validation:.4f} | {row.gains.mean():.4f} | {low:.4f} to {high:.4f} "
            f"| {each} | {' | '.join(differences)} |"
        )
    yield ""
    yield from found(rows)


def chosen(rows: Sequence[Row], kind: str) -> Row | None:
    """The model of this kind that validation chooses."""
    return max((row for row in rows if kind in row.name), key=lambda row: row.validation, default=None)


def difference(reference: Row, row: Row) -> str:
    if reference is row:
        return ""
    low, high = hierarchical_interval(reference.gains, row.gains)
    return f"{reference.gains.mean() - row.gains.mean():+.4f} ({low:+.4f} to {high:+.4f})"


def found(rows: Sequence[Row]) -> Iterator[str]:
    """What each search chose, and what it cost."""
    yield "| search | CPU minutes | width | dropout | rate | length | loss | epochs of the final trainings |"
    yield "|---|---:|---:|---:|---:|---:|---|---|"
    for row in rows:
        if row.study.searched and row.final:
            minutes = sum(result["cpu_seconds"] for result in row.searched) / 60
            best = row.final[0]["settings"]
            values = [f"{best[name]}" for name in ("width", "dropout", "rate", "length", "loss")]
            epochs = ", ".join(
                f"{int(np.argmax(result['curve'])) + 1} of {len(result['curve'])}" for result in row.final
            )
            yield f"| {row.name} | {minutes:.0f} | {' | '.join(values)} | {epochs} |"
    yield ""
