"""What of a history comes again: its items as candidates of their own, beside all items as new ones.

A network scores each item as the next one. Where people play things again, the items of the history have a
second chance, by when and how often they were played: with the score b of an item, and its share r in what
comes again (a logarithm), the score becomes log(exp(b) + exp(total + r)). The total grows with how often the
user has repeated, and follows the network's state. This is the mixture of RepeatNet (Ren et al., AAAI 2019)
with one softmax over both. NumPy alone: the endpoint runs it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

EXACT = 16  # numbers below have a bucket of their own; above there are four to an octave
PREFIX = "repeats."  # of its weights among those of a network
NAMES = ("recency", "count", "habit", "gate.weight", "gate.bias")


def buckets(longest: int) -> NDArray[np.int64]:
    """The bucket of each number from 0 to `longest`, [longest + 1]."""
    numbers = np.arange(longest + 1)
    steps = np.floor(4 * np.log2(np.maximum(numbers, EXACT) / EXACT)).astype(np.int64)
    return np.where(numbers < EXACT, numbers, EXACT + steps)


def is_of_repeats(name: str) -> bool:
    """Whether a weight of a network is one of these."""
    return name.startswith(PREFIX)


@dataclass(frozen=True, eq=False)
class Repeats:
    """The trained weights; see `models.networks.repeats`."""

    recency: NDArray[np.float32]  # [buckets], by how many other items were played since
    count: NDArray[np.float32]  # [buckets], by how often it was played before its last time
    habit: NDArray[np.float32]  # [1], times the log-odds of repeats among the plays of the history
    gate: NDArray[np.float32]  # [1, width]
    gate_bias: NDArray[np.float32]  # [1]

    @classmethod
    def of(cls, weights: Mapping[str, NDArray[Any]]) -> Self | None:
        """From the weights of a network; None where it has none of these. KeyError for a part of them."""
        if not any(map(is_of_repeats, weights)):
            return None
        return cls(*(weights[PREFIX + name] for name in NAMES))

    def again(
        self, history: NDArray[np.integer], state: NDArray[np.float32]
    ) -> tuple[NDArray[np.integer], NDArray[np.float32]]:
        """The items of a history, each once, and their scores as what comes again; state [width]."""
        newest_first = history[::-1]
        distinct, since, times = np.unique(newest_first, return_index=True, return_counts=True)
        order = np.argsort(since)  # newest first
        bucket = _buckets(len(history))
        shares = self.recency[bucket[: len(order)]] + self.count[bucket[times[order] - 1]]  # [distinct]
        odds = np.log((len(history) - len(order) + 1) / (len(order) + 1))
        total = self.gate[0] @ state + self.gate_bias[0] + self.habit[0] * odds
        scores: NDArray[np.float32] = (total + shares - np.logaddexp.reduce(shares)).astype(np.float32)
        return distinct[order], scores

    def add(
        self,
        scores: NDArray[np.float32],
        histories: Sequence[NDArray[np.integer]],
        states: NDArray[np.float32],
        items: NDArray[np.integer] | None = None,
    ) -> None:
        """Change scores [users, n_items + 1] in place, or those of some `items` [users, len(items)].

        The histories are those that the network looks at.
        """
        for row, history, state in zip(scores, histories, states, strict=True):
            if len(history) == 0:
                continue
            known, again = self.again(history, state)
            if items is None:
                row[known] = np.logaddexp(row[known], again)
                continue
            at, which = np.nonzero(items[:, None] == known)
            row[at] = np.logaddexp(row[at], again[which])


@cache
def _buckets(longest: int) -> NDArray[np.int64]:
    return buckets(longest)
