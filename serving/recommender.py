"""From a history of item ids to the best next items: one bundle, opened, verified and warmed up."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.bundle import (
    PADDING,
    BundleError,
    GoldenRequest,
    ItemTable,
    read_golden,
    read_items,
    read_manifest,
)
from models.scorer import open_scorer

SCORE_TOLERANCE = 1e-3  # relative and absolute; other processors add up in another order


@dataclass(frozen=True)
class Scored:
    """A recommended item; `rank` starts at 1."""

    item_id: str
    title: str
    score: float
    rank: int


@dataclass(frozen=True)
class Recommendation:
    """`items` best first; `fallback` says that no item of the history was known and popularity answered."""

    items: list[Scored]
    unknown_ids: list[str]
    fallback: bool


class Recommender:
    """Serves one bundle. Ready for its first request once constructed; safe to use from several threads.

    Raises BundleError where the bundle is broken or does not give the golden answers that it came with.
    """

    def __init__(self, folder: Path, threads: int = 1) -> None:
        self.manifest = read_manifest(folder)
        self._items = read_items(folder)
        if self._items.n_items != self.manifest.n_items:
            raise BundleError(f"{folder} holds {self._items.n_items} items, not {self.manifest.n_items}.")
        self._index = self._items.index()
        self._scorer = open_scorer(folder, threads)
        for golden in read_golden(folder):
            self._verify(golden, folder)
        self._warm_up()

    @property
    def items(self) -> ItemTable:
        """The catalogue that this model chooses from."""
        return self._items

    def title(self, item_id: str) -> str | None:
        """None for an item that the model does not know."""
        index = self._index.get(item_id)
        return None if index is None else self._items.titles[index]

    def recommend(self, history_ids: Sequence[str], k: int, exclude_seen: bool = True) -> Recommendation:
        """The `k` best items after a history of item ids, oldest first.

        Ties go to the lower item index. An item whose score is not finite is never recommended.
        """
        known = [self._index[item_id] for item_id in history_ids if item_id in self._index]
        unknown = [item_id for item_id in dict.fromkeys(history_ids) if item_id not in self._index]
        history = np.array(known, dtype=np.int64)
        scores = self._score(history) if known else self._items.counts.astype(np.float64)  # [n_items + 1]
        candidates = np.isfinite(scores)  # [n_items + 1]
        candidates[PADDING] = False
        if exclude_seen:
            candidates[history] = False
        best = top_k(np.where(candidates, scores, -np.inf), k)
        items = [
            Scored(self._items.ids[i], self._items.titles[i], float(scores[i]), rank)
            for rank, i in enumerate(best.tolist(), start=1)
        ]
        return Recommendation(items, unknown, fallback=not known)

    def knows(self, item_id: str) -> bool:
        """Is it in the item vocabulary?"""
        return item_id in self._index

    def _score(self, history: NDArray[np.int64]) -> NDArray[np.float32]:
        scores: NDArray[np.float32] = self._scorer.score([history])[0]  # [n_items + 1]
        return scores

    def _verify(self, golden: GoldenRequest, folder: Path) -> None:
        """Compare with the trained model's answer, whether or not that left out seen items."""
        if not (len(golden.items) == len(golden.scores) and self._knows(golden.history + golden.items)):
            raise BundleError(f"A golden request of {folder} does not fit its item table.")
        history = np.array(golden.history, dtype=np.int64)
        scores = self._score(history)  # [n_items + 1]
        expected = np.array(golden.scores)
        tolerance = SCORE_TOLERANCE * (1 + np.abs(expected))
        same = bool(np.all(np.abs(scores[golden.items] - expected) <= tolerance))
        rivals = np.delete(scores, [PADDING, *golden.history, *golden.items])
        best = bool(np.all(rivals.max(initial=-np.inf) <= expected + tolerance))
        if not (same and best):
            raise BundleError(f"{folder} does not give the answers that the trained model gave.")

    def _knows(self, indexes: Sequence[Any]) -> bool:
        return all(isinstance(i, int) and PADDING < i <= self._items.n_items for i in indexes)

    def _warm_up(self) -> None:
        """Run the shortest and the longest history, so that no user waits for buffers to be allocated."""
        for length in (1, self.manifest.max_length):
            self.recommend(self._items.ids[1:2] * length, k=1)
        self.recommend([], k=1)


def top_k(scores: NDArray[np.floating[Any]], k: int) -> NDArray[np.int64]:
    """Indexes of the `k` highest finite scores, highest first, ties by index; free of NaN by contract."""
    allowed = np.flatnonzero(scores > -np.inf)
    if len(allowed) > k:
        threshold = np.partition(scores[allowed], -k)[-k]
        allowed = allowed[scores[allowed] >= threshold]  # all ties of the last place are still in
    order = np.argsort(-scores[allowed], kind="stable")
    return allowed[order][:k]
