"""Gini, novelty and overlap by hand-computed examples."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from models.evaluation.exposure import gini, novelty, overlap


def test_gini_by_hand() -> None:
    assert gini(np.array([[1, 2], [3, 4]]), 4) == pytest.approx(0)
    assert gini(np.array([[1], [1], [1]]), 4) == pytest.approx(0.75)  # all on one of four: (n - 1) / n
    assert gini(np.array([[1, 2], [1, 0]]), 2) == pytest.approx(1 / 6)  # counts 1 and 2: (-1 + 2) / (2 * 3)
    assert np.isnan(gini(np.array([[0, 0]]), 2))


@given(arrays(np.int64, (5, 3), elements=st.integers(1, 6)))
def test_gini_is_half_the_relative_mean_difference(items) -> None:
    counts = np.bincount(items.ravel(), minlength=7)[1:]
    expected = np.abs(counts[:, None] - counts[None, :]).mean() / (2 * counts.mean())
    assert gini(items, 6) == pytest.approx(expected)


def test_novelty_by_hand() -> None:
    counts = np.array([0, 7, 3, 3])  # with 1 added: shares 1/2, 1/4, 1/4
    assert novelty(np.array([[1, 1]]), counts) == pytest.approx(1)
    assert novelty(np.array([[1, 2], [3, 0]]), counts) == pytest.approx((1 + 2 + 2) / 3)
    assert np.isfinite(novelty(np.array([[3]]), np.array([0, 7, 3, 0])))
    assert np.isnan(novelty(np.array([[0]]), counts))


def test_overlap_by_hand() -> None:
    own = np.array([[1, 2, 3, 4], [5, 6, 0, 0], [0, 0, 0, 0]])
    others = np.array([[4, 3, 9, 8], [7, 5, 1, 0], [1, 2, 3, 4]])
    assert overlap(own, others) == pytest.approx((2 / 4 + 1 / 2) / 2)
    assert overlap(own, own) == 1.0
    assert np.isnan(overlap(own[2:], others[2:]))
