"""Where users have several test plays: intervals, p values and rules of the gate take them as clusters."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from models.evaluation.cohorts import apart, cohorts, days_since, figures
from models.evaluation.evidence import Evidence, Policy
from models.evaluation.metrics import MISSED
from models.evaluation.rules.collapse import collapses
from models.evaluation.rules.finding import Finding, compare
from models.evaluation.rules.finding import figures as told
from models.evaluation.rules.leak import usual_gain
from models.evaluation.slices import Slice, paired_p
from models.evaluation.slices import compare as compare_slices
from models.evaluation.stats import bootstrap_interval

RNG = np.random.default_rng(5)
PEOPLE = np.repeat(np.arange(60), RNG.integers(1, 9, size=60))  # [plays]
VALUES = RNG.normal(size=60)[PEOPLE] + 0.1 * RNG.normal(size=len(PEOPLE))  # plays of one user are alike
PLAYS = np.arange(len(PEOPLE))
POLICY = Policy(resamples=400)


def evidence(name: str, ranks: np.ndarray, **values: object) -> Evidence:
    return Evidence(name, ranks, PLAYS, people=PEOPLE, **values)  # type: ignore[arg-type]


def test_an_interval_over_users_agrees_with_drawing_them_one_by_one() -> None:
    rng = np.random.default_rng(1)
    plays_of = [np.flatnonzero(person == PEOPLE) for person in range(60)]
    means = []
    for _ in range(4_000):
        drawn = np.concatenate([plays_of[person] for person in rng.integers(0, 60, size=60)])
        means.append(VALUES[drawn].mean())
    naive = np.quantile(means, [0.025, 0.975])
    found = bootstrap_interval(VALUES, seed=2, resamples=4_000, people=PEOPLE)
    assert np.allclose(found, naive, atol=0.03)
    low, high = bootstrap_interval(VALUES, seed=2)
    assert (found[1] - found[0]) > 1.5 * (high - low), "plays of one user are no users of their own"


def test_p_over_users_is_that_of_students_test_where_each_has_one_play() -> None:
    values = VALUES[:50]
    expected = stats.ttest_1samp(values, 0).pvalue
    assert paired_p(values) == pytest.approx(expected)
    assert paired_p(values, np.arange(50)) == pytest.approx(expected)
    assert paired_p(np.repeat(values, 3), np.repeat(np.arange(50), 3)) == pytest.approx(expected)
    assert paired_p(np.repeat(values, 3)) < expected


def test_a_comparison_of_several_plays_counts_users() -> None:
    result = compare_slices(VALUES, np.zeros(len(VALUES)), seed=1, people=PEOPLE)
    assert (result.users, result.plays) == (60, len(PEOPLE))
    assert result.low < result.difference < result.high
    one = compare_slices(VALUES[:3], np.zeros(3), seed=1, people=np.zeros(3))
    assert np.isnan(one.low) and one.p == 1


def test_the_gate_compares_plays_and_draws_users() -> None:
    own = np.where(VALUES > 0, 1, 50).astype(np.int32)
    estimate = compare(evidence("new", own), evidence("old", np.full(len(PLAYS), 50)), POLICY, "baseline")
    assert not isinstance(estimate, str)
    assert (estimate.users, estimate.plays) == (60, len(PEOPLE))
    assert f"on {len(PEOPLE):,} plays of 60 users, a difference" in told(estimate, POLICY)
    apart_ = compare(
        replace(evidence("new", own), people=None),
        replace(evidence("old", np.full(len(PLAYS), 50)), people=None),
        POLICY,
        "baseline",
    )
    assert not isinstance(apart_, str)
    assert estimate.difference == apart_.difference
    assert estimate.high - estimate.low > 1.3 * (apart_.high - apart_.low)
    assert estimate.detectable_difference > 1.3 * apart_.detectable_difference


def test_few_users_are_too_few_however_much_they_play() -> None:
    people = PLAYS % 15
    own, other = (replace(evidence(n, np.ones(len(PLAYS), np.int32)), people=people) for n in ("a", "b"))
    assert "15 test users are too few" in str(compare(own, other, POLICY, "baseline"))


def test_a_leak_is_weighed_by_users() -> None:
    ranks = np.where(VALUES > 0, 1, 50).astype(np.int32)
    clustered, _ = usual_gain([evidence("markov", ranks, validation=0.2)], POLICY)
    alone, _ = usual_gain([replace(evidence("markov", ranks, validation=0.2), people=None)], POLICY)
    assert clustered > alone


def test_what_one_user_loses_many_times_is_one_users_loss() -> None:
    """Six of sixty users lose all their surest hits, and have most of the plays."""
    people = np.concatenate([np.arange(54), np.repeat(np.arange(54, 60), 20)])
    before = np.ones(len(people), np.int32)
    after = np.where(people >= 54, MISSED, 1).astype(np.int32)
    plays = np.arange(len(people))
    group = [Slice("kind", "some", people >= 54)]
    own = Evidence("new", after, plays, people=people, groups=group)
    reference = Evidence("old", before, plays, people=people)

    def against(found: list[Finding]) -> list[str]:
        return [finding.reason for finding in found if not finding.passed]

    strict = replace(POLICY, max_lost_hits=0.6)
    assert against(collapses(own, reference, None, strict)) == []
    each = (replace(own, people=None), replace(reference, people=None))
    assert "gives up 120 of the 174 users" in " ".join(against(collapses(*each, None, strict)))
    assert "120 of the 174 plays whose item" in " ".join(against(collapses(own, reference, None, POLICY)))


days = st.lists(st.integers(0, 60), min_size=1, max_size=40)


@given(days, st.data())
@settings(deadline=None, max_examples=50)
def test_each_play_is_in_one_cohort_of_each_kind(since: list[int], data: st.DataObject) -> None:
    n = len(since)
    counts = st.lists(st.integers(0, 2), min_size=n, max_size=n)
    trained, played = (np.array(data.draw(counts)) for _ in range(2))
    found = cohorts(trained, played, np.array(since))
    for kind in {cohort.kind for cohort in found}:
        assert np.sum([cohort.users for cohort in found if cohort.kind == kind], axis=0).tolist() == [1] * n
    assert all(cohort.users.any() for cohort in found)


def test_cohorts_of_five_plays_by_hand() -> None:
    found = cohorts(np.array([2, 0, 0, 1, 1]), np.array([0, 3, 3, 3, 0]), np.array([0, 1, 2, 30, 31]))
    assert {(c.kind, c.label): np.flatnonzero(c.users).tolist() for c in found} == {
        ("user", "known from training"): [0, 3, 4],
        ("user", "new"): [1, 2],
        ("item", "known from training"): [1, 2, 3],
        ("item", "new"): [0, 4],
        ("days since the cut", "0 to 1"): [0, 1],
        ("days since the cut", "2 to 7"): [2],
        ("days since the cut", "8 to 30"): [3],
        ("days since the cut", "more than 30"): [4],
    }
    rows = {c.label: of for c, of in apart(np.array([1, MISSED, 1, 1, 1]), np.arange(5), found[:2])}
    assert (rows["new"].plays, rows["new"].users, rows["new"].ndcg) == (2, 2, 0.5)
    alone = figures(np.array([1, MISSED]), np.array([7, 7]))
    assert (alone.plays, alone.users, alone.ndcg) == (2, 1, 0.5) and np.isnan(alone.low)


def test_days_are_whole_ones_in_any_unit() -> None:
    assert days_since(100, np.array([100, 100 + 86_399, 100 + 86_400]), 1.0).tolist() == [0, 0, 1]
    assert days_since(0, np.array([86_400 * 10**6]), 1e6).tolist() == [1]
