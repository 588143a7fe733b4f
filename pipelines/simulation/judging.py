"""How good each way's champion of the night is on the next day's plays."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from assets.sample.days import Day
from assets.training.entrants import open_bundle
from models.bundle.bundle import ItemTable
from models.data import Holdout, Sequences
from models.evaluation.metrics import per_user, rank_targets
from models.scorer import Scorer
from pipelines.simulation.nights import champion

METRIC = "ndcg@10"
OPTIMUM = "optimum"
CONFIDENCE, RESAMPLES = 0.95, 2_000


@dataclass(frozen=True)
class JudgedDay:
    """NDCG@10 of each play of a day that has a history, by way."""

    number: int
    players: NDArray[np.int64]  # [plays]
    ndcg: Mapping[str, NDArray[np.float64]]  # way -> [plays]


@dataclass(frozen=True)
class Mean:
    """A mean over plays with its 95 % interval over players."""

    value: float
    low: float
    high: float


def item_table(game_ids: list[str]) -> ItemTable:
    """All games of the process, new ones too; game `i` has item index `i + 1`."""
    return ItemTable(["", *game_ids], ["", *game_ids], np.zeros(len(game_ids) + 1, dtype=np.int64))


def judge(day: Day, homes: Mapping[str, Path], items: ItemTable) -> JudgedDay:
    """The champion of each home, and the best that there can be; games that a champion lacks rank last."""
    (kept,) = np.nonzero([len(history) > 0 for history in day.histories])
    histories = Sequences.from_lists([(day.histories[i] + 1).tolist() for i in kept], items.n_items)
    plays = Holdout(np.arange(len(kept)), (day.games[kept] + 1).astype(np.int32), histories)
    ranks = {way: rank_targets(_open(home, way, items), plays) for way, home in homes.items()}
    ranks[OPTIMUM] = rank_targets(_Known(day.chances[kept]), plays, block=len(kept))
    return JudgedDay(
        day.number, day.players[kept], {way: per_user(METRIC, found) for way, found in ranks.items()}
    )


def mean_over(days: Sequence[JudgedDay], way: str, minus: str | None = None) -> Mean:
    """The mean of a way, or of its difference to another on the same plays.

    Players are drawn with all their plays (a cluster bootstrap: Davison and Hinkley 1997, section 3.8), for
    the plays of one player are alike.
    """
    values = np.concatenate([d.ndcg[way] - (d.ndcg[minus] if minus else 0.0) for d in days])  # [plays]
    _, player = np.unique(np.concatenate([d.players for d in days]), return_inverse=True)  # [plays]
    sums, counts = np.bincount(player, values), np.bincount(player)  # [players]
    n = len(counts)
    drawn = np.random.default_rng(days[0].number).multinomial(n, np.full(n, 1 / n), RESAMPLES)
    means = (drawn @ sums) / (drawn @ counts)  # [RESAMPLES]
    low, high = np.quantile(means, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Mean(float(values.mean()), float(low), float(high))


def _open(home: Path, way: str, items: ItemTable) -> Scorer:
    pointer = champion(home)
    if pointer is None:
        raise RuntimeError(f"There is no champion in {home}.")
    return open_bundle(pointer.folder(home / "champion" / "pointer.json"), way, "champion", items).scorer


class _Known:
    """The chances of the day's plays as a scorer that is asked once, for all of them."""

    def __init__(self, chances: NDArray[np.float64]) -> None:
        self._scores = np.pad(chances, ((0, 0), (1, 0)), constant_values=-np.inf).astype(np.float32)

    def score(self, histories: Sequence[NDArray[np.integer]]) -> NDArray[np.float32]:
        return self._scores
