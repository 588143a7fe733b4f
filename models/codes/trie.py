"""The codes of all items as a tree, level by level. NumPy alone: training and serving share it."""

from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray

NONE = -1  # padding has no code


@dataclass(frozen=True, eq=False)
class Level:
    """The distinct beginnings of one length, each a child of one that is a code shorter.

    Children of the same parent are neighbours. A parent with one child leaves nothing to choose.
    """

    codes: NDArray[np.int32]  # [beginnings, length], rising
    parent: NDArray[np.int64]  # [beginnings], places in the level above, rising
    starts: NDArray[np.int64]  # [parents + 1], where the children of each begin
    of_item: NDArray[np.int64]  # [n_items + 1], the beginning of each item's code; NONE for padding

    @cached_property
    def siblings(self) -> NDArray[np.int64]:
        """The beginnings that have a sibling, rising: those among which there is a choice."""
        return np.flatnonzero(np.diff(self.starts)[self.parent] > 1)


@dataclass(frozen=True, eq=False)
class Trie:
    """The beginnings of all items' codes, by their length from 1 on."""

    levels: tuple[Level, ...]

    @classmethod
    def of(cls, codes: NDArray[np.integer]) -> Self:
        """From the codes of each item, [n_items + 1, levels]; row 0 is padding. ValueError for equal ones."""
        n = len(codes)
        above, parents, levels = np.zeros(n, dtype=np.int64), 1, []
        for length in range(1, codes.shape[1] + 1):
            last = codes[1:, length - 1].astype(np.int64)
            base = int(last.max(initial=0)) + 1
            keys, place = np.unique(above[1:] * base + last, return_inverse=True)
            parent = keys // base
            of_item = np.append(NONE, place.reshape(-1)).astype(np.int64)
            item = np.zeros(len(keys), dtype=np.int64)
            item[of_item[1:]] = np.arange(1, n)  # any that begins so
            starts = np.searchsorted(parent, np.arange(parents + 1))
            levels.append(Level(codes[item, :length].astype(np.int32), parent, starts, of_item))
            above, parents = of_item, len(keys)
        if parents < n - 1:
            raise ValueError(f"{n - 1 - parents} items have the code of another one.")
        return cls(tuple(levels))
