"""The baselines on the splits that tonight's is not: the other kind, and earlier cuts where users are few.

Networks would have to be trained once more for each, so they are not there. Baselines are fitted anew, with
the settings that validation chose tonight.
"""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np

from assets.contracts import checks_of
from assets.formats.table import Table, count, share, text
from assets.resources import Home, Source
from assets.sequences.loading import Times, load_sequences, load_times, split_times
from assets.shown.tables import columns_shown
from assets.state.code import made_by
from assets.state.lake import Lake, fingerprint
from assets.state.made_here import write_rows
from assets.training.bundling import TrainingData, load_training_data
from models.baselines import BASELINES
from models.data import Sequences, Split, leave_one_out
from models.evaluation.cohorts import figures
from models.evaluation.cuts import at, split_in_time
from models.evaluation.evidence import Policy
from models.evaluation.metrics import rank_targets

CODE = made_by(__name__)
DEFAULT_CUTS = (0.8, 0.9, 1.0)
EARLIER_CUTS = ((0.6, 0.7, 0.8), (0.7, 0.8, 0.9))  # as long as the default's, and before it
FEW_USERS = Policy.pool_below  # of a test: with fewer, earlier cuts are shown, too
OTHER_SPLITS = Table(
    "other_splits",
    "NDCG@10 of the baselines on the splits that tonight's is not: the other kind, and earlier cuts.",
    (
        text("split", "such as leave-one-out or temporal (0.7,0.8)"),
        text("model", "the baseline, with the settings that validation chose tonight"),
        count("plays", "test plays", at_least=1),
        count("users", "whose they are", at_least=1),
        share("ndcg_at_10", "mean over these plays"),
        share("ndcg_at_10_low", "of the 95 % interval over users; NaN for a single user", or_nan=True),
        share("ndcg_at_10_high", "of the 95 % interval over users; NaN for a single user", or_nan=True),
    ),
    optional=True,
    answers=True,
)


@dg.asset(
    pool="lake",
    kinds={"numpy"},
    code_version=CODE,
    deps=["baselines", "sequences", "items"],
    description=OTHER_SPLITS.words,
    metadata=columns_shown(OTHER_SPLITS),
)
def other_splits(home: Home, source: Source) -> dg.MaterializeResult[None]:
    started, lake = time.monotonic(), home.lake()
    data, store = load_training_data(lake, source.name), home.bundles()
    names = [name for name in BASELINES if store.has(name)]
    made_from = fingerprint("other splits", CODE, *data.named(), [store.current(n).name for n in names])

    def write(path: Path) -> None:
        write_rows(lake, OTHER_SPLITS.rows(list(_rows(home, data, names))), path)

    lake.publish(OTHER_SPLITS.name, made_from, write)
    rows = read_other_splits(lake)
    told = "undated plays have none" if not rows else dg.MetadataValue.md(markdown(rows))
    return dg.MaterializeResult(
        metadata={"other splits": told, "seconds": round(time.monotonic() - started, 1)}
    )


def splits_beside(
    sequences: Sequences, times: Times | None, cut: int | None, tested: int, exclude_seen: bool
) -> Iterator[Split]:
    """The splits that tonight's is not, of plays whose times are a clock; of others there is none.

    Tonight's test begins at `cut`, None for leave-one-out, and has `tested` users.
    """
    if times is None or times.units_a_second is None:
        return
    wanted: Sequence[tuple[float, float, float]] = [DEFAULT_CUTS]
    if cut is not None:
        yield _asked(leave_one_out(sequences, exclude_seen), sequences, times)
        earlier = [cuts for cuts in EARLIER_CUTS if at(times.plays, cuts[-1]) <= cut]
        wanted = earlier if tested < FEW_USERS else []
    for cuts in wanted:
        split = split_in_time(sequences, times.plays, cuts, exclude_seen)
        users = len(np.unique(split.test.users))
        if users >= Policy.min_users and len(split.train.items):
            yield _asked(split, sequences, times)


def _asked(split: Split, sequences: Sequences, times: Times) -> Split:
    """Each test play asked for at its time."""
    return replace(split, test=split.test.asked_at(times.since_1970_ms, sequences))


def _rows(home: Home, data: TrainingData, names: Iterable[str]) -> Iterator[dict[str, Any]]:
    lake, store = home.lake(), home.bundles()
    (sequences, _), times = load_sequences(lake), load_times(lake)
    tested = len(np.unique(data.split.test.users))
    cut = split_times(lake)[1]
    for split in splits_beside(sequences, times, cut, tested, data.split.exclude_seen):
        assert times is not None
        place = np.arange(len(times.plays)) - np.repeat(sequences.offsets[:-1], sequences.lengths)
        trained = place < np.repeat(split.train.lengths, sequences.lengths)  # [interactions]
        facts = replace(data.facts, times=times.plays[trained])
        for name in names:
            fitted = BASELINES[name].load(store.current(name)).refit(split.train, facts)
            of = figures(rank_targets(fitted, split.test), split.test.users)
            yield {
                "split": split.name,
                "model": name,
                "plays": of.plays,
                "users": of.users,
                "ndcg_at_10": of.ndcg,
                "ndcg_at_10_low": of.low,
                "ndcg_at_10_high": of.high,
            }


def read_other_splits(lake: Lake) -> list[dict[str, Any]]:
    """The rows of `other_splits`, split after split, best first. Raises LakeError."""
    with lake.connect(OTHER_SPLITS.name) as connection:
        rows: list[dict[str, Any]] = connection.sql(f"FROM {OTHER_SPLITS.name}").to_arrow_table().to_pylist()
    order = list(dict.fromkeys(row["split"] for row in rows))
    return sorted(rows, key=lambda row: (order.index(row["split"]), -row["ndcg_at_10"]))


def markdown(rows: Sequence[Mapping[str, Any]]) -> str:
    """The rows as a Markdown table."""
    lines = ["| split | model | plays | NDCG@10 | 95\u00a0%\u00a0interval |", "|---|---|---:|---:|---:|"]
    lines += [
        f"| {r['split']} | {r['model']} | {r['plays']:,} | {r['ndcg_at_10']:.4f} "
        f"| {r['ndcg_at_10_low']:.4f}\u00a0to\u00a0{r['ndcg_at_10_high']:.4f} |"
        for r in rows
    ]
    return "\n".join(lines)


OTHER_SPLITS_CHECKS = checks_of(OTHER_SPLITS)
