"""Splits at any cut, in memory."""

import numpy as np

from models.data import Sequences
from models.evaluation.cuts import at, split_in_time

PLAYS = Sequences.from_lists([[1, 2, 3, 4], [1, 3], [2, 4, 1, 3]], 4)
TIMES = np.array([1, 2, 5, 9, 6, 8, 3, 4, 7, 10])


def test_three_cuts_make_three_parts_by_hand() -> None:
    """Before 5 to train on, from 5 to 7 validation, later the test; the first play of the second is none."""
    split = split_in_time(PLAYS, TIMES, (0.5, 0.8, 1.0), exclude_seen=True)
    assert (at(TIMES, 0.5), at(TIMES, 0.8), at(TIMES, 1.0)) == (5, 8, 11)
    assert [split.train.user(n).tolist() for n in range(3)] == [[1, 2], [], [2, 4]]
    assert (split.validation.users.tolist(), split.validation.targets.tolist()) == ([0, 2], [3, 1])
    assert (split.test.users.tolist(), split.test.targets.tolist()) == ([0, 1, 2], [4, 3, 3])
    assert [split.test.histories.user(n).tolist() for n in range(3)] == [[1, 2, 3], [1], [2, 4, 1]]


def test_an_earlier_test_ends_before_the_last_plays() -> None:
    split = split_in_time(PLAYS, TIMES, (0.3, 0.5, 0.9), exclude_seen=False)
    assert split.test.targets.tolist() == [3, 3, 1], "of the times from 5 to 8 all but a first play"
    assert (split.name, split.exclude_seen) == ("temporal (0.3,0.5)", False)
