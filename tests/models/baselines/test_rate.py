"""The rate of items that nobody has played, where plays say nothing of it and where items are many."""

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from models.baselines import rate
from models.baselines.rate import likeliest_rate
from models.data import Holdout, Sequences

NEW = np.array([False, False, False, True, True])  # of padding and four items


class Even:
    """All items are alike; remembers how many were asked for at once."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    def score(self, histories: Sequence[NDArray[np.integer]]) -> NDArray[np.float32]:
        self.asked.append(len(histories))
        return np.ones((len(histories), len(NEW)), dtype=np.float32)


def plays(histories: Sequence[Sequence[int]], targets: Sequence[int]) -> Holdout:
    rows = Sequences.from_lists(histories, len(NEW) - 1)
    return Holdout(np.arange(len(targets)), np.array(targets, dtype=np.int32), rows)


def same(scores: NDArray[np.float32]) -> NDArray[np.float32]:
    return scores


def test_who_has_played_all_but_the_new_items_says_nothing_of_the_rate() -> None:
    """The others play a new item as often as the one known item that is left to them: the rate is a half."""
    usual = [[1]] * 40, [2, 3] * 20
    alone = likeliest_rate(Even(), same, plays(*usual), NEW)
    assert alone == pytest.approx(0.5)
    more = [*usual[0], [1, 2], [2, 1]], [*usual[1], 3, 4]
    assert likeliest_rate(Even(), same, plays(*more), NEW) == pytest.approx(alone)


def test_of_many_items_fewer_plays_are_held_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate, "BLOCK_BYTES", 3 * rate.CELL * len(NEW))
    scorer = Even()
    found = likeliest_rate(scorer, same, plays([[1]] * 8, [2, 3] * 4), NEW)
    assert scorer.asked == [3, 3, 2] and found == pytest.approx(0.5)
