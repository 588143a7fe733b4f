"""The moment of asking reaches a scorer that looks at it, and no other."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from models.bundle.bundle import ItemTable
from models.data import Holdout, Sequences, leave_one_out
from models.evaluation.metrics import evaluate, rank_targets, top_k
from models.evaluation.translate import TranslatedScorer
from models.moment import MS_A_DAY, Moment
from models.scorer import scores_at

N_ITEMS = 4
ITEMS = ItemTable(["", *"abcd"], ["", *"abcd"], np.zeros(N_ITEMS + 1, np.int64))


class Daily:
    """On day 1 the best item is 1, on day 2 it is 2, and so on; without a day it is 4."""

    def score(self, histories: Sequence[NDArray[np.integer]]) -> NDArray[np.float32]:
        return self._best([N_ITEMS] * len(histories))

    def score_at(self, histories: Sequence[NDArray[np.integer]], moment: Moment) -> NDArray[np.float32]:
        assert len(moment.asked_ms) == len(histories)
        return self._best(moment.days.tolist())

    def _best(self, items: Sequence[int]) -> NDArray[np.float32]:
        scores = np.zeros((len(items), N_ITEMS + 1), np.float32)
        scores[np.arange(len(items)), items] = 1
        scores[:, 0] = -np.inf
        return scores


class Careless:
    """Knows no time."""

    def score(self, histories: Sequence[NDArray[np.integer]]) -> NDArray[np.float32]:
        return Daily().score(histories)


def held(days: Sequence[int]) -> Holdout:
    histories = Sequences.from_lists([[] for _ in days], N_ITEMS)
    asked = MS_A_DAY * np.array(days, np.int64) + 5
    return Holdout(np.arange(len(days)), np.array(days, np.int32), histories, asked_ms=asked)


@pytest.mark.parametrize("block", [1, 2, 512])
def test_each_play_is_asked_for_at_its_time(block: int) -> None:
    case = held([1, 3, 2, 3, 1])
    assert rank_targets(Daily(), case, block=block).tolist() == [1] * 5
    assert evaluate(Daily(), case, k=1, block=block).items[:, 0].tolist() == [1, 3, 2, 3, 1]
    undated = replace(case, asked_ms=None)
    assert evaluate(Daily(), undated, k=1, block=block).items[:, 0].tolist() == [4] * 5
    assert evaluate(Careless(), case, k=1, block=block).items[:, 0].tolist() == [4] * 5
    some = case.rows(np.array([3, 0]))
    assert rank_targets(Daily(), some, block=block).tolist() == [1, 1]


def test_lists_are_as_of_one_moment() -> None:
    histories = Sequences.from_lists([[2], [3]], N_ITEMS)
    items, _ = top_k(Daily(), histories, 1, moment=Moment.all_at(MS_A_DAY, 2))
    assert items[:, 0].tolist() == [1, 1]


def test_a_champion_of_another_vocabulary_is_asked_at_the_same_moment() -> None:
    """Users of whom it knows nothing are not asked about: their moments go with them."""
    outer = ItemTable(["", "new", *"dcba"], ["", "new", *"dcba"], np.zeros(6, np.int64))
    histories = [np.array([2]), np.array([1]), np.array([2])]
    moment = Moment(MS_A_DAY * np.array([1, 9, 3]))
    scores = scores_at(TranslatedScorer(Daily(), ITEMS, outer), histories, moment)
    assert [outer.ids[best] for best in scores[[0, 2]].argmax(axis=1)] == ["a", "c"]
    assert np.isneginf(scores[1]).all()
    plain = scores_at(TranslatedScorer(Careless(), ITEMS, outer), histories, moment)
    assert [outer.ids[best] for best in plain[[0, 2]].argmax(axis=1)] == ["d", "d"]


def test_the_time_of_a_play_is_found_by_its_place() -> None:
    sequences = Sequences.from_lists([[1, 2, 3], [4], [2, 1, 4, 3]], N_ITEMS)
    times = np.arange(8) * 10
    split = leave_one_out(sequences)
    assert split.test.moment is None
    asked = split.test.asked_at(times, sequences)
    assert asked.asked_ms is not None and asked.asked_ms.tolist() == [20, 70]
    assert split.test.asked_at(None, sequences).asked_ms is None
