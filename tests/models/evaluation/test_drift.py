"""Divergence, what chance gives, rates and bins, against hand-computed values and known processes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.evaluation.drift import (
    MOST_PLAYED,
    compare,
    divergence,
    item_bins,
    length_bins,
    rate,
    score_bins,
    share_interval,
)

counts = st.lists(st.integers(0, 50), min_size=2, max_size=8).filter(any).map(np.array)


def test_the_divergence_by_hand() -> None:
    """p = (1, 0), q = (1/2, 1/2): m = (3/4, 1/4), so log2(4/3) / 2 + (log2(2/3) / 2 + log2(2) / 2) / 2."""
    wanted = np.log2(4 / 3) / 2 + (np.log2(2 / 3) + 1) / 4
    assert divergence(np.array([1, 0]), np.array([5, 5])) == pytest.approx(wanted)
    assert divergence(np.array([1, 0]), np.array([0, 9])) == pytest.approx(1.0)
    assert divergence(np.array([2, 6]), np.array([1, 3])) == pytest.approx(0.0)


@given(counts, st.data())
def test_the_divergence_is_symmetric_and_between_0_and_1(p: np.ndarray, data: st.DataObject) -> None:
    q = data.draw(st.lists(st.integers(0, 50), min_size=len(p), max_size=len(p)).filter(any).map(np.array))
    assert divergence(p, q) == pytest.approx(divergence(q, p), abs=1e-9)
    assert -1e-9 <= divergence(p, q) <= 1 + 1e-9


def test_a_day_of_the_same_process_is_no_drift_and_one_of_another_is() -> None:
    rng = np.random.default_rng(1)
    training = rng.multinomial(100_000, p := rng.dirichlet(np.ones(300)))
    alarms = [compare("x", training, rng.multinomial(500, p), 0.0, seed=i).drifted for i in range(40)]
    assert 0 < sum(alarms) < 8, "about 1 in 20, by the 95 % of chance"
    moved = np.roll(p, 7)
    assert all(compare("x", training, rng.multinomial(500, moved), 0.0, seed=i).drifted for i in range(5))


def test_a_shift_below_the_bound_is_none_however_sure_it_is() -> None:
    training, today = np.array([500_000, 500_000]), np.array([510_000, 490_000])
    shift = compare("x", training, today, bound=0.05)
    assert shift.chance < shift.value < 0.05 and not shift.drifted
    assert compare("x", training, today, bound=0.0).drifted


def test_histograms_that_do_not_fit_are_refused() -> None:
    for training, today in ([[1, 2], [1]], [[0, 0], [1, 1]], [[1, 1], [0, 0]]):
        with pytest.raises(ValueError, match="two histograms"):
            compare("x", np.array(training), np.array(today), 0.0)


def test_a_rate_drifts_when_its_interval_lies_above_the_bound() -> None:
    low, high = share_interval(8, 10)
    assert (round(low, 4), round(high, 4)) == (0.4902, 0.9433)  # Wilson's formula by hand
    assert not rate("unknown", 3, 20, bound=0.1).drifted
    assert rate("unknown", 300, 2_000, bound=0.1).drifted


def test_items_are_binned_by_how_often_they_were_played() -> None:
    assert item_bins(np.array([0, 5, 9, 0, 7])).tolist() == [0, 3, 1, 0, 2]
    many = item_bins(np.append(0, np.arange(1, 1_001)))
    assert many[1_000] == 1 and many[1] == MOST_PLAYED + 1 and many.max() == MOST_PLAYED + 1


def test_lengths_double_from_bin_to_bin_and_scores_are_cut_at_deciles() -> None:
    assert length_bins(np.array([0, 1, 2, 3, 6, 7, 14, 15])).tolist() == [0, 1, 1, 2, 2, 3, 3, 4]
    training = np.arange(100.0)
    assert np.bincount(score_bins(training, training)).tolist() == [10] * 10
    assert score_bins(np.array([-5.0, 500.0]), training).tolist() == [0, 9]
    assert set(score_bins(np.array([1.0, 2.0]), np.ones(10)).tolist()) == {1}
