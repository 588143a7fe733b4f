"""Transitions over a window against counting pair by pair, by hand, and against the Markov chain."""

from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

from models.baselines import Facts, Markov, Transitions
from models.baselines.base import ndcg, one_by_one
from models.baselines.item_weights import TIE_BREAK
from models.baselines.transitions import OPTIONS, REACH, Counted, Settings
from models.bundle.bundle import WEIGHTS_FILE, BundleError
from models.data import Sequences, leave_one_out

N_ITEMS = 6
user = st.lists(st.integers(1, N_ITEMS), max_size=24)  # an item may come twice
users = st.lists(user, min_size=1, max_size=6).filter(any)
some_settings = st.builds(
    Settings,
    decay=st.floats(0.1, 1),
    closeness=st.sampled_from([0.0, 0.3, 1.0]),
    backward=st.sampled_from([0.0, 0.4, 1.0]),
    out_power=st.floats(0, 1),
    in_power=st.floats(0, 1),
    smoothing=st.floats(0.1, 300),
)


def of(played: list[list[int]], settings: Settings, exclude_seen: bool = False) -> Transitions:
    facts = Facts(exclude_seen=exclude_seen)
    return Transitions.of(Counted(Sequences.from_lists(played, N_ITEMS), facts), settings)


def oracle(played: list[list[int]], history: list[int], s: Settings, exclude_seen: bool) -> list[float]:
    plays: dict[int, int] = defaultdict(int)
    count: dict[tuple[int, int], float] = defaultdict(float)
    for items in played:
        for place, item in enumerate(items):
            if exclude_seen and item in items[:place]:
                continue
            plays[item] += 1
            for before in range(max(0, place - REACH), place):
                weight = s.closeness ** (place - before - 1)
                count[items[before], item] += weight
                count[item, items[before]] += s.backward * weight
    share = {item: plays[item] / sum(plays.values()) for item in range(1, N_ITEMS + 1)}
    begun = {i: s.smoothing + sum(count[i, j] for j in share) for i in share}
    scores = []
    for j, popular in share.items():
        score = TIE_BREAK * popular
        for age, i in enumerate(reversed(history[-Transitions.max_length :])):
            followed = count[i, j] / (popular * N_ITEMS) ** s.in_power if count[i, j] else 0
            told = followed + s.smoothing * popular
            score += s.decay**age * told / begun[i] ** s.out_power
        scores.append(score)
    return scores


@given(users, user, some_settings, st.booleans())
def test_transitions_agree_with_counting(
    played: list[list[int]], history: list[int], settings: Settings, exclude_seen: bool
) -> None:
    (scores,) = of(played, settings, exclude_seen).score([np.array(history, dtype=np.int32)])
    assert scores[0] == -np.inf
    expected = oracle(played, history, settings, exclude_seen)
    assert scores[1:] == pytest.approx(expected, rel=1e-4, abs=1e-7)


def test_transitions_by_hand() -> None:
    settings = Settings(decay=0.5, closeness=0.5, backward=0, out_power=1, in_power=0, smoothing=1)
    fitted = of([[1, 2, 3], [1, 3]], settings)  # 1 begins 1 + 0.5 + 1, 2 begins 1; shares 2/5, 1/5, 2/5
    (scores,) = fitted.score([np.array([2, 1])])
    after_1 = np.array([2 / 5, 1 + 1 / 5, 1.5 + 2 / 5]) / 3.5
    after_2 = np.array([2 / 5, 1 / 5, 1 + 2 / 5]) / 2
    assert scores[1:4] == pytest.approx(after_1 + 0.5 * after_2, rel=1e-5)


@given(users, user, st.floats(0.1, 300), st.booleans())
def test_of_neighbours_and_the_last_item_alone_they_are_the_markov_chain(
    played: list[list[int]], history: list[int], smoothing: float, exclude_seen: bool
) -> None:
    plain = Settings(decay=0, closeness=0, backward=0, out_power=1, in_power=0, smoothing=smoothing)
    ours = of(played, plain, exclude_seen)
    facts = Facts(exclude_seen=exclude_seen)
    chain = Markov.fit(Sequences.from_lists(played, N_ITEMS), facts=facts, smoothing=smoothing)
    for one in (history, history[:1]):
        if one:
            rows = [np.array(one, dtype=np.int32)]
            np.testing.assert_allclose(
                ours.score(rows)[0, 1:], chain.score(rows)[0, 1:], rtol=1e-4, atol=2 * TIE_BREAK
            )


def test_an_item_without_pairs_and_an_empty_history_get_popularity() -> None:
    fitted = Transitions.fit(Sequences.from_lists([[1, 2], [3], [3], [3], [4], [4]], 5))
    for scores in fitted.score([np.array([4]), np.array([], dtype=np.int32)]):
        assert scores[3] > scores[4] > scores[1] == scores[2] > scores[5] == 0


def test_what_is_older_or_further_apart_counts_nothing() -> None:
    fitted = Transitions.fit(Sequences.from_lists([[1, 2], [3, 4]], 4))
    newest = [3] * Transitions.max_length
    long, short = fitted.score([np.array([1, *newest]), np.array(newest)])
    np.testing.assert_array_equal(long, short)
    for between, expected in ((REACH - 1, 1), (REACH, 0)):
        counted = Counted(Sequences.from_lists([[1] + [2] * between + [3]], 3), Facts(exclude_seen=False))
        assert counted.pairs(1.0)[1, 3] == expected


def drawn(n: int) -> Sequences:
    """People who go round a circle of 30 items, now and then with a leap."""
    rng = np.random.default_rng(4)
    steps = np.where(rng.random((n, 9)) < 0.2, rng.integers(0, 30, (n, 9)), 1)
    return Sequences.from_lists((1 + np.cumsum(steps, axis=1) % 30).tolist(), 30)


def test_settings_are_those_of_one_pass_over_the_options() -> None:
    split = leave_one_out(drawn(150), exclude_seen=False)
    fitted = Transitions.fit(split.train, split.validation)
    counted = Counted(split.train, Facts(exclude_seen=False))
    best, usual = fitted.settings._asdict(), Settings()._asdict()
    order = list(OPTIONS)
    for place, name in enumerate(order):
        so_far = {n: best[n] if n in order[:place] else usual[n] for n in order}
        found = {
            value: ndcg(Transitions.of(counted, Settings(**{**so_far, name: value})), split.validation)
            for value in {*OPTIONS[name], usual[name]}
        }
        assert found[best[name]] == max(found.values()), name
    assert ndcg(fitted, split.validation) >= ndcg(Transitions.fit(split.train), split.validation)
    again = fitted.refit(split.train)
    for name, values in fitted.weights.arrays().items():
        np.testing.assert_array_equal(again.weights.arrays()[name], values)
    assert again.settings == fitted.settings
    assert fitted.config()["decay"] == fitted.settings.decay


def test_one_by_one_keeps_the_first_of_equals_and_asks_each_once() -> None:
    asked = []

    def value(tried: dict[str, float]) -> float:
        asked.append(tuple(tried.values()))
        return -abs(tried["a"] - 2) + min(tried["b"], 1)

    assert one_by_one({"a": 0, "b": 0}, {"a": (0, 1, 2), "b": (0, 1, 5)}, value) == {"a": 2, "b": 1}
    assert asked == [(0, 0), (1, 0), (2, 0), (2, 1), (2, 5)]


@pytest.mark.parametrize("name", ["settings", "back_off"])
def test_broken_weights_are_told(name: str, tmp_path: Path) -> None:
    Transitions.fit(Sequences.from_lists([[1, 2, 3]], 3)).save(tmp_path)
    path = tmp_path / WEIGHTS_FILE
    weights = load_file(path)
    save_file({**weights, name: weights[name][:-1]}, path)
    with pytest.raises(BundleError, match="does not hold the weights of a transitions baseline"):
        Transitions.load(tmp_path)


def test_saved_and_opened_they_are_the_same(tmp_path: Path) -> None:
    fitted = Transitions.fit(drawn(40))
    fitted.save(tmp_path)
    opened = Transitions.load(tmp_path)
    histories = [np.array([3, 9, 4]), np.array([], dtype=np.int32), np.array([7] * 20)]
    np.testing.assert_array_equal(opened.score(histories), fitted.score(histories))
    assert opened.settings == fitted.settings
