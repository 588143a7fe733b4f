"""Recent popularity and the next larger id: by hand, and where they do not apply."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.baselines import Facts, NextLargerId, NotApplicableError, RecentPopularity
from models.baselines.base import ndcg
from models.baselines.popularity import HALF_LIVES, OLDEST
from models.data import Holdout, Sequences

TRAIN = Sequences.from_lists([[1, 2], [1, 3]], 3)


def test_recent_popularity_by_hand() -> None:
    recent = RecentPopularity.fit(TRAIN, facts=Facts(times=np.array([100, 104, 102, 108])))
    assert recent.half_life == 1 / 2  # of 8: half a play for each 4 before the newest
    weights = np.array([0.25 + 0.5**1.5, 0.5, 1.0])
    assert recent.score([np.array([1])])[0, 1:] == pytest.approx(weights / weights.sum(), rel=1e-6)


@given(st.integers(-(10**15), 10**15), st.integers(1, 10**6))
def test_neither_the_unit_nor_the_start_of_time_matters(start: int, unit: int) -> None:
    times = np.array([0, 4, 2, 8])
    plain, moved = (RecentPopularity.fit(TRAIN, facts=Facts(times=t)) for t in (times, start + unit * times))
    np.testing.assert_allclose(moved.share, plain.share, rtol=1e-6)


def test_plays_of_one_time_are_popularity() -> None:
    recent = RecentPopularity.fit(TRAIN, facts=Facts(times=np.full(4, 7)))
    assert recent.share.tolist() == [0, 0.5, 0.25, 0.25]


@pytest.mark.parametrize("unit", [1, 86_400, 86_400_000_000])
def test_half_lives_reach_from_a_day_to_years_in_any_unit(unit: int) -> None:
    """Ten years of plays of which the last days alone tell what is played next."""
    days = np.arange(3650)
    items = np.where(days < 3645, 1 + days % 5, 6 + days % 2).astype(np.int32)
    train = Sequences(items, np.arange(0, 3651, 10), 7)
    validation = Holdout(np.arange(2), np.array([6, 7], np.int32), Sequences.from_lists([[1]] * 2, 7))
    chosen = RecentPopularity.fit(train, validation, Facts(times=unit * days, exclude_seen=False))
    assert chosen.half_life * 3650 < 10
    assert set(np.argsort(-chosen.share)[:2].tolist()) == {6, 7}


@given(st.sampled_from(HALF_LIVES), st.booleans())
def test_what_is_older_than_any_half_life_is_ordered_by_popularity(half_life: float, again: bool) -> None:
    """Also where the newest play of all is one again, which counts nothing."""
    train = Sequences.from_lists([[1, 2], [2, 3], [3, 3 if again else 4]], 4)
    facts = Facts(times=np.array([0, 0, 0, 1, 1, 10**15]))
    share = RecentPopularity._weigh(train, facts, half_life).share
    assert np.isfinite(share).all() and share.sum() == pytest.approx(1)
    assert share[2] == pytest.approx(2 * share[1], rel=1e-4) and share[1] > 0
    assert np.finfo(np.float32).tiny < 0.5**OLDEST


def test_the_half_life_is_the_best_on_validation() -> None:
    rng = np.random.default_rng(0)
    items = np.concatenate([rng.integers(1, 11, 900), rng.integers(11, 21, 100)])  # tastes move at the end
    train = Sequences.from_lists(items.reshape(100, 10).tolist(), 20)
    targets = rng.integers(11, 21, 60).astype(np.int32)
    validation = Holdout(np.arange(60), targets, Sequences.from_lists([[1]] * 60, 20))
    facts = Facts(times=np.arange(1000))
    chosen = RecentPopularity.fit(train, validation, facts)
    found = {h: ndcg(RecentPopularity._weigh(train, facts, h), validation) for h in HALF_LIVES}
    assert found[chosen.half_life] == max(found.values()) > found[1 / 2]
    assert chosen.config() == {"half_life": chosen.half_life}


def test_where_they_do_not_apply_they_say_why() -> None:
    with pytest.raises(NotApplicableError, match="no times"):
        RecentPopularity.fit(TRAIN)
    for facts in (Facts(), Facts(ids=["", "1", "2", "B03"])):
        with pytest.raises(NotApplicableError, match="no whole numbers"):
            NextLargerId.fit(TRAIN, facts=facts)


def test_times_that_are_not_those_of_the_plays_are_refused() -> None:
    with pytest.raises(ValueError, match="3 times for 4 interactions"):
        RecentPopularity.fit(TRAIN, facts=Facts(times=np.arange(3)))


def test_ids_are_numbers_and_not_texts() -> None:
    fitted = NextLargerId.fit(TRAIN, facts=Facts(ids=["", "9", "10", "100"]))
    assert np.argsort(-fitted.score([np.array([1])])[0]).tolist() == [2, 3, 1, 0]
