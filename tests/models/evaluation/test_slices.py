"""Slices, paired comparisons and Holm's correction, by hand-computed examples and SciPy."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import ttest_rel

from models.data import Sequences
from models.evaluation.slices import (
    compare,
    duration,
    history_slices,
    holm,
    paired_p,
    popularity_slices,
    recency_slices,
    transition_slices,
    user_slices,
)


def members(slices) -> dict[str, list[int]]:
    return {s.label: np.flatnonzero(s.users).tolist() for s in slices}


def test_users_by_the_length_of_their_history() -> None:
    assert members(history_slices(np.array([2, 9, 3, 4, 4, 30, 5, 8]))) == {
        "2 to 3 items": [0, 2],
        "4 items": [3, 4],
        "5 to 8 items": [6, 7],
        "9 to 30 items": [1, 5],
    }
    assert members(history_slices(np.array([4, 4, 4]))) == {"4 items": [0, 1, 2]}


@given(st.lists(st.integers(1, 50), min_size=1, max_size=60))
def test_every_user_is_in_exactly_one_slice_of_history_length(lengths: list[int]) -> None:
    total = sum(s.users.astype(int) for s in history_slices(np.array(lengths)))
    assert np.all(total == 1)


def test_users_by_the_time_since_their_play_before() -> None:
    gaps = np.array([60, 3_600 * 5, 86_400 * 3, 86_400 * 3, 86_400 * 900, 60, 3_600 * 5, 86_400 * 4])
    assert members(recency_slices(gaps, 1.0)) == {
        "up to 60 seconds": [0, 5],
        "60 seconds to 5 hours": [1, 6],
        "5 hours to 3 days": [2, 3],
        "more than 3 days": [4, 7],
    }
    in_microseconds = members(recency_slices(gaps * 10**6, 1e6))
    assert in_microseconds == members(recency_slices(gaps, 1.0))
    assert list(members(recency_slices(np.array([1, 9]), None))) == ["up to 1", "more than 1"]
    assert recency_slices(np.full(9, 5), 1.0) == []


@given(st.lists(st.integers(-10, 50), min_size=1, max_size=60))
def test_every_user_is_in_exactly_one_slice_of_recency_if_there_are_any(gaps: list[int]) -> None:
    slices = recency_slices(np.array(gaps), None)
    assert np.all(sum(s.users.astype(int) for s in slices) == 1) or not slices
    assert all(s.users.any() for s in slices)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 seconds"), (1, "1 second"), (119, "119 seconds"), (120, "2 minutes"), (7_199, "120 minutes"),
     (7_200, "2 hours"), (172_800, "2 days"), (31_557_600, "365 days"), (3 * 31_557_600, "3 years")],
)  # fmt: skip
def test_a_duration_is_told_in_its_largest_unit(seconds: int, words: str) -> None:
    assert duration(seconds, 1.0) == words == duration(seconds * 1000, 1e3)


def test_users_by_the_popularity_of_the_next_item() -> None:
    counts = np.array([0, 1, 6, 2, 3, 0])  # of 12: item 2 alone is half, items 4 and 3 the middle, 1 the rest
    assert members(popularity_slices(np.array([2, 1, 4, 3, 5, 2]), counts)) == {
        "most popular (1 item)": [0, 5],
        "in the middle (1 item)": [2],
        "rarely played (2 items)": [1, 3],
        "never seen in training (1 item)": [4],
    }


def test_a_slice_of_unseen_items_is_there_only_with_users() -> None:
    labels = members(popularity_slices(np.array([1, 2]), np.array([0, 5, 5, 0])))
    assert not any(label.startswith("never seen") for label in labels)


def test_users_by_whether_the_step_was_taken_in_training() -> None:
    train = Sequences.from_lists([[1, 2, 3], [], [3, 1]], 3)  # steps 1-2, 2-3, 3-1
    assert members(transition_slices(train, np.array([1, 2, 3, 3]), np.array([2, 1, 1, 3]))) == {
        "taken in training too": [0, 2],
        "new": [1, 3],
    }


def test_users_by_whether_training_knows_them() -> None:
    assert members(user_slices(np.array([3, 0, 1]))) == {"known from training": [0, 2], "new": [1]}
    assert user_slices(np.array([3, 1])) == []


def test_a_comparison_by_hand() -> None:
    found = compare(np.array([1.0, 0.5, 0.0, 0.5]), np.array([0.0, 0.5, 0.0, 0.5]), seed=0)
    assert (found.users, found.own, found.other, found.difference) == (4, 0.5, 0.25, 0.25)
    assert 0 <= found.low < 0.25 < found.high <= 1
    assert found.p == pytest.approx(0.391, abs=5e-4)  # t = 0.25 / (0.5 / 2) = 1 with 3 degrees of freedom


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=3, max_size=30))
def test_p_is_that_of_the_paired_t_test(pairs: list[tuple[float, float]]) -> None:
    own, other = np.array(pairs).T
    differences = own - other
    if differences.std() < 1e-6:
        return
    assert paired_p(differences) == pytest.approx(ttest_rel(own, other).pvalue, rel=1e-6, abs=1e-12)


def test_comparisons_without_evidence_claim_nothing() -> None:
    assert compare(np.empty(0), np.empty(0), seed=0).p == 1.0
    one = compare(np.array([1.0]), np.array([0.0]), seed=0)
    assert one.p == 1.0 and np.isnan(one.low)
    assert paired_p(np.zeros(9)) == 1.0
    assert paired_p(np.ones(9)) == 0.0


def test_holm_by_hand() -> None:
    # Sorted: 0.01 * 4, 0.02 * 3 = 0.06, 0.03 * 2 = 0.06, 0.6 * 1.
    assert holm([0.03, 0.01, 0.6, 0.02]) == pytest.approx([0.06, 0.04, 0.6, 0.06])
    assert holm([0.04, 0.03]) == pytest.approx([0.06, 0.06])  # never below a smaller one's
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_holm_never_helps_and_keeps_the_order(p_values: list[float]) -> None:
    corrected = holm(p_values)
    assert all(p <= c <= 1 for p, c in zip(p_values, corrected, strict=True))
    order = np.argsort(p_values, kind="stable")
    assert np.all(np.diff(np.array(corrected)[order]) >= 0)
    assert min(corrected) == pytest.approx(min(1.0, len(p_values) * min(p_values)))
