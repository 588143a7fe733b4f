"""Plays of earlier nights beside tonight's, where a play a user says too little."""

from dataclasses import replace

import numpy as np
import pytest

from models.evaluation.evidence import Evidence, Policy
from models.evaluation.gate import decide
from models.evaluation.rules.finding import compare, paired
from models.evaluation.stats import bootstrap_interval, detectable_difference
from tests.support.evidence import Night, told

POLICY = Policy(resamples=1_000)


def pooled(seed: int, users: int, nights: int, qualities: dict[str, float]) -> dict[str, Evidence]:
    """Models with the plays of earlier nights by the same users, whose taste stays theirs."""
    night = Night(users, seed)
    plays = np.array([f"{u}/{n}" for n in range(nights) for u in night.ids])
    people = np.tile(night.ids, nights)
    found = {}
    for name, quality in qualities.items():
        ranks = np.concatenate([night.ranks(quality) for _ in range(nights)])
        earlier = Evidence(name, ranks, plays, people=people)
        found[name] = night.model(name, quality, earlier=earlier)
    return found


def test_few_users_promote_with_the_plays_of_earlier_nights() -> None:
    qualities = {"sasrec": 0.24, "markov": 0.19}
    alone, together = 0, 0
    for seed in range(20):
        tonight = pooled(seed, 60, 12, qualities)
        without = [Evidence(m.name, m.ranks, m.users, 0.5, None, 0.0, m.name) for m in tonight.values()]
        alone += decide(without[0], None, without[1:], POLICY).promote
        verdict = decide(tonight["sasrec"], None, [tonight["markov"]], POLICY)
        together += verdict.promote
        assert "on 780 plays of 60 users, earlier nights' included" in told(verdict)
    assert together >= 18 and alone <= 14


def test_a_level_candidate_gains_nothing_from_plays_of_the_same_people() -> None:
    promoted = 0
    for seed in range(200):
        tonight = pooled(seed, 60, 8, {"sasrec": 0.19, "markov": 0.19})
        estimate = compare(tonight["sasrec"], tonight["markov"], Policy(resamples=300), "baseline")
        assert not isinstance(estimate, str)
        promoted += estimate.low > 0
    assert promoted <= 14  # 5 % and chance


def test_good_nights_do_not_carry_one_that_went_wrong() -> None:
    before = pooled(3, 60, 12, {"sasrec": 0.3, "markov": 0.19})
    broken = replace(before["sasrec"], ranks=np.full(60, 5_000, dtype=np.int32))
    estimate = compare(broken, before["markov"], POLICY, "baseline")
    assert not isinstance(estimate, str) and estimate.pooled and estimate.low > 0, "for earlier nights' sake"
    verdict = decide(broken, None, [before["markov"]], POLICY)
    assert not verdict.promote
    assert "sasrec is below markov on tonight's plays, whatever earlier nights' say" in told(verdict)


def test_with_many_users_tonights_plays_are_enough() -> None:
    tonight = pooled(1, 1_000, 1, {"sasrec": 0.2, "markov": 0.1})
    assert len(paired(tonight["sasrec"], tonight["markov"], POLICY).own) == 1_000


def test_people_are_drawn_with_all_their_plays() -> None:
    """Ten copies of a person's play tell no more than one."""
    values = np.random.default_rng(1).normal(size=300)
    copies, people = np.repeat(values, 10), np.repeat(np.arange(300), 10)
    once = bootstrap_interval(values, resamples=4_000, seed=2)
    often = bootstrap_interval(copies, resamples=4_000, seed=2, people=people)
    assert often == pytest.approx(once, abs=0.02)
    naive = bootstrap_interval(copies, resamples=4_000, seed=2)
    assert naive[1] - naive[0] < 0.5 * (often[1] - often[0])
    assert detectable_difference(copies, power=0.9, people=people) == pytest.approx(
        detectable_difference(values, power=0.9), rel=1e-6
    )
