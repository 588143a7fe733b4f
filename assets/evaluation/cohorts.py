"""How each model does on known and new users and items, and with the days since the cut."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from assets.evaluation.leaderboard_tables import TEST_COHORTS
from assets.evaluation.next_plays import Counts
from assets.sequences.loading import (
    excludes_seen,
    load_items,
    load_sequences,
    load_split,
    load_times,
    split_times,
)
from assets.state.lake import Lake
from models.data import Holdout, holdout_at
from models.evaluation.cohorts import FIRST_PLAYS, KINDS, Figures, apart, cohorts, days_since, figures
from models.evaluation.metrics import rank_targets
from models.evaluation.slices import Slice

FALLBACK = "popularity"  # what the endpoint of any model answers to a user without a history


def cohorts_of(lake: Lake, test: Holdout) -> list[Slice]:
    """The cohorts of the plays that models are compared on."""
    (sequences, _), times = load_sequences(lake), load_times(lake)
    trained, played = load_split(lake).train.lengths[test.users], load_items(lake).counts[test.targets]
    cut, days = split_times(lake)[1], None
    if times is not None and times.units_a_second is not None and cut is not None:
        days = days_since(cut, times.of(sequences, test), times.units_a_second)
    return cohorts(trained, played, days)


def cohort_rows(
    model: str, ranks: NDArray[np.int32], users: NDArray[np.generic], some: Sequence[Slice]
) -> pa.Table:
    """Rows of `test_cohorts` of one model, of its ranks [plays] and whose each play is."""
    return TEST_COHORTS.rows([_row(model, c.kind, c.label, of) for c, of in apart(ranks, users, some)])


def first_play_rows(lake: Lake) -> pa.Table:
    """The row of `test_cohorts` of plays that have nothing before them; none where there are none.

    No model is asked then: the most popular items of training are what is served.
    """
    (sequences, _), times, cut = load_sequences(lake), load_times(lake), split_times(lake)[1]
    if times is None or cut is None:
        return TEST_COHORTS.rows([])
    some = np.flatnonzero(sequences.lengths)  # users
    new = some[times.plays[sequences.offsets[some]] >= cut]
    first = holdout_at(sequences, new, np.zeros_like(new), excludes_seen(lake.current("split")))
    of = figures(rank_targets(Counts(load_items(lake).counts), first), first.users)
    return TEST_COHORTS.rows([_row(FALLBACK, KINDS[0], FIRST_PLAYS, of)] if len(new) else [])


def cohorts_markdown(rows: Sequence[Mapping[str, Any]], models: Sequence[str]) -> str:
    """The cohorts of some models as a Markdown table, in the order of the models."""
    lines = [
        "| plays | model | plays | users | NDCG@10 | 95\u00a0%\u00a0interval |",
        "|---|---|---:|---:|---:|---:|",
    ]
    for row in by_cohort(rows, models):
        interval = f"{row['ndcg_at_10_low']:.4f}\u00a0to\u00a0{row['ndcg_at_10_high']:.4f}"
        lines.append(
            f"| {row['kind']}: {row['cohort']} | {row['model']} | {row['plays']:,} | {row['users']:,} "
            f"| {row['ndcg_at_10']:.4f} | {interval if row['users'] > 1 else '–'} |"
        )
    return "\n".join(lines)


def by_cohort(rows: Sequence[Mapping[str, Any]], models: Sequence[str]) -> list[Mapping[str, Any]]:
    """The rows of some models, cohort after cohort, with what strangers are shown."""
    place = {model: n for n, model in enumerate(models)}
    cohorts = {(row["kind"], row["cohort"]): n for n, row in reversed(list(enumerate(rows)))}
    shown = [row for row in rows if row["model"] in place or row["cohort"] == FIRST_PLAYS]
    return sorted(
        shown,
        key=lambda row: (
            KINDS.index(row["kind"]),
            cohorts[row["kind"], row["cohort"]],
            place.get(row["model"], len(place)),
        ),
    )


def read_cohorts(lake: Lake) -> list[dict[str, Any]]:
    """The rows of `test_cohorts`. Raises LakeError."""
    with lake.connect(TEST_COHORTS.name) as connection:
        rows: list[dict[str, Any]] = connection.sql(f"FROM {TEST_COHORTS.name}").to_arrow_table().to_pylist()
    return rows


def _row(model: str, kind: str, cohort: str, of: Figures) -> dict[str, Any]:
    return {
        "model": model,
        "kind": kind,
        "cohort": cohort,
        "plays": of.plays,
        "users": of.users,
        "ndcg_at_10": of.ndcg,
        "ndcg_at_10_low": of.low,
        "ndcg_at_10_high": of.high,
    }
