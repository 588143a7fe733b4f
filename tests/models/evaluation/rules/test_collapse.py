"""A candidate whose mean holds while some users are given up."""

from dataclasses import replace

import numpy as np
import pytest

from models.evaluation.gate import Policy, choose, decide
from models.evaluation.metrics import MISSED
from models.evaluation.rules.collapse import collapses
from models.evaluation.slices import Slice
from tests.support.evidence import Night, told

POLICY = Policy(resamples=500)


def given_up(seed: int, users: int = 4_000, worst: int = 5_000) -> tuple:
    """A fifth of the users falls to zero, and the others gain more than that: the mean is above."""
    night = Night(users, seed)
    fifth = night.rng.random(users) < 0.2
    ranks = np.where(fifth, worst, night.ranks(0.28)).astype(np.int32)
    champion, markov = night.model("gru4rec", 0.19, age_days=3.0), night.model("markov", 0.14)
    return night.model("sasrec", 0.0, ranks=ranks), champion, markov, fifth


@pytest.mark.parametrize("worst", [51, 500, 5_000, MISSED])
def test_a_fifth_of_the_users_cannot_be_given_up_for_the_others(worst: int) -> None:
    for seed in range(3):
        candidate, champion, markov, _ = given_up(seed, worst=worst)
        verdict = choose([candidate], champion, [markov], POLICY)
        assert verdict.winner == "gru4rec", told(verdict)
        assert verdict.reasons[0].startswith("sasrec gives up ")
        assert "whose next item gru4rec put among the first 3" in verdict.reasons[0]


def test_nor_where_there_is_no_champion_yet() -> None:
    """Beside markov such a network gains more than it loses: the other baseline knows better."""
    night = Night(4_000, 1)
    ranks = np.where(night.rng.random(4_000) < 0.2, 5_000, night.ranks(0.28)).astype(np.int32)
    candidate = night.model("sasrec", 0.0, ranks=ranks)
    baselines = [night.model("markov", 0.14), night.model("item_knn", 0.12)]
    verdict = choose([candidate], None, baselines, POLICY)
    assert verdict.winner == "markov"
    assert "markov put among the first 3 and item_knn among the first 10" in told(verdict)


@pytest.mark.parametrize("gain", [0.28, 0.4, 0.55])
def test_whatever_the_others_gain(gain: float) -> None:
    night = Night(4_000, 2)
    fifth, ranks = night.rng.random(4_000) < 0.2, night.ranks(gain)
    candidate = night.model("sasrec", 0.0, ranks=np.where(fifth, 999, ranks).astype(np.int32))
    champion, markov = night.model("gru4rec", 0.19, age_days=3.0), night.model("markov", 0.14)
    assert choose([candidate], champion, [markov], POLICY).winner == "gru4rec"
    whole = replace(candidate, ranks=ranks)
    assert choose([whole], champion, [markov], POLICY).winner == "sasrec"


def test_in_a_large_catalogue_gains_count_from_where_nobody_looks_as_losses_do() -> None:
    """Of 100,000 items the first thousand are looked at: what was on place 60 was not out of sight."""
    night = Night(4_000, 5)
    kind = np.arange(4_000) % 20
    before = np.where(kind < 5, 1, np.where(kind < 10, 60, 5_000)).astype(np.int32)
    ranks = np.where(kind < 1, 5_000, np.where(kind < 10, 1, 5_000)).astype(np.int32)
    champion = night.model("gru4rec", 0.0, ranks=before, n_items=100_000)
    candidate = night.model("sasrec", 0.0, ranks=ranks, n_items=100_000)
    told_of = [found.reason for found in collapses(candidate, champion, None, POLICY) if not found.passed]
    assert len(told_of) == 1 and "finds as surely only 0 that gru4rec ranked there" in told_of[0]


def test_a_group_that_collapses_is_named() -> None:
    """New users, whom the champion serves badly enough that few sure hits are lost."""
    night = Night(4_000, 4)
    new = night.rng.random(4_000) < 0.1
    groups = [Slice("user", "known from training", ~new), Slice("user", "new", new)]
    champion = night.model("gru4rec", 0.19, age_days=3.0)
    ranks = np.where(new, 40, night.ranks(0.24)).astype(np.int32)
    candidate = night.model("sasrec", 0.0, ranks=ranks, groups=groups)
    markov = night.model("markov", 0.12)
    assert decide(replace(candidate, groups=()), champion, [markov], POLICY).promote
    verdict = decide(candidate, champion, [markov], POLICY)
    assert not verdict.promote
    assert verdict.reasons[0].startswith("sasrec collapses for the users of “user: new”: NDCG@10 0.0000")
    assert "a loss of 100%" in verdict.reasons[0]
    sound = night.model("sasrec", 0.19, groups=groups)
    assert "On none of 2 groups of users does sasrec lose more than 50%" in told(
        decide(sound, champion, [markov], POLICY)
    )


def test_a_small_group_is_left_out() -> None:
    night = Night(4_000, 4)
    few = np.arange(4_000) < 60
    candidate = night.model("sasrec", 0.25, groups=[Slice("user", "new", few)])
    candidate.ranks[few] = 40
    verdict = decide(candidate, night.model("gru4rec", 0.19), [night.model("markov", 0.1)], POLICY)
    assert verdict.promote and "collapses" not in told(verdict)


@pytest.mark.parametrize(
    "shared", [pytest.param(0.97, marks=pytest.mark.slow), pytest.param(0.9, marks=pytest.mark.slow), 0.8]
)
def test_sound_candidates_are_not_called_collapsed(shared: float) -> None:
    """Also where they are as unlike as two models of different kinds: what each loses, it gains elsewhere."""
    alarms = 0
    for seed in range(30):
        night = Night(2_000, seed, shared)
        groups = [Slice("part", str(i), np.arange(2_000) % 5 == i) for i in range(5)]
        champion = night.model("gru4rec", 0.19, age_days=3.0)
        candidate = night.model("sasrec", 0.2, groups=groups)
        reasons = told(decide(candidate, champion, [night.model("markov", 0.1)], POLICY))
        alarms += "gives up" in reasons or "collapses" in reasons
    assert alarms <= 1
