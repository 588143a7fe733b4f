"""The sample's process: exact against enumeration, calibrated against simulation, and worth learning."""

from collections import Counter
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from assets.sample.process import SIZES, OptimumScorer, SampleProcess, SampleSize
from models.bundle.bundle import ItemTable

SEED = 20181114
MARKOV_STRENGTHS = (1, 3, 10, 30, 100, 300, 1000)


@pytest.fixture(scope="module")
def small() -> SampleProcess:
    """Five games in two groups, two tastes: small enough to work out by hand."""
    return SampleProcess(
        game_ids=["10", "20", "30", "40", "50"],
        groups=np.array([0, 1, 0, 1, 0]),
        weights=np.array([4.0, 3.0, 2.0, 1.0, 0.5]),
        after_last=np.array([[1.0, 2.0], [3.0, 1.0], [1.0, 1.0]]),
        after_earlier=np.array([[5.0, 1.0], [1.0, 4.0], [1.0, 1.0]]),
        tastes=np.array([[1.0, 6.0], [2.0, 1.0]]),
        taste_shares=np.array([0.25, 0.75]),
        size=SampleSize(10, 5, groups=2, tastes=2),
    )


@pytest.fixture(scope="module")
def default() -> SampleProcess:
    return SampleProcess.from_seed("default", SEED)


@pytest.fixture(scope="module")
def sequences(default: SampleProcess) -> list[NDArray[np.int64]]:
    rng = np.random.default_rng(1)
    return default.sample_users(rng, default.sample_lengths(rng, default.size.players))


def enumerated(process: SampleProcess, history: list[int]) -> NDArray[np.float64]:
    """The next game's distribution as P(history, next) / P(history), summed over the tastes, step by step."""

    def chance(games: list[int], taste: int) -> float:
        total, none = 1.0, process.n_groups
        for step, game in enumerate(games):
            last = process.groups[games[step - 1]] if step > 0 else none
            earlier = process.groups[games[step - 2]] if step > 1 else none
            odds = {
                g: process.weights[g]
                * process.after_last[last, process.groups[g]]
                * process.after_earlier[earlier, process.groups[g]]
                * process.tastes[taste, process.groups[g]]
                for g in range(process.n_games)
                if g not in games[:step]
            }
            total *= odds.get(game, 0.0) / sum(odds.values())
        return total

    joint = [
        sum(share * chance([*history, game], taste) for taste, share in enumerate(process.taste_shares))
        for game in range(process.n_games)
    ]
    return np.array(joint) / sum(joint)


def test_the_first_game_worked_out_by_hand(small: SampleProcess) -> None:
    # Group weights are 6.5 and 4. Taste 0 gives 6.5 + 24 = 30.5 in all, taste 1 gives 13 + 4 = 17.
    expected = [
        0.25 * 4 / 30.5 + 0.75 * 8 / 17,
        0.25 * 18 / 30.5 + 0.75 * 3 / 17,
        0.25 * 2 / 30.5 + 0.75 * 4 / 17,
        0.25 * 6 / 30.5 + 0.75 * 1 / 17,
        0.25 * 0.5 / 30.5 + 0.75 * 1 / 17,
    ]
    np.testing.assert_allclose(small.next_distribution([]), expected)


def test_every_short_history_agrees_with_enumeration(small: SampleProcess) -> None:
    histories = [h for n in range(5) for h in product(range(5), repeat=n) if len(set(h)) == n]
    together = small.next_distributions([np.array(h, dtype=np.int64) for h in histories])
    for history, row in zip(histories, together, strict=True):
        np.testing.assert_allclose(row, enumerated(small, list(history)), rtol=1e-12)
        np.testing.assert_allclose(row, small.next_distribution(history), rtol=1e-12)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), length=st.integers(0, 40))
def test_a_distribution_sums_to_one_and_leaves_out_what_was_played(seed: int, length: int) -> None:
    process = SampleProcess.from_seed("tiny", SEED)
    rng = np.random.default_rng(seed)
    history = rng.permutation(process.n_games)[:length]
    chances = process.next_distribution(history.tolist())
    assert chances.sum() == pytest.approx(1, abs=1e-12)
    assert np.all(chances[history] == 0)
    assert np.all(np.delete(chances, history) > 0)


def test_a_group_that_is_played_through_is_left(small: SampleProcess) -> None:
    chances = small.next_distribution([0, 2, 4])
    assert chances[[0, 2, 4]].tolist() == [0, 0, 0]
    assert chances[1] == pytest.approx(0.75)  # the weights that are left are 3 and 1


def test_simulated_frequencies_are_the_predicted_ones(small: SampleProcess) -> None:
    players = small.sample_users(np.random.default_rng(5), np.full(200_000, 4))
    after = Counter(tuple(games.tolist()) for games in players)
    prefixes = Counter(tuple(games[:3].tolist()) for games in players)
    for prefix, n in prefixes.items():
        predicted = small.next_distribution(prefix)
        observed = np.array([after[(*prefix, game)] / n for game in range(small.n_games)])
        error = np.sqrt(predicted * (1 - predicted) / n)
        assert np.all(np.abs(observed - predicted) <= 4.5 * error + 1e-12), prefix


def test_at_default_size_the_probabilities_are_calibrated(
    default: SampleProcess, sequences: list[NDArray[np.int64]]
) -> None:
    chances = default.next_distributions([games[:-1] for games in sequences])
    hit = chances[np.arange(len(sequences)), [games[-1] for games in sequences]]
    for rank in range(5):
        predicted = np.sort(chances, axis=1)[:, -1 - rank]
        observed = hit == predicted
        error = np.sqrt((predicted * (1 - predicted)).sum())
        assert abs(observed.sum() - predicted.sum()) < 4 * error


def test_players_play_nothing_twice_and_as_much_as_asked(
    default: SampleProcess, sequences: list[NDArray[np.int64]]
) -> None:
    assert all(len(set(games.tolist())) == len(games) for games in sequences)
    lengths = np.array([3, 0, 7, 1])
    drawn = default.sample_users(np.random.default_rng(0), lengths)
    assert [len(games) for games in drawn] == lengths.tolist()
    one = default.sample_user(np.random.default_rng(0))
    assert len(set(one)) == len(one) >= default.size.shortest


def test_libraries_and_popularity_are_like_the_real_ones(
    default: SampleProcess, sequences: list[NDArray[np.int64]]
) -> None:
    """Real, after the 5-core: 39.4 games a user, median 26; half of the games make some 94 % of all play."""
    lengths = np.array([len(games) for games in sequences])
    assert 35 <= lengths.mean() <= 42
    assert 24 <= np.median(lengths) <= 28
    counts = np.sort(np.bincount(np.concatenate(sequences), minlength=default.n_games))[::-1]
    assert counts[: default.n_games // 5].sum() > 0.7 * counts.sum()
    assert (counts < 5).sum() <= 0.01 * default.n_games


def test_app_ids_say_nothing_about_the_order_of_play(
    default: SampleProcess, sequences: list[NDArray[np.int64]]
) -> None:
    ids = np.array([int(game_id) for game_id in default.game_ids])
    assert len(set(default.game_ids)) == default.n_games
    correlations = [np.corrcoef(np.arange(len(g)), ids[g])[0, 1] for g in sequences]
    assert abs(np.mean(correlations)) < 0.1


def ndcg_at_10(scores: NDArray[np.float64], histories: list[NDArray[np.int64]], targets: list[int]) -> float:
    gains = []
    for row, history, target in zip(scores, histories, targets, strict=True):
        others = np.delete(row, history) >= row[target]
        rank = int(others.sum())  # the target itself is among them
        gains.append(1 / np.log2(1 + rank) if rank <= 10 else 0.0)
    return float(np.mean(gains))


def test_the_optimum_beats_a_markov_chain_by_a_quarter_and_that_beats_popularity(
    default: SampleProcess, sequences: list[NDArray[np.int64]]
) -> None:
    n = default.n_games
    counts, pairs = np.zeros(n), np.zeros((n, n))
    for games in sequences:
        train = games[:-2]
        counts[train] += 1
        np.add.at(pairs, (train[:-1], train[1:]), 1)
    popularity = counts / counts.sum()

    def markov(strength: float, cut: int) -> float:
        smoothed = (pairs + strength * popularity) / (pairs.sum(axis=1, keepdims=True) + strength)
        histories = [games[:-cut] for games in sequences]
        last = [games[-1] for games in histories]
        return ndcg_at_10(smoothed[last], histories, [games[-cut] for games in sequences])

    histories, targets = [games[:-1] for games in sequences], [games[-1] for games in sequences]
    tuned = max(MARKOV_STRENGTHS, key=lambda strength: markov(strength, cut=2))
    chain = markov(tuned, cut=1)
    best = ndcg_at_10(default.next_distributions(histories), histories, targets)
    popular = ndcg_at_10(np.tile(popularity, (len(sequences), 1)), histories, targets)
    assert best >= 1.25 * chain
    assert chain >= 1.25 * popular
    assert 0.25 <= best <= 0.5


def item_table(ids: list[str]) -> ItemTable:
    return ItemTable(["", *ids], ["", *ids], np.ones(len(ids) + 1, dtype=np.int64))


def test_the_scorer_speaks_in_item_indexes(default: SampleProcess) -> None:
    order = np.random.default_rng(0).permutation(default.n_games)[:-50]  # 50 games are not in the vocabulary
    items = item_table([default.game_ids[game] for game in order] + ["no game of ours"])
    scorer = OptimumScorer("default", SEED, items)
    unknown = len(order) + 1
    histories = [np.array([1, 2, 3]), np.array([4, unknown, 5]), np.empty(0, dtype=np.int64)]
    scores = scorer.score(histories)
    assert scores.shape == (3, items.n_items + 1)
    assert scores.dtype == np.float32
    assert np.all(scores[:, 0] == -np.inf)
    for row, known in zip(scores, ([0, 1, 2], [3, 4], []), strict=True):
        chances = default.next_distribution(order[known].tolist())[order]
        with np.errstate(divide="ignore"):
            np.testing.assert_allclose(row[1:unknown], np.maximum(np.log(chances), -100), rtol=1e-5)
        assert row[unknown] == row[1:].min()


def test_the_scorer_takes_many_users_in_parts(
    default: SampleProcess, sequences: list[NDArray[np.int64]], monkeypatch: pytest.MonkeyPatch
) -> None:
    scorer = OptimumScorer("default", SEED, item_table(default.game_ids))
    histories = [games + 1 for games in sequences[:50]]
    whole = scorer.score(histories)
    monkeypatch.setattr("assets.sample.process.SCORED_AT_ONCE", 7)
    np.testing.assert_allclose(scorer.score(histories), whole, rtol=1e-6)
    assert scorer.score([]).shape == (0, default.n_games + 1)


def test_size_and_seed_decide_the_process() -> None:
    first, same = (SampleProcess.from_seed("tiny", 3) for _ in range(2))
    other = SampleProcess.from_seed("tiny", 4)
    assert first.game_ids == same.game_ids != other.game_ids
    np.testing.assert_array_equal(first.after_earlier, same.after_earlier)
    assert not np.array_equal(first.after_earlier, other.after_earlier)
    assert {"tiny", "default", "large"} <= SIZES.keys()
