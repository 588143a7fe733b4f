"""Sequences of item indexes, their leave-one-out split, and the batches that training reads. NumPy alone."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray

from models.bundle.bundle import PADDING
from models.moment import Moment

LENGTH_BLUR = 1.6  # windows of one batch differ in length by up to about this factor
MASK = -1  # stands in a history for an item that is to be found
MASK_LAST_ALONE = 0.1  # share of the windows in which the last item alone is masked, as when one is asked for
CONTEXT_SHARE = 4  # a later window of a long user begins with max_length / 4 items that are context only


@dataclass(frozen=True)
class Sequences:
    """One sequence of items for each user, all in one flat array, oldest first.

    User `u` owns `items[offsets[u]:offsets[u + 1]]`; an empty sequence is allowed. Item indexes run from 1 to
    `n_items`. Raises ValueError where the arrays do not describe that.
    """

    items: NDArray[np.int32]  # [interactions]
    offsets: NDArray[np.int64]  # [users + 1]
    n_items: int

    def __post_init__(self) -> None:
        offsets, items = self.offsets, self.items
        if len(offsets) == 0 or offsets[0] != 0 or offsets[-1] != len(items) or np.any(np.diff(offsets) < 0):
            raise ValueError(f"The offsets of the sequences must rise from 0 to the {len(items)} items.")
        if len(items) and not PADDING < items.min() <= items.max() <= self.n_items:
            raise ValueError(
                f"Item indexes must lie in 1..{self.n_items}, found {items.min()}..{items.max()}."
            )

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def user(self, row: int) -> NDArray[np.int32]:
        """The items of one user, a view."""
        return self.items[self.offsets[row] : self.offsets[row + 1]]

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Items a user, [users]."""
        return np.diff(self.offsets)

    def counts(self) -> NDArray[np.int64]:
        """Occurrences of each item, [n_items + 1]."""
        return np.bincount(self.items, minlength=self.n_items + 1)

    @cached_property
    def repeated(self) -> NDArray[np.bool_]:
        """Whether each play is of an item that its user has played before, [interactions]."""
        owner = np.repeat(np.arange(len(self)), self.lengths)  # [interactions]
        _, first = np.unique(owner * (self.n_items + 1) + self.items, return_index=True)
        repeated = np.ones(len(self.items), dtype=np.bool_)
        repeated[first] = False
        return repeated

    def rows(self, users: NDArray[np.integer]) -> Self:
        """The sequences of some users, in the order given."""
        return type(self)(*_ranges(self.items, self.offsets[users], self.lengths[users]), self.n_items)

    def fingerprint(self) -> str:
        """SHA-256 over the content."""
        total = hashlib.sha256(str(self.n_items).encode())
        total.update(np.ascontiguousarray(self.offsets, dtype="<i8").tobytes())
        total.update(np.ascontiguousarray(self.items, dtype="<i4").tobytes())
        return total.hexdigest()

    @classmethod
    def from_lists(cls, users: Iterable[Sequence[int]], n_items: int) -> Self:
        """Sequences from one list of item indexes a user."""
        arrays = [np.asarray(user, dtype=np.int32) for user in users]
        flat = np.concatenate([np.empty(0, dtype=np.int32), *arrays])
        return cls(flat, _offsets(np.array([len(a) for a in arrays], dtype=np.int64)), n_items)


@dataclass(frozen=True)
class Holdout:
    """Held-out plays, what came before each, and whether that counts as an answer.

    Split leave-one-out a user has one, split in time as many as fall into its stretch of time.
    """

    users: NDArray[np.int64]  # [n], rows of the sequences that were split; a user's plays are neighbours
    targets: NDArray[np.int32]  # [n]
    histories: Sequences  # n rows
    exclude_seen: bool = True  # the items of a history are no answers
    asked_ms: NDArray[np.int64] | None = None  # [n], when each was played, since 1970, UTC; None: not known
    played_ms: NDArray[np.int64] | None = None  # of all plays of the sequences that were split; None likewise
    starts: NDArray[np.int64] | None = None  # [n], where among them each history begins

    def __len__(self) -> int:
        return len(self.users)

    @property
    def moment(self) -> Moment | None:
        """When a scorer is asked for each: at the time of the play."""
        return None if self.asked_ms is None else Moment(self.asked_ms, self.played_ms, self.starts)

    @cached_property
    def people(self) -> NDArray[np.int64] | None:
        """Whose each play is, [n], where somebody has several: they are alike. None where nobody has."""
        return self.users if len(np.unique(self.users)) < len(self.users) else None

    def rows(self, rows: NDArray[np.integer]) -> Self:
        """Some of the cases, in the order given."""
        return replace(
            self,
            users=self.users[rows],
            targets=self.targets[rows],
            histories=self.histories.rows(rows),
            asked_ms=None if self.asked_ms is None else self.asked_ms[rows],
            starts=None if self.starts is None else self.starts[rows],
        )

    def asked_at(self, played_ms: NDArray[np.int64] | None, sequences: Sequences) -> Self:
        """The same, asked when it was played; `played_ms` [interactions] are the times of all `sequences`."""
        if played_ms is None:
            return replace(self, asked_ms=None, played_ms=None, starts=None)
        starts = sequences.offsets[self.users]  # [n]
        asked_ms = played_ms[starts + self.histories.lengths]
        return replace(self, asked_ms=asked_ms, played_ms=played_ms, starts=starts)

    def repeated(self) -> NDArray[np.bool_]:
        """Whether each target stands in its own history already, [n]."""
        owner = np.repeat(np.arange(len(self)), self.histories.lengths)  # [interactions]
        found = np.zeros(len(self), dtype=np.bool_)
        found[owner[self.histories.items == self.targets[owner]]] = True
        return found


@dataclass(frozen=True)
class Split:
    """What is trained on, what training may look at to stop, and what it never sees."""

    train: Sequences  # as many rows as the sequences that were split
    validation: Holdout
    test: Holdout
    name: str = "leave-one-out"
    ages: NDArray[np.float32] | None = None  # days from each play of `train` to the newest; None: no clock
    content: NDArray[np.float32] | None = None  # [n_items + 1, content], what is known of the items
    codes: NDArray[np.int32] | None = None  # [n_items + 1, levels], their semantic ids; row 0 is padding's
    played_ms: NDArray[np.int64] | None = None  # of each play of `train`, since 1970, UTC; None: no clock

    @property
    def exclude_seen(self) -> bool:
        """Whether the items of a history are no answers: neither trained on, nor counted, nor given."""
        return self.test.exclude_seen


def everything(sequences: Sequences, exclude_seen: bool = True) -> Split:
    """All of it to train; nothing is held out."""
    none = np.empty(0, dtype=np.int64)
    histories = Sequences.from_lists([], sequences.n_items)
    held = Holdout(none, none.astype(np.int32), histories, exclude_seen)
    return Split(sequences, validation=held, test=held, name="everything")


def leave_one_out(sequences: Sequences, exclude_seen: bool = True) -> Split:
    """Last item of each user to test, the one before it to validation, the rest to train.

    A user with fewer than 3 items is train only. The history of a test case is train + validation.
    """
    lengths, starts = sequences.lengths, sequences.offsets[:-1]
    held = lengths >= 3
    users = np.flatnonzero(held)

    def part(kept: NDArray[np.int64], of: NDArray[np.int64]) -> Sequences:
        return Sequences(*_ranges(sequences.items, starts[of], kept), sequences.n_items)

    def holdout(from_end: int) -> Holdout:
        kept = lengths[users] - from_end
        return Holdout(users, sequences.items[starts[users] + kept], part(kept, users), exclude_seen)

    train = part(np.where(held, lengths - 2, lengths), np.arange(len(sequences)))
    return Split(train, validation=holdout(2), test=holdout(1))


def labelled(sequences: Sequences, labels: NDArray[np.str_], name: str, exclude_seen: bool = True) -> Split:
    """The split that labels the interactions [interactions] with train, validation, test or something else.

    Training parts come first in each sequence, and a user may have several validation and test items. The
    history of a target is all that comes before it. Raises ValueError where the labels do not say that.
    """
    starts, n_users = sequences.offsets[:-1], len(sequences)
    owner = np.repeat(np.arange(n_users), sequences.lengths)  # [interactions]
    if len(labels) != len(owner):
        raise ValueError(f"There are {len(labels)} labels for {len(owner)} interactions.")
    (train_rows,) = np.nonzero(labels == "train")
    trained = np.bincount(owner[train_rows], minlength=n_users)  # [users]
    place = np.arange(len(owner)) - starts[owner]  # [interactions]
    if np.any(place[train_rows] >= trained[owner[train_rows]]):
        raise ValueError("The training part of a sequence must be its beginning.")

    def part(kept: NDArray[np.int64], of: NDArray[np.int64]) -> Sequences:
        return Sequences(*_ranges(sequences.items, starts[of], kept), sequences.n_items)

    def holdout(label: str) -> Holdout:
        (found,) = np.nonzero(labels == label)
        histories = part(place[found], owner[found])
        return Holdout(owner[found], sequences.items[found], histories, exclude_seen)

    train = part(trained, np.arange(n_users))
    return Split(train, validation=holdout("validation"), test=holdout("test"), name=name)


def holdout_at(
    sequences: Sequences,
    users: NDArray[np.integer],
    positions: NDArray[np.integer],
    exclude_seen: bool = True,
) -> Holdout:
    """The items at these positions of these users, [n] each, each with all that comes before it."""
    rows, places = np.asarray(users, np.int64), np.asarray(positions, np.int64)  # [n] each
    starts = sequences.offsets[rows]
    histories = Sequences(*_ranges(sequences.items, starts, places), sequences.n_items)
    return Holdout(rows, sequences.items[starts + places], histories, exclude_seen)


@dataclass(frozen=True)
class Windows:
    """Stretches of the flat item array that a network reads in one piece; one row each."""

    starts: NDArray[np.int64]  # first input item, place in Sequences.items
    lengths: NDArray[np.int64]  # input items
    contexts: NDArray[np.int64]  # leading inputs whose successor is the target of another window

    def __len__(self) -> int:
        return len(self.starts)

    def take(self, rows: NDArray[np.integer]) -> Self:
        return type(self)(self.starts[rows], self.lengths[rows], self.contexts[rows])


@dataclass(frozen=True)
class Batch:
    """Padded on the right with 0; a target of 0 means that the position has no target."""

    histories: NDArray[np.int64]  # [windows, length]
    targets: NDArray[np.int64]  # [windows, length], the item after each position
    places: NDArray[np.int64]  # [windows, length], where in Sequences.items each target stands, or some place


def answers(train: Sequences, exclude_seen: bool) -> NDArray[np.bool_] | None:
    """Which plays are worth predicting, [interactions]; None for all of them.

    Where seen items are no answers, nobody asks for a play of an item that its user has played before. Such a
    play stays in the history of those after it.
    """
    return ~train.repeated if exclude_seen and train.repeated.any() else None


def recency_weights(
    ages: NDArray[np.float32], half_life: float, wanted: NDArray[np.bool_] | None
) -> NDArray[np.float32]:
    """How much each play counts as a target, by its age: half of it every `half_life` days, [interactions].

    Those that are `wanted` count 1 on average, so that steps are as long as they are without weights.
    """
    weights = np.exp2(-ages.astype(np.float64) / half_life)
    mean = weights.mean() if wanted is None else weights[wanted].mean()
    even: NDArray[np.float32] = (weights / mean).astype(np.float32)
    return even


def cut_windows(
    sequences: Sequences,
    max_length: int,
    rng: np.random.Generator,
    wanted: NDArray[np.bool_] | None = None,
) -> Windows:
    """Windows of at most `max_length` inputs, where every item but a user's first is a target exactly once.

    A user who fits is one window. A longer one is cut at places that differ from call to call, and each later
    window starts with some items of the one before as context, so that no target is predicted from nothing.
    Where only some items are `wanted` [interactions] as targets, a window ends before the last of them, and
    there is none without any.
    """
    context = max_length // CONTEXT_SHARE
    stride = max_length - context
    targets = np.maximum(sequences.lengths - 1, 0)  # [users]
    fits = targets <= max_length
    phase = np.where(fits, 0, rng.integers(0, stride, size=len(sequences)))
    pieces = np.where(fits, np.minimum(targets, 1), -(-(targets + phase) // stride))

    user = np.repeat(np.arange(len(sequences)), pieces)  # [windows]
    piece = np.arange(len(user)) - np.repeat(np.cumsum(pieces) - pieces, pieces)  # place within the user
    first = np.maximum(piece * stride - phase[user], 0)  # first target, counted within the user
    end = np.minimum((piece + 1) * stride - phase[user], targets[user])
    end = np.where(fits[user], targets[user], end)
    start = np.maximum(first - context, 0)
    windows = Windows(sequences.offsets[user] + start, end - start, first - start)
    return windows if wanted is None else _up_to_the_last(windows, wanted)


def _up_to_the_last(windows: Windows, wanted: NDArray[np.bool_]) -> Windows:
    """The windows without what follows their last wanted target; those that have none are left out."""
    newest = np.maximum.accumulate(np.where(wanted, np.arange(len(wanted)), -1))  # wanted, here or before
    lengths = newest[windows.starts + windows.lengths] - windows.starts  # [windows]
    shorter = Windows(windows.starts, lengths, windows.contexts)
    return shorter.take(np.flatnonzero(lengths > windows.contexts))


def plan_epoch(
    sequences: Sequences,
    max_length: int,
    batch_positions: int,
    seed: int,
    epoch: int,
    wanted: NDArray[np.bool_] | None = None,
) -> list[Windows]:
    """The batches of one epoch, in an order that follows from `(seed, epoch)` alone.

    Windows of similar length share a batch of about `batch_positions` positions, so little of it is padding.
    Their lengths are blurred before sorting: batches of one exact length train worse.
    """
    rng = np.random.default_rng((seed, epoch))
    windows = cut_windows(sequences, max_length, rng, wanted)
    windows = windows.take(rng.permutation(len(windows)))
    blurred = windows.lengths * rng.uniform(1, LENGTH_BLUR, size=len(windows))
    windows = windows.take(np.argsort(blurred, kind="stable"))
    batch = (np.cumsum(windows.lengths) - 1) // batch_positions  # [windows]
    cuts = np.flatnonzero(np.diff(batch)) + 1
    batches = [windows.take(rows) for rows in np.split(np.arange(len(windows)), cuts) if len(rows)]
    return [batches[i] for i in rng.permutation(len(batches))]


def gather(sequences: Sequences, windows: Windows, wanted: NDArray[np.bool_] | None = None) -> Batch:
    """The items of a batch of windows; targets are those of their items that are `wanted` [interactions]."""
    step = np.arange(windows.lengths.max())[None, :]  # [1, length]
    real = step < windows.lengths[:, None]  # [windows, length]
    place = np.where(real, windows.starts[:, None] + step, 0)
    histories = np.where(real, sequences.items[place], PADDING).astype(np.int64)
    has_target = real & (step >= windows.contexts[:, None])
    after = np.where(real, place + 1, 0)  # [windows, length]
    if wanted is not None:
        has_target &= wanted[after]
    targets = np.where(has_target, sequences.items[after], PADDING).astype(np.int64)
    return Batch(histories, targets, after)


def gather_masked(
    sequences: Sequences,
    windows: Windows,
    share: float,
    rng: np.random.Generator,
    wanted: NDArray[np.bool_] | None = None,
) -> Batch:
    """The items of a batch of windows and the one after each, `share` of them masked; targets are the masked.

    Every window has at least one. Items that are context of their window are never targets, nor are those
    that are not `wanted` [interactions].
    """
    whole = Windows(windows.starts, windows.lengths + 1, windows.contexts)
    step = np.arange(whole.lengths.max())[None, :]  # [1, length]
    real = step < whole.lengths[:, None]  # [windows, length]
    place = np.where(real, whole.starts[:, None] + step, 0)  # [windows, length]
    items = np.where(real, sequences.items[place], PADDING)
    last = step == whole.lengths[:, None] - 1  # [windows, length]
    drawn = (rng.random(items.shape) < share) & real & (step >= whole.contexts[:, None])
    if wanted is not None:
        drawn &= wanted[place]
    alone = (rng.random(len(items)) < MASK_LAST_ALONE) | ~drawn.any(axis=1)  # [windows]
    masked = np.where(alone[:, None], last, drawn)
    targets = np.where(masked, items, PADDING).astype(np.int64)
    return Batch(np.where(masked, MASK, items).astype(np.int64), targets, place)


def _offsets(lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(lengths, dtype=np.int64)])


def _ranges(
    items: NDArray[np.int32], starts: NDArray[np.int64], lengths: NDArray[np.int64]
) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Items of the stretches `starts .. starts + lengths`, one after the other, and their offsets."""
    offsets = _offsets(lengths)
    place = np.arange(offsets[-1]) + np.repeat(starts - offsets[:-1], lengths)
    return items[place], offsets
