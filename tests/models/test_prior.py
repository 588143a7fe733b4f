"""Recent popularity that moves is what counting everything anew would give."""

from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from models.baselines import RecentPopularity
from models.baselines.base import Facts
from models.data import Sequences
from models.prior import PRIOR, Prior

N_ITEMS, DAY_MS, NOW = 9, 86_400_000, 1_700_000_000_000


def test_moved_shares_are_those_of_counting_all_plays_with_the_same_half_life(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    items, times = rng.integers(1, N_ITEMS + 1, 60), NOW + np.sort(rng.integers(0, 30 * DAY_MS, 60))
    learned = 40
    facts = Facts(times=times[:learned], exclude_seen=False)
    train = Sequences.from_lists([items[:learned].tolist()], N_ITEMS)
    before = RecentPopularity.fit(train, None, facts)
    half_life = before.half_life * np.ptp(times[:learned])
    plays = (0.5 ** ((times[learned - 1] - times[:learned]) / half_life)).sum()
    moved = Prior(int(times[learned - 1]), half_life, plays).moved(
        before.share, items[learned:], times[learned:]
    )
    weights = 0.5 ** ((times[-1] - times) / half_life)
    expected = np.bincount(items, weights, minlength=N_ITEMS + 1)
    assert moved.dtype == np.float32
    np.testing.assert_allclose(moved, expected / expected.sum(), rtol=1e-5, atol=1e-7)
    dated = RecentPopularity.fit(train, None, replace(facts, units_a_second=1000))
    assert dated.prior == Prior(int(times[learned - 1]), half_life, round(plays, 3))
    with pytest.raises(ValueError, match="no clock"):
        before.moved(items[learned:], times[learned:])
    dated.save(tmp_path)
    again = RecentPopularity.load(tmp_path).moved(items[learned:], times[learned:]).share
    np.testing.assert_allclose(again, moved, rtol=1e-4, atol=1e-6)  # the plays are rounded


def test_without_later_plays_and_long_after_the_shares_make_sense() -> None:
    share = np.array([0, 0.75, 0.25], np.float32)
    prior = Prior(NOW, DAY_MS, 8.0)
    none = np.empty(0, np.int64)
    np.testing.assert_allclose(prior.moved(share, none, none), share)
    late = prior.moved(
        share, np.array([2]), np.array([NOW + 5_000 * DAY_MS])
    )  # what was learned is long gone
    np.testing.assert_allclose(late, [0, 0, 1])


@pytest.mark.parametrize("broken", [{"plays": 0.0}, {"half_life_ms": -1.0}, {"newest_ms": 0}, {"other": 1}])
def test_a_broken_prior_is_refused(broken: dict[str, float]) -> None:
    sound = asdict(Prior(NOW, 1.0, 1.0))
    assert Prior.of({PRIOR: sound}) == Prior(NOW, 1.0, 1.0) and Prior.of({}) is None
    with pytest.raises(ValueError, match="its prior"):
        Prior.of({PRIOR: sound | broken})
