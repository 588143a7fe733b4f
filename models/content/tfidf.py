"""TF-IDF of item features: how much each of them tells of an item. NumPy alone: the endpoint computes it."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Entries:
    """A sparse matrix [n, features] by its entries. Rows have length 1, or 0 where nothing is known."""

    rows: NDArray[np.int64]  # [entries], rising
    columns: NDArray[np.int64]  # [entries]
    weights: NDArray[np.float64]  # [entries]
    n: int


@dataclass(frozen=True, eq=False)
class TfIdf:
    """Features by column, and the weight of each: the rarer, the more (Spärck Jones, J. Doc. 1972)."""

    column: dict[str, int]
    idf: NDArray[np.float64]  # [features]

    @classmethod
    def fit(cls, features: Sequence[Sequence[str]], fewest: int = 1) -> Self:
        """Of the features of each item, each named once an item; those of `fewest` items and more."""
        found = Counter(feature for of_item in features for feature in of_item)
        names = sorted(name for name, items in found.items() if items >= fewest)
        items = np.array([found[name] for name in names], dtype=np.float64)
        return cls({name: i for i, name in enumerate(names)}, np.log((1 + len(features)) / (1 + items)) + 1)

    def entries(self, features: Sequence[Sequence[str]]) -> Entries:
        """Features that were not there when this was fitted are passed over."""
        known = [[self.column[name] for name in of_item if name in self.column] for of_item in features]
        rows = np.repeat(np.arange(len(known)), [len(of_item) for of_item in known])
        columns = np.array([column for of_item in known for column in of_item], dtype=np.int64)
        weights = self.idf[columns]
        lengths = np.sqrt(np.bincount(rows, weights**2, minlength=len(known)))
        return Entries(rows, columns, weights / lengths[rows], len(known))


@dataclass(frozen=True, eq=False)
class ContentIndex:
    """The items of a catalogue by their features, so that those most like another one are found at once."""

    tfidf: TfIdf
    items: Entries  # row i is item index i

    @classmethod
    def of(cls, features: Sequence[Sequence[str]]) -> Self:
        tfidf = TfIdf.fit(features)
        return cls(tfidf, tfidf.entries(features))

    def cosines(self, features: Sequence[str]) -> NDArray[np.float64]:
        """How much each item is like one with these features, [n], from 0 to 1."""
        found = self.tfidf.entries([features])
        cosines = np.zeros(self.items.n)
        for column, weight in zip(found.columns.tolist(), found.weights.tolist(), strict=True):
            of = self._by_column[self._starts[column] : self._starts[column + 1]]
            cosines[self.items.rows[of]] += weight * self.items.weights[of]
        return cosines

    @cached_property
    def _by_column(self) -> NDArray[np.int64]:
        return np.argsort(self.items.columns, kind="stable")

    @cached_property
    def _starts(self) -> NDArray[np.int64]:
        """Where the entries of each feature begin in `_by_column`, [features + 1]."""
        per_column = np.bincount(self.items.columns, minlength=len(self.tfidf.idf))
        return np.concatenate([[0], np.cumsum(per_column)])
