from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.data import (
    Sequences,
    answers,
    gather,
    gather_masked,
    labelled,
    leave_one_out,
    plan_epoch,
)

N_ITEMS = 50
users = st.lists(st.lists(st.integers(1, N_ITEMS), max_size=40), max_size=12)


def unpack(sequences: Sequences) -> list[list[int]]:
    return [sequences.user(row).tolist() for row in range(len(sequences))]


@given(users)
@settings(deadline=None)
def test_leave_one_out_agrees_with_a_loop(lists: list[list[int]]) -> None:
    split = leave_one_out(Sequences.from_lists(lists, N_ITEMS))

    held = [row for row, user in enumerate(lists) if len(user) >= 3]
    assert unpack(split.train) == [user[:-2] if len(user) >= 3 else user for user in lists]
    assert split.validation.users.tolist() == split.test.users.tolist() == held
    assert split.validation.targets.tolist() == [lists[row][-2] for row in held]
    assert split.test.targets.tolist() == [lists[row][-1] for row in held]
    assert unpack(split.validation.histories) == [lists[row][:-2] for row in held]
    assert unpack(split.test.histories) == [lists[row][:-1] for row in held]


@given(users)
@settings(deadline=None)
def test_labels_of_leave_one_out_give_leave_one_out(lists: list[list[int]]) -> None:
    sequences = Sequences.from_lists(lists, N_ITEMS)
    tails = [
        [*["train"] * (len(u) - 2), "validation", "test"] if len(u) >= 3 else ["train"] * len(u)
        for u in lists
    ]
    found = labelled(sequences, np.array([part for tail in tails for part in tail], dtype=np.str_), "x")
    wanted = leave_one_out(sequences)
    assert unpack(found.train) == unpack(wanted.train)
    for one, other in ((found.validation, wanted.validation), (found.test, wanted.test)):
        assert one.users.tolist() == other.users.tolist()
        assert one.targets.tolist() == other.targets.tolist()
        assert unpack(one.histories) == unpack(other.histories)


def test_context_stands_in_histories_and_is_not_trained_on() -> None:
    sequences = Sequences.from_lists([[1, 2, 3, 4, 5, 6], [7, 8], [9]], N_ITEMS)
    labels = ["train", "train", "validation", "context", "test", "context", "context", "test", "context"]
    split = labelled(sequences, np.array(labels), "temporal (0.8,0.9)")
    assert split.name == "temporal (0.8,0.9)"
    assert unpack(split.train) == [[1, 2], [], []]
    assert (split.validation.users.tolist(), split.validation.targets.tolist()) == ([0], [3])
    assert unpack(split.validation.histories) == [[1, 2]]
    assert (split.test.users.tolist(), split.test.targets.tolist()) == ([0, 1], [5, 8])
    assert unpack(split.test.histories) == [[1, 2, 3, 4], [7]]


def test_a_user_with_several_targets_is_asked_before_each_of_them() -> None:
    sequences = Sequences.from_lists([[1, 2, 3, 4], [5, 6]], N_ITEMS)
    split = labelled(sequences, np.array(["train", "test", "test", "test", "train", "test"]), "x")
    assert (split.test.users.tolist(), split.test.targets.tolist()) == ([0, 0, 0, 1], [2, 3, 4, 6])
    assert unpack(split.test.histories) == [[1], [1, 2], [1, 2, 3], [5]]
    assert split.test.people is not None and split.test.people.tolist() == [0, 0, 0, 1]
    assert split.test.rows(np.array([0, 3])).people is None, "one play each"


@pytest.mark.parametrize(
    ("labels", "sentence"),
    [
        (["train"], "1 labels for 3 interactions"),
        (["validation", "train", "train"], "must be its beginning"),
    ],
)
def test_labels_that_are_no_split_are_refused(labels: list[str], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        labelled(Sequences.from_lists([[1, 2, 3]], N_ITEMS), np.array(labels), "x")


@given(users, st.integers(1, 9), st.integers(1, 60), st.integers(0, 3))
@settings(max_examples=200, deadline=None)
def test_every_item_but_the_first_is_a_target_exactly_once(
    lists: list[list[int]], max_length: int, batch_positions: int, epoch: int
) -> None:
    sequences = Sequences.from_lists(lists, N_ITEMS)
    places = [
        place
        for windows in plan_epoch(sequences, max_length, batch_positions, seed=1, epoch=epoch)
        for start, length, context in zip(windows.starts, windows.lengths, windows.contexts, strict=True)
        for place in range(start + context + 1, start + length + 1)
    ]
    firsts = set(sequences.offsets[:-1][sequences.lengths > 0].tolist())
    assert sorted(places) == sorted(set(range(len(sequences.items))) - firsts)


@given(users, st.integers(1, 9), st.integers(1, 60))
@settings(deadline=None)
def test_a_batch_holds_what_its_windows_say(
    lists: list[list[int]], max_length: int, batch_positions: int
) -> None:
    sequences = Sequences.from_lists(lists, N_ITEMS)
    owner = np.repeat(np.arange(len(sequences)), sequences.lengths)
    for windows in plan_epoch(sequences, max_length, batch_positions, seed=1, epoch=0):
        batch = gather(sequences, windows)
        assert batch.histories.shape == batch.targets.shape == (len(windows), windows.lengths.max())
        assert 1 <= windows.lengths.min() <= windows.lengths.max() <= max_length
        for row in range(len(windows)):
            start, length, context = windows.starts[row], windows.lengths[row], windows.contexts[row]
            assert owner[start] == owner[start + length], "a window mixes two users"
            inputs, targets = sequences.items[start : start + length], sequences.items[start + 1 :]
            assert batch.histories[row, :length].tolist() == inputs.tolist()
            assert batch.targets[row, context:length].tolist() == targets[context:length].tolist()
            assert not batch.histories[row, length:].any()
            assert not batch.targets[row, :context].any() and not batch.targets[row, length:].any()


def test_a_later_window_starts_with_context() -> None:
    sequences = Sequences.from_lists([range(1, 51)], N_ITEMS)
    (windows,) = plan_epoch(sequences, max_length=8, batch_positions=1000, seed=0, epoch=0)
    assert sorted(windows.contexts.tolist())[0] == 0
    later = windows.contexts[windows.starts > 0]
    assert set(later.tolist()) <= {1, 2} and 2 in later


def test_batches_are_full_and_little_padded() -> None:
    rng = np.random.default_rng(0)
    lengths = np.minimum(rng.geometric(0.08, size=3000) + 2, 200)
    sequences = Sequences.from_lists([rng.integers(1, 51, size=n) for n in lengths], N_ITEMS)
    plan = plan_epoch(sequences, max_length=64, batch_positions=512, seed=0, epoch=0)
    real = np.array([windows.lengths.sum() for windows in plan])
    held = np.array([len(windows) * windows.lengths.max() for windows in plan])
    assert np.all(real <= 512 + 64)
    assert np.median(real) > 450
    assert real.sum() / held.sum() > 0.75


def test_the_order_follows_from_seed_and_epoch_alone() -> None:
    rng = np.random.default_rng(0)
    sequences = Sequences.from_lists([rng.integers(1, 51, size=n) for n in range(2, 60)], N_ITEMS)

    def order(seed: int, epoch: int) -> list[int]:
        plan = plan_epoch(sequences, max_length=16, batch_positions=100, seed=seed, epoch=epoch)
        return np.concatenate([windows.starts for windows in plan]).tolist()

    np.random.seed(5)  # the global state plays no part
    assert order(3, 4) == order(3, 4)
    assert order(3, 4) != order(3, 5)
    assert order(3, 4) != order(4, 4)


@given(users, st.integers(1, 9), st.integers(1, 60), st.integers(0, 3))
@settings(max_examples=200, deadline=None)
def test_where_seen_items_are_no_answers_each_new_item_is_a_target_once_and_no_other_is(
    lists: list[list[int]], max_length: int, batch_positions: int, epoch: int
) -> None:
    sequences = Sequences.from_lists([[item % 5 + 1 for item in items] for items in lists], N_ITEMS)
    wanted = answers(sequences, exclude_seen=True)
    found, rng = [], np.random.default_rng(0)
    for windows in plan_epoch(sequences, max_length, batch_positions, seed=1, epoch=epoch, wanted=wanted):
        batch = gather(sequences, windows, wanted)
        masked = gather_masked(sequences, windows, 0.5, rng, wanted)
        for row in range(len(windows)):
            start, length = windows.starts[row], windows.lengths[row]
            (places,) = np.nonzero(batch.targets[row])
            assert batch.targets[row, length - 1], "positions after the last target are wasted"
            assert batch.targets[row, places].tolist() == sequences.items[start + 1 + places].tolist()
            assert batch.histories[row, :length].tolist() == sequences.items[start : start + length].tolist()
            found += (start + 1 + places).tolist()
            (hidden,) = np.nonzero(masked.targets[row])
            assert len(hidden), "a window without a target"
            assert wanted is None or wanted[start + hidden].all()
    new = [
        place
        for start, end in pairwise(sequences.offsets.tolist())
        for place in range(start + 1, end)
        if sequences.items[place] not in sequences.items[start:place]
    ]
    assert sorted(found) == new


@given(users)
def test_without_repeats_and_where_seen_items_are_answers_all_is_as_ever(lists: list[list[int]]) -> None:
    assert answers(Sequences.from_lists([list(dict.fromkeys(one)) for one in lists], N_ITEMS), True) is None
    assert answers(Sequences.from_lists(lists, N_ITEMS), exclude_seen=False) is None


@pytest.mark.parametrize("exclude_seen", [True, False])
def test_a_split_and_its_parts_keep_whether_seen_items_are_answers(exclude_seen: bool) -> None:
    split = leave_one_out(Sequences.from_lists([[1, 2, 1], [2, 1, 3]], 3), exclude_seen)
    assert split.exclude_seen == split.validation.exclude_seen == split.test.exclude_seen == exclude_seen
    assert split.test.rows(np.array([1])).exclude_seen == exclude_seen


def test_nothing_to_train_on_is_no_batch() -> None:
    assert plan_epoch(Sequences.from_lists([], 3), 8, 8, seed=0, epoch=0) == []
    assert plan_epoch(Sequences.from_lists([[1], [], [2]], 3), 8, 8, seed=0, epoch=0) == []


@pytest.mark.parametrize("items", [[0, 1], [1, 4], [-1, 1]])
def test_an_item_outside_the_vocabulary_is_refused(items: list[int]) -> None:
    with pytest.raises(ValueError, match=r"Item indexes must lie in 1\.\.3"):
        Sequences.from_lists([items], 3)


@pytest.mark.parametrize("offsets", [[], [1, 2], [0, 1], [0, 2, 1, 2], [0, 3]])
def test_offsets_that_do_not_fit_are_refused(offsets: list[int]) -> None:
    with pytest.raises(ValueError, match="offsets of the sequences must rise from 0 to the 2 items"):
        Sequences(np.array([1, 2], dtype=np.int32), np.array(offsets, dtype=np.int64), 3)


@given(st.lists(st.lists(st.integers(1, 4), max_size=7), max_size=6))
def test_a_repeated_target_stands_in_its_own_history(lists: list[list[int]]) -> None:
    test = leave_one_out(Sequences.from_lists(lists, 4)).test
    assert test.repeated().tolist() == [row[-1] in row[:-1] for row in lists if len(row) >= 3]


def test_rows_counts_and_fingerprint() -> None:
    sequences = Sequences.from_lists([[1, 2], [], [3], [3, 1]], 4)
    assert unpack(sequences.rows(np.array([3, 0, 1]))) == [[3, 1], [1, 2], []]
    assert sequences.counts().tolist() == [0, 2, 1, 2, 0]
    assert sequences.fingerprint() == Sequences.from_lists([[1, 2], [], [3], [3, 1]], 4).fingerprint()
    others = [
        Sequences.from_lists([[1, 2], [3], [], [3, 1]], 4),
        Sequences.from_lists([[1, 2], [], [3], [3, 2]], 4),
        Sequences.from_lists([[1, 2], [], [3], [3, 1]], 5),
    ]
    assert sequences.fingerprint() not in {other.fingerprint() for other in others}
