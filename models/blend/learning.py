"""How much each member of a blend counts: a few weights, learned on plays that no member has learned from.

The likelihood of what was played next is concave in the weights. It is taken among the best items of the
members alone: in a log-linear model what is chosen among some items does not depend on the others (McFadden
1978), so the weights come out the same, and the cost does not grow with the catalogue.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.baselines.rate import allowed, bounded_rate
from models.blend.scorer import NEW, Blend, logarithms, new_items
from models.choice import likeliest
from models.data import Holdout
from models.evaluation.metrics import per_user, rank_targets, users_at_once
from models.evaluation.stats import SEED, bootstrap_interval
from models.scorer import OnnxScorer, Scorer, scores_at

DEPTH = 50  # best items of each member among which the weights are learned
USERS = 5_000  # at most, on whose validation items they are
BLOCK = 512  # users scored at once, fewer where the scores of all members would take more than BLOCK_BYTES
BLOCK_BYTES = 1 << 30
LEAST_GAIN = 0.003  # nats a user, by which a further member must make what was played likelier
MOST_BASELINES = 3  # so that a request costs little more than the network alone; new releases come beside
DECIMALS = 3  # of a weight: sums in another order give the same bytes
FOLDS = 2
CONFIDENCE = 0.8  # of the two-sided interval of what a blend gains: it is one more model to serve


class NoBlendError(Exception):
    """No blend is surely better than its network; the message says why."""


@dataclass(frozen=True, eq=False)
class Learned:
    """The weights of the members that help, and what they are worth on validation.

    Each validation user was judged with weights that were learned on others.
    """

    weights: dict[str, float]
    ranks: NDArray[np.int32]  # [validation users]


@dataclass(frozen=True, eq=False)
class Choices:
    """What each user played next, among the best items of all members."""

    users: NDArray[np.int64]  # [users], whose play it is
    features: NDArray[np.float32]  # [users, width, members]
    there: NDArray[np.bool_]  # [users, width], False for padding
    played: NDArray[np.int64]  # [users], the place of what was played

    def rows(self, kept: NDArray[np.bool_]) -> "Choices":
        return Choices(self.users[kept], self.features[kept], self.there[kept], self.played[kept])


def learn(members: Mapping[str, Scorer], validation: Holdout) -> Learned:
    """Choose members and weights. The networks all take part, the first of them leads.

    Raises NoBlendError where the blend's NDCG@10 is not surely above that of each network.
    """
    networks = [name for name, member in members.items() if isinstance(member, OnnxScorer)]
    if len(validation) < FOLDS:
        raise NoBlendError("there are no validation plays to learn weights on")
    chosen, names = choices(members, _some(validation)), list(members)
    ranks = np.zeros(len(validation), dtype=np.int32)
    for fold in range(FOLDS):
        others = choose(chosen.rows(chosen.users % FOLDS != fold), names, networks)
        others = with_new(members, others, validation.rows(np.flatnonzero(validation.users % FOLDS != fold)))
        rows = np.flatnonzero(validation.users % FOLDS == fold)
        ranks[rows] = rank_targets(Blend.of(members, others), validation.rows(rows))
    for network in networks:
        _require_gain(network, ranks, rank_targets(members[network], validation), validation.users)
    return Learned(with_new(members, choose(chosen, names, networks), validation), ranks)


def learn_best(
    networks: Sequence[Mapping[str, Scorer]], baselines: Mapping[str, Scorer], validation: Holdout
) -> Learned:
    """What is learned with those of these networks whose blend has the highest NDCG@10 on validation.

    The network that is best alone need not be: it may know what counting knows as well. Raises NoBlendError
    as `learn` does for the first networks, where none of them has a blend.
    """
    found: list[Learned] = []
    why: list[NoBlendError] = []
    for some in networks:
        try:
            found.append(learn({**some, **baselines}, validation))
        except NoBlendError as error:
            why.append(error)
    if not found:
        raise why[0]
    return max(found, key=lambda learned: float(per_user("ndcg@10", learned.ranks).mean()))


def with_new(
    members: Mapping[str, Scorer], weights: dict[str, float], validation: Holdout
) -> dict[str, float]:
    """The weights, and with them that of new releases, if there are any: a rate.

    For new items a blend may spend what it gains on known ones over its networks, and little more.
    """
    new = new_items(members)
    if new is None:
        return weights
    networks = [member for member in members.values() if isinstance(member, OnnxScorer)]

    def made(rate: float) -> Scorer:
        return Blend.of(members, weights | {NEW: rate})

    rate = bounded_rate(made, np.exp, _some(validation), new, networks)
    return weights | ({NEW: rate} if rate else {})


def _require_gain(
    network: str, blended: NDArray[np.int32], alone: NDArray[np.int32], users: NDArray[np.int64]
) -> None:
    gain = per_user("ndcg@10", blended) - per_user("ndcg@10", alone)  # [validation plays]
    people = users if len(np.unique(users)) < len(users) else None
    low, high = bootstrap_interval(gain, confidence=CONFIDENCE, seed=SEED, people=people)
    if low <= 0:
        raise NoBlendError(
            f"on validation no blend is surely better than {network}: NDCG@10 {gain.mean():+.4f} "
            f"({low:+.4f} to {high:+.4f}, a {CONFIDENCE:.0%} interval)"
        )


def choose(
    chosen: Choices, names: Sequence[str], networks: Sequence[str], most: int = MOST_BASELINES
) -> dict[str, float]:
    """The weights of the networks and of those baselines that help, the most helpful first.

    One baseline after the other joins, each time the one with which what was played is likeliest, as long as
    that gains `LEAST_GAIN`. Raises NoBlendError where there is nothing to learn from.
    """
    if not len(chosen.users):
        raise NoBlendError("nobody played next what a member had among its best")
    members = [names.index(name) for name in networks]
    weights, likely = fit(chosen, members)
    others = [i for i, name in enumerate(names) if name != NEW]  # new items are learned of apart
    while len(members) < len(networks) + most:
        wider = [[*members, i] for i in others if i not in members]
        tried = [(*fit(chosen, more), more) for more in wider]
        best = max(tried, key=lambda one: one[1], default=None)
        if best is None or best[1] < likely + LEAST_GAIN:
            break
        weights, likely, members = best
    return {names[i]: float(weight) for i, weight in zip(members, weights, strict=True) if weight > 0}


def fit(chosen: Choices, members: Sequence[int]) -> tuple[NDArray[np.float64], float]:
    """The weights of these members, 0 or more, that make what was played likeliest, and that likelihood.

    The first member, a network, keeps a weight. Likelihood: mean logarithm, in nats a user.
    """
    least = 10.0**-DECIMALS
    return likeliest(
        chosen.features[:, :, list(members)],
        chosen.there,
        chosen.played,
        start=np.r_[1.0, np.full(len(members) - 1, 0.1)],
        bounds=[(least, None), *[(0, None)] * (len(members) - 1)],
        decimals=DECIMALS,
    )


def choices(members: Mapping[str, Scorer], holdout: Holdout, depth: int = DEPTH) -> Choices:
    """What the members say of the union of their `depth` best items for each user, new ones left out.

    Users whose next play is not among these are left out: no weights would bring it to the top. Raises
    NoBlendError where a score is no number.
    """
    found = list(_found(members, holdout, depth))
    width = max([1, *(len(scores) for _, scores, _ in found)])
    features = np.zeros((len(found), width, len(members)), dtype=np.float32)
    there = np.zeros((len(found), width), dtype=np.bool_)
    for row, (_, scores, _) in enumerate(found):
        features[row, : len(scores)], there[row, : len(scores)] = scores, True
    if not np.isfinite(features).all():
        raise NoBlendError("a member gives scores that are no numbers")
    users, played = ([int(one[place]) for one in found] for place in (0, 2))
    return Choices(np.array(users, np.int64), features, there, np.array(played, np.int64))


def _found(
    members: Mapping[str, Scorer], holdout: Holdout, depth: int
) -> Iterator[tuple[int, NDArray[np.float32], int]]:
    """Each user whose play is found, scores [items, members], and the play's place among the items."""
    new = new_items(members)
    size = np.dtype(np.float32).itemsize * (holdout.histories.n_items + 1) * len(members)  # bytes of a user
    block = users_at_once(BLOCK, size, BLOCK_BYTES)
    for start in range(0, len(holdout), block):
        part = holdout.rows(np.arange(start, min(start + block, len(holdout))))
        given = [_logarithms(member, part, new) for member in members.values()]
        can_be = allowed(part, given[0].shape[1])
        if new is not None:
            can_be[:, new] = False
        best = np.concatenate([_best(scores, can_be, depth) for scores in given], axis=1)
        for row, target in enumerate(part.targets.tolist()):
            items = np.unique(best[row])
            items = items[can_be[row, items]]
            place = int(np.searchsorted(items, target))
            if place < len(items) and items[place] == target:
                yield int(part.users[row]), np.stack([scores[row, items] for scores in given], axis=1), place


def _logarithms(member: Scorer, part: Holdout, new: NDArray[np.bool_] | None) -> NDArray[np.float32]:
    """What a member adds to the score of each item, before its weight, [users, n_items + 1]."""
    return logarithms(member, scores_at(member, _histories(part), part.moment), new)


def _histories(part: Holdout) -> list[NDArray[np.int32]]:
    return [part.histories.user(row) for row in range(len(part))]


def _best(scores: NDArray[np.float32], allowed: NDArray[np.bool_], depth: int) -> NDArray[np.int64]:
    """The `depth` best allowed items of each user, in any order, [users, depth]."""
    left = np.where(allowed, scores, np.float32(-np.inf))
    depth = min(depth, left.shape[1])
    best: NDArray[np.int64] = np.argpartition(left, -depth, axis=1)[:, -depth:]
    return best


def _some(validation: Holdout) -> Holdout:
    """At most USERS of them, evenly spaced, so that learning costs the same on data of any size."""
    if len(validation) <= USERS:
        return validation
    return validation.rows(np.linspace(0, len(validation) - 1, USERS).astype(np.int64))
