"""The data sets of `benchmarks.generative`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assets.training.bundling import TrainingData
from benchmarks.tomorrow_data import DATA, movielens
from models.data import Sequences

COLD_SHARE = 0.05  # of the items, whose plays are hidden from training: as in the TIGER paper


@dataclass(frozen=True)
class DataSet:
    """Settings of the pipeline; `make` writes files below a folder and completes them."""

    title: str
    about: str
    settings: Mapping[str, Any]
    make: Callable[[Path], Mapping[str, Any]] = field(default=lambda folder: {})
    change: Callable[[TrainingData], TrainingData] = field(default=lambda data: data)
    rows: tuple[str, ...] = ()  # that are asked of it; all where there are none


def with_cold_items(data: TrainingData) -> TrainingData:
    """A share of the items, drawn at random, is not played in training, nor known to validation."""
    split = data.split
    n = data.items.n_items
    cold = np.zeros(n + 1, dtype=np.bool_)
    cold[1 + np.random.default_rng(0).permutation(n)[: round(COLD_SHARE * n)]] = True
    kept = ~cold[split.train.items]
    train = _without(split.train, cold)
    held = split.validation.rows(np.flatnonzero(~cold[split.validation.targets]))
    histories = _without(held.histories, cold)
    some = np.flatnonzero(histories.lengths)
    validation = replace(held.rows(some), histories=histories.rows(some))
    clocks = {"ages": _of(split.ages, kept), "played_ms": _of(split.played_ms, kept)}
    items = replace(data.items, counts=train.counts())
    return replace(
        data,
        split=replace(split, train=train, validation=validation, **clocks),
        items=items,
        facts=replace(data.facts, items=items, times=_of(data.facts.times, kept)),
        fingerprint=f"cold{data.fingerprint}",
    )


def _of(values: NDArray[Any] | None, kept: NDArray[np.bool_]) -> Any:
    return None if values is None else values[kept]


def _without(sequences: Sequences, left_out: NDArray[np.bool_]) -> Sequences:
    kept = ~left_out[sequences.items]
    owner = np.repeat(np.arange(len(sequences)), sequences.lengths)
    lengths = np.bincount(owner[kept], minlength=len(sequences))
    offsets = np.append(0, np.cumsum(lengths)).astype(np.int64)
    return Sequences(sequences.items[kept], offsets, sequences.n_items)


BEAUTY = {
    "source": "table",
    "table": str(DATA / "beauty" / "interactions.csv.gz"),
    "table_items": str(DATA / "beauty" / "items.csv.gz"),
}
DATA_SETS = {
    "beauty": DataSet(
        "Amazon's beauty",
        "The reviews of the TIGER paper, 5-core, in order, leave-one-out.",
        BEAUTY,
    ),
    "beauty-cold": DataSet(
        "Amazon's beauty with items that nobody has played",
        f"The same; {COLD_SHARE:.0%} of the items, drawn at random, are left out of training and validation, "
        "and are targets and candidates all the same.",
        BEAUTY,
        change=with_cold_items,
        rows=(
            "popularity",
            "graph",
            "content",
            "sasrec",
            "sasrec-ranked",
            "sasrec-ids",
            "sasrec-ready-codes",
            "sasrec-ready-prefixes",
            "tiger-ready-rqvae",
            "tiger-prefixes",
        ),
    ),
    "amazon-games": DataSet(
        "Amazon's video games",
        "The reviews of the SASRec paper's *Games*, 5-core, in order, leave-one-out. There is no catalogue, "
        "so what needs content is left out.",
        {"source": "table", "table": str(DATA / "amazon_games" / "interactions.csv.gz")},
    ),
    "steam": DataSet(
        "A part of the Steam libraries",
        "17,236 libraries, 5-core, leave-one-out, in the order of the file: libraries are not dated, and a "
        "game's id says something of its place ([how much](leaderboards.md)).",
        {
            "source": "steam",
            "steam_libraries": str(DATA / "steam" / "australian_users_items.part.json.gz"),
            "steam_games": str(DATA / "steam" / "steam_games.json.gz"),
        },
    ),
    "steam-dated": DataSet(
        "Dated Steam reviews",
        "Reviews as plays, 3-core; plays of 2015 are the test, those of the half year before the validation. "
        "The catalogue is of 2018: its tags and prices come from the future of a review.",
        {
            "source": "table",
            "table": str(DATA / "steam" / "reviews_dated.parquet"),
            "table_items": str(DATA / "steam" / "items.parquet"),
            "core": 3,
            "split": "temporal",
            "cutoffs": "2014-07-01,2015-01-01",
        },
    ),
    "movielens": DataSet(
        "MovieLens-100K",
        "Ratings as plays, 5-core; those from 15 March 1998 on are the test, a month before them validation. "
        "Three quarters of the rows share user and second with another: their order is that of the file, and "
        "says nothing.",
        {"source": "table", "split": "temporal", "cutoffs": "1998-02-15,1998-03-15"},
        make=movielens,
    ),
}
