"""What somebody has played before, again: most recently or most often, where seen items are answers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from models.baselines.base import NO_FACTS, Facts, NotApplicableError, popularity
from models.baselines.popularity import Popularity
from models.bundle.bundle import PADDING
from models.data import Holdout, Sequences


@dataclass(frozen=True, eq=False)
class MostRecent(Popularity):
    """The items of the history, the newest first; then all others by popularity."""

    architecture: ClassVar[str] = "most_recent"
    max_length: ClassVar[int] = 500

    @classmethod
    def fit(cls, train: Sequences, validation: Holdout | None = None, facts: Facts = NO_FACTS) -> Self:
        """Count; there is nothing to choose on validation.

        Raises NotApplicableError where seen items are no answers, and ValueError without any interaction.
        """
        share = popularity(train)
        if facts.exclude_seen:
            raise NotApplicableError("what a user has played before is left out of the answers")
        return cls(share)

    def score(self, histories: Sequence[NDArray[np.integer]]) -> NDArray[np.float32]:
        scores = np.tile(self.share, (len(histories), 1))  # [users, n_items + 1], at most 1
        for row, history in zip(scores, histories, strict=True):
            newest = history[-self.max_length :]
            row[newest] = 2 + self._ranked(newest)
        scores[:, PADDING] = -np.inf
        return scores

    def _ranked(self, history: NDArray[np.integer]) -> NDArray[np.floating]:
        """A number for each play, [history]; of an item's plays that of the last one counts."""
        return np.arange(len(history), dtype=np.float32)


@dataclass(frozen=True, eq=False)
class MostFrequent(MostRecent):
    """The items of the history, those played most often first, the newest of equals; then by popularity."""

    architecture: ClassVar[str] = "most_frequent"

    def _ranked(self, history: NDArray[np.integer]) -> NDArray[np.floating]:
        _, item, times = np.unique(history, return_inverse=True, return_counts=True)
        ranked: NDArray[np.floating] = times[item] + np.arange(len(history)) / max(1, len(history))
        return ranked
