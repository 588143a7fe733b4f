"""Exact ranks over the full catalogue, the metrics that follow from them, and the best items of each user.

Ranks are 1-based and pessimistic: every item that is not scored below the target counts as ranked above it.
So a tie counts against the target, and so does an item scored NaN. A target that can never be recommended
has the rank MISSED, beyond every cutoff, however few items are left: one that is scored NaN itself, that the
model does not know, or that is left out as seen. The holdout says whether seen items are. Sampled metrics do
not exist here (Krichene and Rendle, "On Sampled Metrics for Item Recommendation", KDD 2020).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.bundle.bundle import PADDING
from models.data import Holdout, Sequences
from models.moment import Moment
from models.scorer import Scorer, scores_at

CUTOFFS = (1, 5, 10, 20)
MISSED = int(np.iinfo(np.int32).max)  # the rank of a target that can never be recommended
BLOCK = 512  # users scored at once, fewer where their scores would take more than BLOCK_BYTES
BLOCK_BYTES = 1 << 28


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What one pass over a holdout says about a scorer."""

    ranks: NDArray[np.int32]  # [users], 1-based
    items: NDArray[np.int32]  # [users, k], best first, as top_k gives them
    scores: NDArray[np.float32]  # [users, k]
    nan_users: int  # users for whom any item was scored NaN
    unknown_targets: int  # users whose target the scorer gave no score: beyond its vocabulary or -inf


class _Block(NamedTuple):
    users: slice
    scores: NDArray[np.float32]  # [block, catalogue + 1]
    allowed: NDArray[np.bool_]  # [block, catalogue + 1], False for padding and what was seen


def evaluate(scorer: Scorer, holdout: Holdout, *, k: int = 20, block: int = BLOCK) -> Evaluation:
    """Ranks, best `k` items and what went wrong, with every user scored once, `block` users at a time."""
    ranks = np.zeros(len(holdout), dtype=np.int32)
    items, scores = _nothing(len(holdout), k)
    nan_users = unknown_targets = 0
    for part in _blocks(scorer, holdout.histories, block, holdout.exclude_seen, holdout.moment):
        targets = holdout.targets[part.users]
        ranks[part.users] = _ranks(part, targets)
        items[part.users], scores[part.users] = _best(part, k)
        nan_users += int(np.isnan(part.scores[:, 1:]).any(axis=1).sum())
        unknown_targets += int(np.isneginf(part.scores[np.arange(len(targets)), targets]).sum())
    return Evaluation(ranks, items, scores, nan_users, unknown_targets)


def rank_targets(scorer: Scorer, holdout: Holdout, *, block: int = BLOCK) -> NDArray[np.int32]:
    """Rank of each user's target in the catalogue, int32 [users]; see the module for ties and NaN."""
    ranks = np.zeros(len(holdout), dtype=np.int32)
    for part in _blocks(scorer, holdout.histories, block, holdout.exclude_seen, holdout.moment):
        ranks[part.users] = _ranks(part, holdout.targets[part.users])
    return ranks


def top_k(
    scorer: Scorer,
    histories: Sequences,
    k: int,
    *,
    exclude_seen: bool = True,
    block: int = BLOCK,
    moment: Moment | None = None,
    refused: NDArray[np.int64] | None = None,
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """The best items of each user, best first, ties by item index: items [users, k], scores [users, k].

    `moment` is when each of them asks; `refused` has a row, of the user and the item, for each item that its
    user is not given, [refusals, 2]. Items scored NaN or -inf are never given. A user with fewer than k
    items left gets item 0, scored -inf.
    """
    items, scores = _nothing(len(histories), k)
    for part in _blocks(scorer, histories, block, exclude_seen, moment):
        if refused is not None:
            here = refused[(refused[:, 0] >= part.users.start) & (refused[:, 0] < part.users.stop)]
            part.allowed[here[:, 0] - part.users.start, here[:, 1]] = False
        items[part.users], scores[part.users] = _best(part, k)
    return items, scores


def coverage(items: NDArray[np.integer], n_items: int) -> float:
    """Share of the catalogue that appears in any user's list; `items` [users, k], 0 where a list is short."""
    shown = np.zeros(n_items + 1, dtype=np.bool_)
    shown[items] = True
    return float(shown[1:].mean()) if n_items else 0.0


def per_user(metric: str, ranks: NDArray[np.integer]) -> NDArray[np.float64]:
    """One metric, such as `ndcg@10`, of each user, [users]; with one target a user it follows from the rank.

    HR@k is 1 within the first k, NDCG@k is 1 / log2(1 + rank) there, MRR@k is 1 / rank there; else 0.
    Raises ValueError for another metric.
    """
    name, _, cutoff = metric.partition("@")
    if name not in ("hr", "ndcg", "mrr") or not cutoff.isdecimal() or int(cutoff) < 1:
        raise ValueError(
            f"There is no metric {metric!r}: give hr, ndcg or mrr with a cutoff, such as ndcg@10."
        )
    if name == "hr":
        gain = np.ones(len(ranks))
    elif name == "ndcg":
        gain = 1 / np.log2(1.0 + ranks)
    else:
        gain = 1.0 / ranks
    return np.where(ranks <= int(cutoff), gain, 0.0)


def summary(ranks: NDArray[np.integer]) -> dict[str, float]:
    """Mean HR, NDCG and MRR at 1, 5, 10 and 20, by names such as `ndcg@10`; ValueError without any user."""
    if len(ranks) == 0:
        raise ValueError("There are no ranks to summarize: the holdout has no user.")
    names = [f"{name}@{k}" for name in ("hr", "ndcg", "mrr") for k in CUTOFFS]
    return {name: float(per_user(name, ranks).mean()) for name in names}


def users_at_once(most: int, size: int, within: int) -> int:
    """How many users to look at at once: `most`, or as many as fit `within` bytes where each takes `size`."""
    return max(1, min(most, within // size))


def _blocks(
    scorer: Scorer, histories: Sequences, block: int, exclude_seen: bool, moment: Moment | None
) -> Iterator[_Block]:
    size = np.dtype(np.float32).itemsize * (histories.n_items + 1)  # bytes of a user's scores
    block = users_at_once(block, size, BLOCK_BYTES)
    for start in range(0, len(histories), block):
        users = slice(start, min(start + block, len(histories)))
        rows = [histories.user(u) for u in range(users.start, users.stop)]
        given = scores_at(scorer, rows, moment and moment.rows(users))  # [block, the scorer's n_items + 1]
        if given.ndim != 2 or len(given) != len(rows) or given.shape[1] > histories.n_items + 1:
            raise ValueError(
                f"A scorer was asked for {len(rows)} users and {histories.n_items} items "
                f"and gave scores of shape {given.shape}."
            )
        scores = _widened(given, histories.n_items + 1)
        allowed = np.ones(scores.shape, dtype=np.bool_)
        allowed[:, PADDING] = False
        if exclude_seen:
            seen = histories.items[histories.offsets[users.start] : histories.offsets[users.stop]]
            allowed[np.repeat(np.arange(len(rows)), [len(row) for row in rows]), seen] = False
        yield _Block(users, scores, allowed)


def _widened(scores: NDArray[np.float32], width: int) -> NDArray[np.float32]:
    """Items of the catalogue that the scorer does not know are scored -inf; [block, width] at least."""
    missing = max(width - scores.shape[1], 0)
    return np.pad(scores, ((0, 0), (0, missing)), constant_values=-np.inf) if missing else scores


def _ranks(part: _Block, targets: NDArray[np.int32]) -> NDArray[np.int64]:
    rows = np.arange(len(targets))
    target_scores = part.scores[rows, targets]  # [block]
    reachable = part.allowed[rows, targets] & (target_scores > -np.inf)  # [block], NaN is not above -inf
    at_or_above = ~(part.scores < target_scores[:, None]) & part.allowed  # [block, catalogue + 1]
    return np.where(reachable, at_or_above.sum(axis=1, dtype=np.int64), MISSED)


def _best(part: _Block, k: int) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """By partition: all above the k-th score, then, of those tied with it, the lowest item indexes."""
    usable = part.allowed & (part.scores > -np.inf)  # NaN is not above -inf
    scores = np.where(usable, part.scores, np.float32(-np.inf))  # [block, catalogue + 1]
    k_within = min(k, scores.shape[1])
    kth = np.partition(scores, -k_within, axis=1)[:, -k_within]  # [block]
    rows, columns = np.nonzero((scores >= kth[:, None]) & usable)  # k a user, more where the k-th is tied
    order = np.lexsort((columns, -scores[rows, columns], rows))
    rows, columns = rows[order], columns[order]
    place = np.arange(len(rows)) - np.searchsorted(rows, rows)  # 0 for the best of each user
    rows, columns, place = rows[place < k], columns[place < k], place[place < k]

    items, best = _nothing(len(scores), k)
    items[rows, place], best[rows, place] = columns, scores[rows, columns]
    return items, best


def _nothing(users: int, k: int) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    return np.full((users, k), PADDING, dtype=np.int32), np.full((users, k), -np.inf, dtype=np.float32)
