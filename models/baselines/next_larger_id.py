"""The best guess that looks at no person at all, where histories are sorted by an id that grows."""

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
class NextLargerId:
    """Predicts that ids grow: the next larger id first, then the one after it; smaller ids last."""

    architecture: ClassVar[str] = "next_larger_id"
    max_length: ClassVar[int] = 1

    place: NDArray[np.int32]  # [n_items + 1], 0-based place of each item when sorted by id

    @classmethod
    def fit(cls, train: Sequences, validation: Holdout | None = None, facts: Facts = NO_FACTS) -> Self:
        """From the ids alone. Raises NotApplicableError where they are not all whole numbers."""
        popularity(train)  # raises where there is nothing to count
        numbers = whole_numbers(facts.ids) if facts.ids is not None else None
        if numbers is None:
            raise NotApplicableError("the item ids are no whole numbers")
        return cls.of(numbers)

    def refit(self, train: Sequences, facts: Facts = NO_FACTS) -> Self:
        return self.fit(train, None, facts)

    @classmethod
    def of(cls, ids: NDArray[np.int64]) -> Self:
        """From the ids [n_items + 1]; that of padding is ignored."""
        place = np.zeros(len(ids), dtype=np.int32)
        place[1 + np.argsort(ids[1:], kind="stable")] = np.arange(len(ids) - 1)
        return cls(place)

    def score(self, histories: Sequence[NDArray[np.integer]]) -> NDArray[np.float32]:
        """Histories -> scores [users, n_items + 1]; an empty one starts before the smallest id."""
        last = np.array([self.place[h[-1]] if len(h) else -1 for h in histories], dtype=np.int32)  # [users]
        away = self.place[None, :] - last[:, None] - 1  # [users, n_items + 1]
        scores = -np.where(away < 0, away + len(self.place) - 1, away).astype(np.float32)
        scores[:, PADDING] = -np.inf
        return scores

    def config(self) -> dict[str, Any]:
        return {}

    def save(self, folder: Path) -> None:
        save_weights(folder, {"place": self.place})

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Raises BundleError where the weights cannot be read or are no order of the items."""
        with saved_weights(folder, cls.architecture) as weights:
            place = vector(weights["place"], np.int32)
            if not np.array_equal(np.sort(place[1:]), np.arange(len(place) - 1)):
                raise ValueError("its places are no order of the items")
            return cls(place)


def whole_numbers(ids: Sequence[str]) -> NDArray[np.int64] | None:
    """The ids as integers [n_items + 1], 0 for padding; None unless all are whole numbers of 18 digits."""
    if not all(i.isascii() and i.isdecimal() and len(i) <= 18 for i in ids[1:]):
        return None
    return np.array([0, *map(int, ids[1:])], dtype=np.int64)
