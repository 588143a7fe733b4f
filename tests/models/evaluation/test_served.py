"""Places in lists, and intervals over users and cuts."""

import numpy as np
import pytest

from models.evaluation.metrics import MISSED
from models.evaluation.served import estimate, places
from models.evaluation.stats import bootstrap_interval


def test_a_place_is_that_in_the_list_and_a_list_may_be_short() -> None:
    lists = np.array([["a", "b", "c"], ["a", "", ""], ["c", "b", "a"]])
    assert places(lists, np.array(["b", "b", "a"])).tolist() == [2, MISSED, 3]
    assert places(lists, np.array(["longer than any", "a", "c"])).tolist() == [MISSED, 1, 1]


def test_the_estimate_of_one_cut_is_the_bootstrap_of_its_users() -> None:
    values = np.random.default_rng(0).random(500)
    found = estimate([values], [np.arange(500).astype(np.str_)])
    assert found.value == pytest.approx(values.mean())
    assert (found.low, found.high) == bootstrap_interval(values, seed=0)


def test_cuts_that_differ_widen_the_interval_and_so_do_users_who_come_again() -> None:
    rng = np.random.default_rng(1)
    users = [np.array([f"{c}-{n}" for n in range(300)]) for c in range(4)]
    alike = [rng.random(300) for _ in range(4)]
    apart = [values * 0.1 + n * 0.2 for n, values in enumerate(alike)]
    again = [np.arange(300).astype(np.str_)] * 4
    same = [alike[0]] * 4

    def width(values: list[np.ndarray], of: list[np.ndarray]) -> float:
        found = estimate(values, of)
        assert found.low <= found.value <= found.high
        return found.high - found.low

    pooled = bootstrap_interval(np.concatenate(alike), seed=0)
    assert width(alike, users) > pooled[1] - pooled[0]
    assert width(apart, users) > 3 * width(alike, users)
    assert width(same, again) > 1.5 * (pooled[1] - pooled[0])
