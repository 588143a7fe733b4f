"""What TIGER's decoder says of all items, exactly, or of the best of them by beam search. NumPy alone.

The probability of an item is the product of those of its codes, each among the codes that go on from there
to a real item (a softmax over the children in the trie). So the exact scores of all items cost one walk
through the trie, and the best few cost a walk along the best beginnings alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from models.bundle.bundle import PADDING
from models.codes.trie import Level, Trie

Floats = NDArray[np.float32]
CODES = "decoder.codes"  # in a network's weights, [n_items + 1, levels]


@dataclass(frozen=True, eq=False)
class Step:
    """The weights of the decoder for one level: a residual block on the state plus that of the beginning."""

    codes: Floats  # [codes, width]
    bias: Floats  # [codes]
    inner: Floats  # [inner, width]
    outer: Floats  # [width, inner]


@dataclass(frozen=True, eq=False)
class _Choice:
    """Children among which codes are chosen: all of each of their parents."""

    parents: NDArray[np.int64]  # [parents], rising
    starts: NDArray[np.int64]  # [parents], where the children of each begin
    of: NDArray[np.int64]  # [children], places among the parents
    last: NDArray[np.int32]  # [children], codes
    fixed: Floats  # [children]
    through: Floats  # [children, inner]


@dataclass(frozen=True, eq=False)
class _Walk:
    """One level with all that does not depend on the history."""

    level: Level
    begun: Floats  # [parents, inner], what the beginning adds within the block
    direct: Floats  # [codes, width], of the codes
    fixed: Floats  # [beginnings], what a child has from its beginning and its bias
    through: Floats  # [codes, inner], of the codes behind the block
    inner: Floats  # [inner, width]

    @cached_property
    def all(self) -> _Choice:
        """Every choice that there is."""
        return self.choice(self.level.siblings)

    def choice(self, children: NDArray[np.int64]) -> _Choice:
        """Among children [children], all of each of their parents, which rise."""
        parent, last = self.level.parent[children], self.level.codes[children, -1]
        first = np.ones(len(parent), dtype=np.bool_)  # of its parent's children
        first[1:] = parent[1:] != parent[:-1]
        starts, of = np.flatnonzero(first), np.cumsum(first) - 1
        return _Choice(parent[starts], starts, of, last, self.fixed[children], self.through[last])

    def log_shares(self, state: Floats, choice: _Choice) -> Floats:
        """Log-probabilities of the children of a choice for a state [width], each given its parent."""
        hidden = np.maximum(self.begun[choice.parents] + self.inner @ state, 0)  # [parents, inner]
        logits: Floats = np.einsum("ci,ci->c", hidden[choice.of], choice.through)
        logits += (self.direct @ state)[choice.last] + choice.fixed
        logits -= np.maximum.reduceat(logits, choice.starts)[choice.of]
        logits -= np.log(np.add.reduceat(np.exp(logits), choice.starts))[choice.of]
        return logits


class TrieDecoder:
    """Scores of items by their codes, from states of histories; a score is a log-probability."""

    def __init__(self, steps: list[Step], codes: NDArray[np.integer]) -> None:
        """`codes` [n_items + 1, levels] are all different but for row 0, padding's."""
        self.trie = Trie.of(codes)
        self.n_items = len(codes) - 1
        self._walks = []
        parents = np.zeros((1, steps[0].codes.shape[1]), dtype=np.float32)  # of the empty beginning
        for step, level in zip(steps, self.trie.levels, strict=True):
            last = level.codes[:, -1]
            fixed = np.einsum("cw,cw->c", parents[level.parent], step.codes[last]) + step.bias[last]
            begun, through = parents @ step.inner.T, step.codes @ step.outer
            self._walks.append(_Walk(level, begun, step.codes, fixed, through, step.inner))
            parents = parents[level.parent] + step.codes[last]

    @classmethod
    def of(cls, weights: Mapping[str, NDArray[Any]]) -> Self:
        """From the weights of the network; see `models.networks.tiger.Decoder`. KeyError without them."""
        codes = weights[CODES]
        names = ("tables.{}.weight", "biases.{}", "inner.{}.weight", "outer.{}.weight")
        steps = [
            Step(*(weights["decoder." + name.format(level)] for name in names))
            for level in range(codes.shape[1])
        ]
        return cls(steps, codes)

    def score(self, states: Floats) -> Floats:
        """States [users, width] -> log-probabilities of all items, [users, n_items + 1]; -inf for padding."""
        scores = np.empty((len(states), self.n_items + 1), dtype=np.float32)
        for row, state in zip(scores, states, strict=True):
            so_far = np.zeros(1, dtype=np.float32)
            for walk in self._walks:
                found = so_far[walk.level.parent]
                some = walk.level.siblings
                if len(some):
                    found[some] += walk.log_shares(state, walk.all)
                so_far = found
            row[:] = so_far[walk.level.of_item]
        scores[:, PADDING] = -np.inf
        return scores

    def best(
        self, state: Floats, k: int, beam: int, allowed: NDArray[np.bool_] | None = None
    ) -> tuple[NDArray[np.int64], Floats]:
        """The best `k` items for a state [width], best first, and their log-probabilities, by beam search.

        `beam` beginnings are kept at each level; with as many as there are items the answer is exact. Items
        that are not `allowed` [n_items + 1] never take a place: beginnings that lead to such items alone are
        left out at every level. Fewer than `k` come back where there are no more.
        """
        kept, scores = np.zeros(1, dtype=np.int64), np.zeros(1, dtype=np.float32)
        for walk in self._walks:
            level = walk.level
            counts = level.starts[kept + 1] - level.starts[kept]
            ends = np.cumsum(counts)
            children = np.arange(ends[-1]) + np.repeat(level.starts[kept] - (ends - counts), counts)
            found = np.repeat(scores, counts)
            choice = np.repeat(counts > 1, counts)
            if choice.any():
                found[choice] += walk.log_shares(state, walk.choice(children[choice]))
            if allowed is not None:
                leads = self._leads(level, allowed)[children]
                children, found = children[leads], found[leads]
            if not len(children):
                return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float32)
            order = np.argsort(-found, kind="stable")[:beam]
            order.sort()  # parents rise again
            kept, scores = children[order], found[order]
        order = np.argsort(-scores, kind="stable")[:k]
        return self._item_of[kept[order]], scores[order]

    @staticmethod
    def _leads(level: Level, allowed: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Whether an allowed item begins so, [beginnings]."""
        leads = np.zeros(len(level.parent), dtype=np.bool_)
        leads[level.of_item[1:][allowed[1:]]] = True
        return leads

    @cached_property
    def _item_of(self) -> NDArray[np.int64]:
        """The item of each whole code."""
        items = np.empty(self.n_items, dtype=np.int64)
        items[self.trie.levels[-1].of_item[1:]] = np.arange(1, self.n_items + 1)
        return items
