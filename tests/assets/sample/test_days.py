"""The sample's process over days: what shifts, what stays, and that the stated chances are the true ones."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.sample.days import NEW_SHARE, Day, play_days, shifted
from assets.sample.process import SampleProcess

SEED, SHIFT = 20181114, 6
TINY = SampleProcess.from_seed("tiny", SEED)
BEFORE, AFTER = shifted(TINY, SEED)


@pytest.fixture(scope="module")
def days() -> list[Day]:
    return list(play_days(BEFORE, AFTER, -20, 25, SHIFT, SEED))


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**31))
def test_the_shift_brings_new_popular_games_and_other_tastes(seed: int) -> None:
    before, after = shifted(TINY, seed)
    new = before.weights == 0
    assert new.sum() == round(NEW_SHARE * TINY.n_games)
    np.testing.assert_array_equal(np.sort(after.weights), np.sort(TINY.weights))
    assert 0.2 < after.weights[new].sum() / after.weights.sum() < 0.45
    old = np.flatnonzero(~new)
    popular_first = np.argsort(-before.weights[old], kind="stable")
    assert np.all(np.diff(after.weights[old][popular_first]) <= 0), "old games keep their order"
    assert not np.array_equal(before.tastes, after.tastes)
    np.testing.assert_array_equal(before.after_earlier, after.after_earlier)


def test_nobody_plays_a_game_before_it_appears_nor_twice(days: list[Day]) -> None:
    new = BEFORE.weights == 0
    for day in days:
        assert len(set(day.players.tolist())) == len(day.players)
        assert not any(game in history for game, history in zip(day.games, day.histories, strict=True))
        share = new[day.games].mean()
        assert share == 0 if day.number < SHIFT else share > 0.1


def test_a_history_is_what_the_days_before_brought(days: list[Day]) -> None:
    played: dict[int, list[int]] = {}
    for day in days:
        for player, game, history in zip(
            day.players.tolist(), day.games.tolist(), day.histories, strict=True
        ):
            assert history.tolist() == played.setdefault(player, [])
            played[player].append(game)


def test_about_as_many_players_are_there_as_the_size_says(days: list[Day]) -> None:
    plays = np.array([len(day.games) for day in days])
    assert 0.65 < plays.mean() / TINY.size.players < 0.95
    assert plays.min() > 0.5 * TINY.size.players


def test_until_the_shift_the_chances_are_those_of_the_process(days: list[Day]) -> None:
    day = days[SHIFT + 20 - 1]
    assert day.number == SHIFT - 1
    np.testing.assert_allclose(day.chances, BEFORE.next_distributions(day.histories), rtol=1e-9)


def test_the_chances_are_calibrated_on_either_side(days: list[Day]) -> None:
    for part in (days[:26], days[26:]):
        chances = np.concatenate([day.chances for day in part])
        games = np.concatenate([day.games for day in part])
        np.testing.assert_allclose(chances.sum(axis=1), 1)
        for rank in range(5):
            predicted = np.sort(chances, axis=1)[:, -1 - rank]
            hits = chances[np.arange(len(games)), games] == predicted
            error = np.sqrt((predicted * (1 - predicted)).sum())
            assert abs(hits.sum() - predicted.sum()) < 4 * error


def test_what_was_best_before_the_shift_is_worse_after_it(days: list[Day]) -> None:
    """The sum of the chances of what a ranking puts first: no ranking can have more than the optimum."""
    known = stale = 0.0
    for day in days[26:]:
        before = BEFORE.next_distributions(day.histories)
        known += np.sort(day.chances, axis=1)[:, -10:].sum()
        stale += np.take_along_axis(day.chances, np.argsort(before, axis=1)[:, -10:], axis=1).sum()
    assert stale < 0.9 * known


def test_the_same_seed_gives_the_same_days(days: list[Day]) -> None:
    again = list(play_days(BEFORE, AFTER, -20, 25, SHIFT, SEED))
    other = next(play_days(BEFORE, AFTER, -20, 25, SHIFT, SEED + 1))
    assert all(np.array_equal(a.games, b.games) for a, b in zip(days, again, strict=True))
    assert not np.array_equal(days[0].games, other.games)
