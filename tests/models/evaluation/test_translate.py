"""A champion with yesterday's vocabulary on today's data."""

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from models.bundle.bundle import ItemTable
from models.data import Holdout, Sequences
from models.evaluation.metrics import MISSED, rank_targets
from models.evaluation.translate import TranslatedScorer
from models.moment import Moment


class Recorder:
    """Scores item i as 10 * i and remembers what it was asked; refuses an empty history."""

    def __init__(self, n_items: int) -> None:
        self.n_items = n_items
        self.asked: list[list[int]] = []

    def score(self, histories: Sequence[NDArray[np.integer]]) -> NDArray[np.float32]:
        assert all(len(history) for history in histories)
        self.asked += [history.tolist() for history in histories]
        scores = np.tile(10 * np.arange(self.n_items + 1, dtype=np.float32), (len(histories), 1))
        scores[:, 0] = -np.inf
        return scores


def table(*ids: str) -> ItemTable:
    return ItemTable(["", *ids], ["", *ids], np.zeros(len(ids) + 1, dtype=np.int64))


INNER, OUTER = table("a", "b", "gone"), table("new", "b", "a")


def test_items_are_matched_by_id() -> None:
    inner = Recorder(3)
    scores = TranslatedScorer(inner, INNER, OUTER).score([np.array([3, 1, 2]), np.array([2])])
    assert inner.asked == [[1, 2], [2]]  # a, (new is dropped,) b
    assert scores.tolist() == [[-np.inf, -np.inf, 20, 10]] * 2
    assert scores.dtype == np.float32


def test_a_user_of_whom_nothing_is_left_is_not_asked_about() -> None:
    inner = Recorder(3)
    scores = TranslatedScorer(inner, INNER, OUTER).score([np.array([1]), np.array([], dtype=np.int32)])
    assert inner.asked == []
    assert np.isneginf(scores).all()


def test_what_was_taken_out_of_a_history_takes_no_time_of_another_play() -> None:
    """The times of plays lie in a row, as the whole history does."""

    class Timed(Recorder):
        def score_at(self, histories: Sequence[NDArray[np.integer]], moment: Moment) -> NDArray[np.float32]:
            self.since = moment.since(histories)
            return self.score(histories)

    inner = Timed(3)
    moment = Moment(np.array([9_000]), np.array([1_000, 4_000, 7_000]), np.array([0]))
    TranslatedScorer(inner, INNER, OUTER).score_at([np.array([1, 3, 2])], moment)
    assert inner.asked == [[1, 2]] and inner.since is None


def test_a_target_that_the_model_does_not_know_is_missed() -> None:
    histories = Sequences.from_lists([[2], [1], [2]], 3)
    held = Holdout(np.arange(3), np.array([1, 2, 3], dtype=np.int32), histories)
    ranks = rank_targets(TranslatedScorer(Recorder(3), INNER, OUTER), held)
    assert ranks.tolist() == [MISSED, MISSED, 1]


@pytest.mark.parametrize("outer", [INNER, table("gone", "a", "b")])
def test_equal_vocabularies_in_any_order_lose_nothing(outer: ItemTable) -> None:
    scores = TranslatedScorer(Recorder(3), INNER, outer).score([np.array([1])])
    by_id = dict(zip(outer.ids[1:], scores[0, 1:].tolist(), strict=True))
    assert by_id == {"a": 10, "b": 20, "gone": 30}
