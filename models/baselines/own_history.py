"""What somebody has played before, again: most recently or most often, where seen items are answers."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from models.baselines.base import (
    NO_FACTS,
    Facts,
    NotApplicableError,
    popularity,
    save_weights,
    saved_weights,
    vector,
)
from models.bundle.bundle import PADDING
from models.data import Holdout, Sequences


@dataclass(frozen=True, eq=False)
class MostRecent:
    """The items of the history, the newest first; then all others by popularity."""

    architecture: ClassVar[str] = "most_recent"
    max_length: ClassVar[int] = 500

    share: NDArray[np.float32]  # [n_items + 1], popularity

    @classmethod
    def fit(cls, train: Sequences, validation: Holdout | None = None, facts: Facts = NO_FACTS) -> Self:
        """Count; there is nothing to choose on validation.

        Raises NotApplicableError where seen items are no answers, and ValueError without any interaction.
        """
        share = popularity(train)
        if facts.exclude_seen:
            raise NotApplicableError("what a user has played before is left out of the answers")
        return cls(share)

    def refit(self, train: Sequences, facts: Facts = NO_FACTS) -> Self:
        return self.fit(train, None, facts)

    def score(self, histories: Sequence[NDArray[np.integer]]) -> NDArray[np.float32]:
        scores = np.tile(self.share, (len(histories), 1))  # [users, n_items + 1], at most 1
        for row, history in zip(scores, histories, strict=True):
            newest = history[-self.max_length :]
            row[newest] = 2 + self._ranked(newest)
        scores[:, PADDING] = -np.inf
        return scores

    def config(self) -> dict[str, Any]:
        return {}

    def save(self, folder: Path) -> None:
        save_weights(folder, {"share": self.share})

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Raises BundleError where the weights cannot be read or are not those of such a baseline."""
        with saved_weights(folder, cls.architecture) as weights:
            return cls(vector(weights["share"], np.float32))

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
