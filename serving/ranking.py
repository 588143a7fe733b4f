"""The best of many scores, exactly, without sorting them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

FEW = 100_000  # scores
BLOCK_OF_FEW, BLOCK_OF_MANY = 64, 1024


def top_k(scores: NDArray[np.floating[Any]], k: int) -> NDArray[np.int64]:
    """Indexes of the `k` highest finite scores, highest first, ties by index; free of NaN by contract.

    The k-th highest of the maxima of blocks is no higher than the k-th highest score, as `k` blocks hold a
    score at least as high: so one pass of maxima and one of comparisons leave few scores to sort.
    """
    candidates = np.flatnonzero(scores > _lower_bound(scores, k))
    if len(candidates) > k:
        threshold = np.partition(scores[candidates], -k)[-k]
        candidates = candidates[scores[candidates] >= threshold]  # all ties of the last place are still in
    order = np.argsort(-scores[candidates], kind="stable")
    return candidates[order][:k]


def _lower_bound(scores: NDArray[np.floating[Any]], k: int) -> float:
    """A number below the `k`-th highest score; -inf where too few scores or blocks say nothing."""
    block = BLOCK_OF_FEW if len(scores) < FEW else BLOCK_OF_MANY
    blocks = len(scores) // block
    if blocks < k:
        return -np.inf
    maxima = scores[: blocks * block].reshape(blocks, block).max(axis=1)  # [blocks]
    bound = np.partition(maxima, -k)[-k]
    return float(np.nextafter(bound, scores.dtype.type(-np.inf)))  # `>` then lets the bound itself pass
