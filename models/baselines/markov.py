"""A first-order Markov chain with back-off."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from models.baselines.base import NO_FACTS, Facts, ndcg, popularity, save_weights, saved_weights, vector
from models.bundle.bundle import PADDING
from models.data import Holdout, Sequences, answers

SMOOTHING = 10.0
SMOOTHINGS = (1.0, 50.0, 100.0, 200.0, 500.0)  # tried on validation


@dataclass(frozen=True, eq=False)
class Markov:
    """Probability of the next item given the last one, backed off to popularity.

    P(j | i) = (count(i, j) + s * popularity(j)) / (count(i) + s), a Dirichlet prior of strength s centred on
    popularity (MacKay and Peto 1995, "A hierarchical Dirichlet language model"). Popularity thus orders the
    items that never followed i, and breaks ties among those that did equally often. Counts are of consecutive
    pairs within a user; an empty history is scored by popularity. Where seen items are no answers, what a
    user had already counts neither as the second of a pair nor for popularity.
    """

    architecture: ClassVar[str] = "markov"
    max_length: ClassVar[int] = 1

    share: NDArray[np.float32]  # [n_items + 1], popularity
    back_off: NDArray[np.float32]  # [n_items + 1], s / (count(i) + s)
    starts: NDArray[np.int64]  # [n_items + 2], row i of the CSR matrix is starts[i]..starts[i + 1]
    followers: NDArray[np.int32]  # [pairs], items j
    gains: NDArray[np.float32]  # [pairs], count(i, j) / (count(i) + s)
    smoothing: float

    @classmethod
    def fit(
        cls,
        train: Sequences,
        validation: Holdout | None = None,
        facts: Facts = NO_FACTS,
        *,
        smoothing: float | None = None,
    ) -> Self:
        """Count pairs, with the smoothing given, or else the one of SMOOTHINGS best on validation by NDCG@10.

        Raises ValueError without any interaction or for a smoothing of 0 or less.
        """
        if smoothing is not None or validation is None or len(validation) == 0:
            return cls._count(train, facts, SMOOTHING if smoothing is None else smoothing)
        made = (cls._count(train, facts, s) for s in SMOOTHINGS)
        return max(made, key=lambda chain: ndcg(chain, validation))

    def refit(self, train: Sequences, facts: Facts = NO_FACTS) -> Self:
        return self._count(train, facts, self.smoothing)

    def score(self, histories: Sequence[NDArray[np.integer]]) -> NDArray[np.float32]:
        """Raises ValueError where a history ends with an item outside the vocabulary."""
        last = np.array([h[-1] if len(h) else PADDING for h in histories], dtype=np.int64)  # [users]
        if len(last) and not 0 <= last.min() <= last.max() < len(self.share):
            raise ValueError(f"A history holds an item outside 1..{len(self.share) - 1}.")
        scores = self.back_off[last, None] * self.share  # [users, n_items + 1]
        lengths = self.starts[last + 1] - self.starts[last]
        rows = np.repeat(np.arange(len(last)), lengths)  # [pairs of these users]
        ends = np.cumsum(lengths)
        pairs = np.arange(len(rows)) + np.repeat(self.starts[last] - (ends - lengths), lengths)
        scores[rows, self.followers[pairs]] += self.gains[pairs]
        scores[:, PADDING] = -np.inf
        return scores

    def config(self) -> dict[str, Any]:
        return {"smoothing": self.smoothing}

    def save(self, folder: Path) -> None:
        save_weights(folder, {**vars(self), "smoothing": np.array([self.smoothing])})

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Raises BundleError where the weights cannot be read or are not those of a Markov chain."""
        with saved_weights(folder, cls.architecture) as weights:
            share = vector(weights["share"], np.float32)
            starts = vector(weights["starts"], np.int64, len(share) + 1)
            followers = vector(weights["followers"], np.int32, int(starts[-1]))
            if starts[0] != 0 or np.any(np.diff(starts) < 0):
                raise ValueError("its rows do not follow each other")
            if np.any((followers < 1) | (followers >= len(share))):
                raise ValueError("it names an item outside its vocabulary")
            return cls(
                share,
                vector(weights["back_off"], np.float32, len(share)),
                starts,
                followers,
                vector(weights["gains"], np.float32, len(followers)),
                float(weights["smoothing"][0]),
            )

    @classmethod
    def _count(cls, train: Sequences, facts: Facts, smoothing: float) -> Self:
        from scipy.sparse import coo_array

        if not smoothing > 0:
            raise ValueError(f"The smoothing of the Markov chain must be above 0, got {smoothing}.")
        wanted = answers(train, facts.exclude_seen)
        share = popularity(train, None if wanted is None else wanted.astype(np.float64))
        within = np.ones(len(train.items), dtype=np.bool_)  # False where an item is the last of its user
        within[train.offsets[1:][train.lengths > 0] - 1] = False
        place = np.flatnonzero(within)
        if wanted is not None:
            place = place[wanted[place + 1]]
        ends = (train.items[place], train.items[place + 1])
        counts = coo_array(
            (np.ones(len(place)), ends), shape=(len(share), len(share))
        ).tocsr()  # sums equal pairs
        counts.sort_indices()
        total = counts.sum(axis=1) + smoothing  # [n_items + 1]
        return cls(
            share,
            (smoothing / total).astype(np.float32),
            counts.indptr.astype(np.int64),
            counts.indices.astype(np.int32),
            (counts.data / np.repeat(total, np.diff(counts.indptr))).astype(np.float32),
            smoothing,
        )
