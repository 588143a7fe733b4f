"""A sparse matrix from items of a history to items of the catalogue: what item-kNN and EASE score by."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from models.baselines.base import vector
from models.bundle.bundle import PADDING
from models.data import Sequences

if TYPE_CHECKING:
    from scipy.sparse import csr_array

TIE_BREAK = 1e-6  # times popularity: it orders the items that no item of the history says anything about
BLOCK_ITEMS = 1024


@dataclass(frozen=True, eq=False)
class ItemWeights:
    """Row i holds what an item i of the history adds to the score of each item; items without entry get 0."""

    share: NDArray[np.float32]  # [n_items + 1], popularity
    starts: NDArray[np.int64]  # [n_items + 2], row i of the CSR matrix is starts[i]..starts[i + 1]
    items: NDArray[np.int32]  # [entries]
    values: NDArray[np.float32]  # [entries]

    def score(
        self, histories: Sequence[NDArray[np.integer]], factors: Sequence[NDArray[np.float64]]
    ) -> NDArray[np.float32]:
        """The rows of each history's items added up, each times its factor: [users, n_items + 1].

        Raises ValueError where a history holds an item outside the vocabulary.
        """
        scores = np.empty((len(histories), len(self.share)), dtype=np.float32)
        for row, history, factor in zip(scores, histories, factors, strict=True):
            row[:] = self._sum(np.asarray(history, dtype=np.int64), factor) + TIE_BREAK * self.share
        scores[:, PADDING] = -np.inf
        return scores

    def _sum(self, history: NDArray[np.int64], factor: NDArray[np.float64]) -> NDArray[np.float64]:
        if len(history) and not 0 <= history.min() <= history.max() < len(self.share):
            raise ValueError(f"A history holds an item outside 1..{len(self.share) - 1}.")
        lengths = self.starts[history + 1] - self.starts[history]  # [history]
        ends = np.cumsum(lengths)
        entries = np.arange(lengths.sum()) + np.repeat(self.starts[history] - (ends - lengths), lengths)
        added = self.values[entries] * np.repeat(factor, lengths)  # [entries of these items]
        total = np.bincount(self.items[entries], added, minlength=len(self.share))  # [n_items + 1]
        return total.astype(np.float64)  # without entries NumPy counts in integers

    @classmethod
    def of(cls, share: NDArray[np.float32], blocks: Iterator["csr_array"]) -> Self:
        """From the matrix [n_items + 1, n_items + 1] in blocks of rows, top to bottom."""
        parts = list(blocks)
        lengths = np.concatenate([np.diff(part.indptr) for part in parts])  # [n_items + 1]
        return cls(
            share,
            np.append(0, np.cumsum(lengths)).astype(np.int64),
            np.concatenate([part.indices for part in parts]).astype(np.int32),
            np.concatenate([part.data for part in parts]).astype(np.float32),
        )

    def arrays(self) -> dict[str, NDArray[Any]]:
        return dict(vars(self))

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Raises KeyError, IndexError or ValueError where the arrays are not such a matrix."""
        share = vector(arrays["share"], np.float32)
        starts = vector(arrays["starts"], np.int64, len(share) + 1)
        items = vector(arrays["items"], np.int32, int(starts[-1]))
        if starts[0] != 0 or np.any(np.diff(starts) < 0):
            raise ValueError("its rows do not follow each other")
        if np.any((items < 1) | (items >= len(share))):
            raise ValueError("it names an item outside its vocabulary")
        return cls(share, starts, items, vector(arrays["values"], np.float32, len(items)))


def plays(train: Sequences) -> "csr_array":
    """Who played what: [users, n_items + 1], 1 where a user has an item, however often."""
    from scipy.sparse import csr_array

    ones = np.ones(len(train.items), dtype=np.float32)
    shape = (len(train), train.n_items + 1)
    matrix = csr_array((ones, train.items, train.offsets), shape=shape, copy=True)  # it is changed in place
    matrix.sum_duplicates()
    matrix.data[:] = 1
    return matrix


def blocks_of_items(width: int, rows: int = BLOCK_ITEMS) -> Iterator[slice]:
    for first in range(0, width, rows):
        yield slice(first, min(first + rows, width))


def largest_of_rows(matrix: "csr_array", n: int) -> "csr_array":
    """The `n` entries of largest magnitude in each row; zeros are left out."""
    from scipy.sparse import csr_array

    largest = [
        start + _largest(np.abs(matrix.data[start:end]), n) for start, end in pairwise(matrix.indptr.tolist())
    ]
    kept = np.concatenate(largest)  # [entries]
    row = np.repeat(np.arange(len(largest)), [len(entries) for entries in largest])
    there = matrix.data[kept] != 0
    row, kept = row[there], kept[there]
    starts = np.append(0, np.cumsum(np.bincount(row, minlength=len(largest))))
    return csr_array((matrix.data[kept], matrix.indices[kept], starts), shape=matrix.shape)


def _largest(magnitudes: NDArray[np.floating], n: int) -> NDArray[np.int64]:
    """Places of the `n` largest, in rising order."""
    if len(magnitudes) <= n:
        return np.arange(len(magnitudes))
    places: NDArray[np.int64] = np.sort(np.argpartition(magnitudes, -n)[-n:])
    return places
