"""The champion's margin, and the anchor that keeps many nights' margins from adding up."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from models.evaluation.gate import Evidence, Policy, anchor_yields, choose, decide
from tests.support.evidence import Night, told

POLICY = Policy(resamples=500)
USERS = 10_000


def one_night(seed: int, new: float, old: float, best: float, users: int = USERS) -> bool:
    night = Night(users, seed, shared=0.972)
    candidate, champion = night.model("sasrec", new), night.model("gru4rec", old, age_days=3.0)
    anchor = night.model("gru4rec", best, bundle_hash="anchor")
    return choose([candidate], champion, [night.model("markov", 0.1)], POLICY, anchor=anchor).promote


def after_sixty_nights(promotes: Callable[[int, float, float, float], bool]) -> float:
    """What is left of a champion of 0.19 where each night's newcomer is half a percent worse."""
    champion = 0.19
    for day in range(1, 61):
        newer = 0.19 * 0.995**day
        if promotes(day, newer, champion, 0.19):
            champion = newer
    return champion


def test_sixty_nights_of_slightly_worse_candidates_cost_little() -> None:
    assert after_sixty_nights(one_night) > 0.19 * 0.95


def test_equal_candidates_are_mostly_promoted_beside_an_anchor_and_better_ones_always() -> None:
    assert np.mean([one_night(seed, 0.19, 0.19, 0.19) for seed in range(20)]) >= 0.7
    assert all(one_night(100 + seed, 0.209, 0.19, 0.19) for seed in range(6))


def test_the_anchor_is_a_hurdle_with_a_margin_of_its_own() -> None:
    night = Night(USERS, 5)
    anchor = night.model("gru4rec", 0.24, bundle_hash="anchor")
    champion, markov = night.model("gru4rec", 0.19, age_days=400.0), night.model("markov", 0.1)
    candidate = night.model("sasrec", 0.19)
    assert decide(candidate, champion, [markov], POLICY).promote
    verdict = decide(candidate, champion, [markov], POLICY, anchor=anchor)
    assert not verdict.promote
    assert verdict.reasons[0].startswith("sasrec may be inferior to the anchor gru4rec, the best champion of")
    (estimate,) = [e for e in verdict.estimates if e.role == "anchor"]
    assert estimate.margin <= POLICY.margin_ceiling * estimate.other_value  # however old the champion is
    broken = decide(candidate, champion, [markov], POLICY, anchor=Evidence.broken("gru4rec", "gone"))
    assert broken.promote and "The anchor gru4rec could not be evaluated" in told(broken)


def test_the_anchor_is_asked_once_where_it_is_the_champion_itself() -> None:
    night = Night(USERS, 6)
    champion = night.model("gru4rec", 0.19, age_days=3.0)
    verdict = decide(
        night.model("sasrec", 0.19), champion, [night.model("markov", 0.1)], POLICY, anchor=champion
    )
    assert verdict.promote and "anchor" not in told(verdict)


def test_the_anchor_keeps_nobody_out_who_is_better_than_what_serves() -> None:
    night = Night(USERS, 7)
    anchor = night.model("gru4rec", 0.30, bundle_hash="anchor")
    low, markov = night.model("gru4rec", 0.12, age_days=3.0), night.model("markov", 0.14)
    verdict = decide(night.model("sasrec", 0.2), low, [markov], POLICY, anchor=anchor)
    assert verdict.promote and "That does not keep it out" in verdict.reasons[-1] + told(verdict)
    assert "the champion before, gru4rec" in verdict.why and "0.3" not in verdict.why.split("against")[0]
    broken = Evidence.broken("gru4rec", "gone")
    assert decide(night.model("sasrec", 0.2), broken, [markov], POLICY, anchor=anchor).promote


def test_a_stale_champion_has_a_cap_too() -> None:
    """With 60 users and few hits the detectable difference exceeds the champion's whole metric."""
    night = Night(60, 8)
    champion = night.model("gru4rec", 0.1, age_days=400.0)
    verdict = decide(night.model("sasrec", 0.02), champion, [night.model("markov", 0.001)], POLICY)
    (estimate,) = [e for e in verdict.estimates if e.role == "champion"]
    assert estimate.detectable_difference > 0.15 * estimate.other_value
    assert estimate.margin == pytest.approx(0.15 * estimate.other_value)


# -- which model is the anchor -----------------------------------------------------------------------------


def test_the_anchor_yields_to_what_beats_it_and_after_its_days_to_what_is_as_good() -> None:
    night = Night(USERS, 9)
    anchor = night.model("old", 0.19)
    better, level = night.model("better", 0.22), replace(anchor, name="level")
    worse = night.model("worse", 0.17)
    assert anchor_yields(better, None, 0, POLICY)
    assert anchor_yields(worse, Evidence.broken("old", "gone"), 0, POLICY)
    assert anchor_yields(better, anchor, 0, POLICY)
    assert not anchor_yields(level, anchor, 30, POLICY) and anchor_yields(level, anchor, 31, POLICY)
    assert not anchor_yields(worse, anchor, 31, POLICY)  # it shows how far champions have fallen


def baseline_night(seed: int, new: float, old: float, best: float) -> bool:
    """Whether a newer Markov chain takes the place of one, on a night without a candidate."""
    night = Night(USERS, seed, shared=0.972)
    champion = night.model("markov", old, bundle_hash="old", age_days=3.0)
    anchor = night.model("markov", best, bundle_hash="anchor")
    newer = night.model("markov", new, bundle_hash="new", validation=0.2)
    return choose([], champion, [newer], POLICY, anchor=anchor).promote


def test_sixty_nights_of_slightly_worse_baselines_cost_little() -> None:
    assert after_sixty_nights(baseline_night) > 0.19 * 0.95


def test_equal_baselines_are_renewed_beside_an_anchor_and_any_beside_a_network() -> None:
    assert np.mean([baseline_night(seed, 0.19, 0.19, 0.19) for seed in range(20)]) >= 0.7
    night = Night(USERS, 7)
    champion = night.model("markov", 0.19, bundle_hash="old", age_days=3.0)
    newer = replace(champion, bundle_hash="new", validation=0.2)
    network = night.model("sasrec", 0.25, bundle_hash="anchor")
    assert choose([], champion, [newer], POLICY, anchor=network).promote
    kept = choose([], champion, [newer], POLICY, anchor=night.model("markov", 0.25, bundle_hash="anchor"))
    assert not kept.promote and "may be inferior to the anchor markov" in told(kept)
