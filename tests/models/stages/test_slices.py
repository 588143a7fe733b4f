"""Which plays teach which stage: by hand, for both splits."""

import numpy as np
import pytest

from models.baselines.base import Facts
from models.data import Sequences, labelled, leave_one_out
from models.stages.slices import MOST_PLAYS, slices


def test_leave_one_out_keeps_the_last_training_play_of_each_user_apart() -> None:
    known = Sequences.from_lists([[1, 2, 3, 4, 5], [2, 1, 4], [3, 4, 5, 1]], 5)
    split = leave_one_out(known)  # to train on: 1 2 3, 2, 3 4
    times = np.array([10, 20, 30, 40, 50, 60])
    apart = slices(split, Facts(times=times, units_a_second=1))
    assert [apart.before.train.user(u).tolist() for u in range(3)] == [[1, 2], [2], [3]]
    assert apart.plays.targets.tolist() == [3, 4]
    assert [apart.plays.histories.user(row).tolist() for row in range(2)] == [[1, 2], [3]]
    assert apart.plays.users.tolist() == [0, 2] and apart.plays.asked_ms is not None
    assert apart.plays.asked_ms.tolist() == [30_000, 60_000]
    assert apart.facts.times is not None and apart.facts.times.tolist() == [10, 20, 40, 50]
    assert len(apart.before.validation) == len(apart.before.test) == 0


def test_a_split_in_time_keeps_the_newest_stretch_apart_and_nothing_later() -> None:
    """Of ten training plays the newest two; a first play has no history, and is asked for by nobody."""
    rows = [[1, 2, 3, 4], [2, 3, 4], [5, 1, 2], [3, 5]]
    labels = np.array(
        ["train"] * 4 + ["train"] * 2 + ["validation"] + ["train"] * 2 + ["test"] + ["train"] * 2
    )
    split = labelled(Sequences.from_lists(rows, 5), labels, "temporal (0.8,0.9)")
    times = np.array([1, 2, 3, 9, 2, 4, 5, 6, 7, 10])  # of the training part
    apart = slices(split, Facts(times=times, units_a_second=None))
    assert [apart.before.train.user(u).tolist() for u in range(4)] == [[1, 2, 3], [2, 3], [5, 1], [3]]
    assert apart.plays.targets.tolist() == [4, 5] and apart.plays.asked_ms is None
    assert [apart.plays.histories.user(row).tolist() for row in range(2)] == [[1, 2, 3], [3]]


def test_the_newest_plays_are_those_that_are_learned_from_last() -> None:
    many = Sequences.from_lists([[1, 2, 3, 1]] * (MOST_PLAYS + 50), 3)
    apart = slices(leave_one_out(many), Facts())
    assert len(apart.plays) == MOST_PLAYS and apart.plays.users[-1] == MOST_PLAYS + 49


def test_where_nothing_is_left_it_says_so() -> None:
    with pytest.raises(ValueError, match="no plays to rank"):
        slices(leave_one_out(Sequences.from_lists([[1], [2]], 2)), Facts())
