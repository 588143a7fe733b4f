"""How often each of the gate's other rules is right, by simulation: the tables of docs/benchmarks/gate.md."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from benchmarks.gate_power import (
    BASELINE_NDCG,
    CHAMPION_NDCG,
    SHARED_BY_BASELINE,
    SHARED_BY_TRAININGS,
    USERS,
    draw_ranks,
    few_enough,
)
from models.evaluation.gate import Estimate, Evidence, Policy, choose, decide
from models.evaluation.rules.finding import compare
from models.evaluation.slices import Slice

NETWORK = math.sqrt(SHARED_BY_TRAININGS)  # of a user's difficulty that a network's ranks share
BASELINE = SHARED_BY_BASELINE / NETWORK
FEW = (10, 20, 50, 100, 200)
NIGHTS = 12  # of earlier plays, one a user and night


class Night:
    """Models of one night: the same users, whose difficulty all models share."""

    def __init__(self, users: int, *seed: int) -> None:
        self.rng = np.random.default_rng((users, *seed))
        self.ids, self.taste = np.arange(users), self.rng.normal(size=users)

    def ranks(self, ndcg: float, shared: float = NETWORK) -> NDArray[np.int32]:
        return draw_ranks(self.taste, ndcg, shared, self.rng)

    def model(self, name: str, ranks: NDArray[np.int32], **more: object) -> Evidence:
        known = {"coverage": 0.5, "export_error": 0.0, "bundle_hash": name, **more}
        return Evidence(name, ranks, self.ids, **known)  # type: ignore[arg-type]

    def baselines(self, number: int = 1, ndcg: float = BASELINE_NDCG) -> list[Evidence]:
        return [self.model(f"baseline {i}", self.ranks(ndcg, BASELINE)) for i in range(number)]


def falls(pairs: int, policy: Policy, seed: int) -> Iterator[list[str]]:
    """How often a champion falls beside six baselines, by how far it is below them."""
    yield ["Test users", "Level with six baselines", "10% below them", "A third below", "Half"]
    for users in USERS:
        shares = []
        for part in (1.0, 0.9, 2 / 3, 0.5):
            fallen = 0
            repetitions = few_enough(pairs, users)
            for i in range(repetitions):
                night = Night(users, seed, i)
                champion = night.model("champion", night.ranks(part * BASELINE_NDCG), age_days=1.0)
                fallen += choose([], champion, night.baselines(6), policy).promote
            shares.append(fallen / repetitions)
        yield [f"{users:,}", *map(_percent, shares)]


def creep(pairs: int, policy: Policy, seed: int) -> Iterator[list[str]]:
    """Sixty nights of candidates each 0.5 % worse; and what of equal ones is promoted beside an anchor."""
    yield ["Test users", "60 nights without an anchor", "With it", "Equal: promoted beside it", "5% better"]
    for users in (300, 1_000, 3_000, 10_000, 30_000, 100_000):
        times = range(1 if users > 10_000 else 4)
        ends = [
            np.mean([_after_creep(users, policy, seed, i, anchored) for i in times]) for anchored in (0, 1)
        ]
        repetitions = few_enough(pairs, users)
        shares = [
            np.mean([_beside_anchor(users, policy, seed, i, better) for i in range(repetitions)])
            for better in (1.0, 1.05)
        ]
        yield [f"{users:,}", *(f"{end:+.1%}" for end in ends), *map(_percent, shares)]


def _after_creep(users: int, policy: Policy, seed: int, repetition: int, anchored: bool) -> float:
    champion, set_on = CHAMPION_NDCG, 0
    for day in range(1, 61):
        night, new = Night(users, seed, repetition, day), CHAMPION_NDCG * 0.995**day
        anchor = night.model("anchor", night.ranks(CHAMPION_NDCG)) if anchored else None
        old = night.model("champion", night.ranks(champion), age_days=float(day - set_on))
        candidate = night.model("candidate", night.ranks(new))
        if decide(candidate, old, night.baselines(1, 0.1), policy, anchor=anchor).promote:
            champion, set_on = new, day
    return champion / CHAMPION_NDCG - 1


def _beside_anchor(users: int, policy: Policy, seed: int, repetition: int, better: float) -> bool:
    night = Night(users, seed, repetition, 99)
    anchor, old = (night.model(name, night.ranks(CHAMPION_NDCG)) for name in ("anchor", "champion"))
    candidate = night.model("candidate", night.ranks(better * CHAMPION_NDCG))
    return decide(candidate, old, night.baselines(1, 0.1), policy, anchor=anchor).promote


def collapse(pairs: int, policy: Policy, seed: int) -> Iterator[list[str]]:
    """A fifth of the users falls to zero while the others gain so much that the mean is 10 % up."""
    yield [
        "Test users", "A fifth falls to zero: refused", "The same, as a named group", "Sound: refused",
        "Sound network in place of a baseline: refused",
    ]  # fmt: skip
    for users in USERS:
        found = [_collapse(users, policy, seed, i) for i in range(few_enough(pairs, users))]
        yield [f"{users:,}", *map(_percent, np.mean(found, axis=0))]


def _collapse(users: int, policy: Policy, seed: int, repetition: int) -> list[bool]:
    night = Night(users, seed, repetition, 7)
    champion, low = (
        night.model("champion", night.ranks(CHAMPION_NDCG), age_days=1.0),
        night.baselines(2, 0.12),
    )
    fifth = night.rng.random(users) < 0.2
    ranks = night.ranks(1.1 * CHAMPION_NDCG / 0.8)
    worse = night.model("candidate", np.where(fifth, 3_000, ranks).astype(np.int32))
    groups = [Slice("user", "named", fifth), Slice("user", "others", ~fifth)]
    sound = night.model("candidate", night.ranks(1.05 * CHAMPION_NDCG), groups=groups)
    first, *others = night.baselines(3)
    return [
        _given_up(worse, champion, low, policy),
        _given_up(replace(worse, groups=groups), champion, low, policy),
        _given_up(sound, champion, low, policy),
        _given_up(sound, replace(first, name="champion", age_days=1.0), others, policy),
    ]


def _given_up(candidate: Evidence, champion: Evidence, baselines: Sequence[Evidence], policy: Policy) -> bool:
    reasons = decide(candidate, champion, baselines, policy).reasons
    return any("gives up" in reason or "collapses" in reason for reason in reasons)


def leak(pairs: int, policy: Policy, seed: int) -> Iterator[list[str]]:
    """Validation is another draw of as many users; test is raised as by test items that leaked."""
    yield ["Test users", "Sound: refused", "1.5 times too good: refused", "Twice", "Three times"]
    for users in USERS:
        repetitions = few_enough(pairs, users)
        shares = [
            np.mean([_leaked(users, policy, seed, i, gain) for i in range(repetitions)])
            for gain in (1.0, 1.5, 2.0, 3.0)
        ]
        yield [f"{users:,}", *map(_percent, shares)]


def _leaked(users: int, policy: Policy, seed: int, repetition: int, gain: float) -> bool:
    test, before = Night(users, seed, repetition, 3), Night(users, seed, repetition, 4)
    own = 0.15
    models = [
        test.model(name, test.ranks(on_test, shared), validation=_ndcg(before.ranks(ndcg, shared)))
        for name, ndcg, on_test, shared in (
            ("candidate", own, own * gain, NETWORK),
            ("markov", 0.13, 0.13, BASELINE),
            ("popularity", 0.08, 0.08, BASELINE),
        )
    ]
    return any("too good" in r for r in decide(models[0], None, models[1:], policy).reasons)


def few_users(pairs: int, policy: Policy, seed: int) -> Iterator[list[str]]:
    """A candidate beside one baseline: how often it beats it with its interval, at any number of users."""
    yield [
        "Test users", "Level, NDCG 0.05", "Level, 0.2", "Level, 0.4", "Half as good again", "Twice as good",
        f"Level, with {NIGHTS} nights", f"Half as good again, with {NIGHTS} nights",
    ]  # fmt: skip
    asked = replace(policy, min_users=2)
    for users in FEW:
        shares = [
            np.mean([_beats(users, asked, seed, i, low, better, nights) for i in range(4 * pairs)])
            for low, better, nights in (
                (0.05, 1.0, 0), (0.2, 1.0, 0), (0.4, 1.0, 0), (0.2, 1.5, 0), (0.2, 2.0, 0),
                (0.2, 1.0, NIGHTS), (0.2, 1.5, NIGHTS),
            )
        ]  # fmt: skip
        yield [f"{users:,}", *map(_percent, shares)]


def _beats(
    users: int, policy: Policy, seed: int, repetition: int, low: float, better: float, nights: int
) -> bool:
    night = Night(users, seed, repetition, nights)
    found = []
    for name, ndcg, shared in (("candidate", low * better, NETWORK), ("baseline", low, BASELINE)):
        earlier = None
        if nights:
            ranks = np.concatenate([night.ranks(ndcg, shared) for _ in range(nights)])
            plays, people = np.arange(len(ranks)), np.tile(night.ids, nights)
            earlier = Evidence(name, ranks, plays, people=people)
        found.append(night.model(name, night.ranks(ndcg, shared), earlier=earlier))
    estimate = compare(found[0], found[1], policy, "baseline")
    return isinstance(estimate, Estimate) and estimate.low > 0


def _ndcg(ranks: NDArray[np.int32]) -> float:
    return float(np.where(ranks <= 10, 1 / np.log2(1.0 + ranks), 0.0).mean())


def _percent(share: float) -> str:
    return f"{share:.1%}"
