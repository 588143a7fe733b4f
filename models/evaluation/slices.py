"""Slices of the test users, paired comparisons within them, and Holm's correction for making many."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from models.bundle.bundle import PADDING
from models.data import Sequences
from models.evaluation.stats import bootstrap_interval, by_person


@dataclass(frozen=True, eq=False)
class Slice:
    """Some of the test users. `kind` says what they are told apart by, `label` which of them these are."""

    kind: str
    label: str
    users: NDArray[np.bool_]  # [users]


@dataclass(frozen=True)
class Comparison:
    """Two models on the same plays; the difference is own minus other, with its 95 % interval.

    Without plays all figures are NaN; of one user there is no interval, and p is 1.
    """

    users: int
    own: float
    other: float
    difference: float
    low: float
    high: float
    p: float  # two-sided, of a paired t-test, not corrected
    plays: int = 0  # as many as users, or more


def all_slices(
    histories: Sequences,
    targets: NDArray[np.integer],
    trained: NDArray[np.integer],
    train: Sequences,
    counts: NDArray[np.integer],
    gaps: NDArray[np.integer] | None,
    units_a_second: float | None,
) -> list[Slice]:
    """Test users by length of history, being new, recency, popularity of the next item, and step to it.

    `histories`, `targets`, `trained` (items of each in training) and `gaps` (None without times) are [users];
    `counts` is [n_items + 1].
    """
    lengths = histories.lengths
    last = np.zeros(len(lengths), dtype=np.int32)  # [users], padding for an empty history
    last[lengths > 0] = histories.items[histories.offsets[1:][lengths > 0] - 1]
    return [
        *history_slices(lengths),
        *user_slices(trained),
        *(recency_slices(gaps, units_a_second) if gaps is not None else []),
        *popularity_slices(targets, counts),
        *transition_slices(train, last, targets),
    ]


def history_slices(lengths: NDArray[np.integer], parts: int = 4) -> list[Slice]:
    """Users by the length of their history, in about equal parts; `lengths` [users]."""
    kind = "length of the history"
    edges = np.unique(np.quantile(lengths, np.linspace(0, 1, parts + 1)[1:], method="lower"))  # upper ends
    part = np.searchsorted(edges, lengths)  # [users]
    slices = []
    for place in range(len(edges)):
        users = part == place
        low, high = int(lengths[users].min()), int(lengths[users].max())
        slices.append(Slice(kind, f"{low} items" if low == high else f"{low} to {high} items", users))
    return slices


def recency_slices(gaps: NDArray[np.integer], units_a_second: float | None, parts: int = 4) -> list[Slice]:
    """Users by the time between the play before and the next one, in about equal parts; `gaps` [users].

    Without a known unit the labels give plain numbers. None where all users are alike.
    """
    kind = "time since the play before"
    edges = np.unique(np.quantile(gaps, np.linspace(0, 1, parts + 1)[1:], method="lower"))  # upper ends
    if len(edges) < 2:
        return []
    part = np.searchsorted(edges, gaps)  # [users]
    ends = [duration(int(edge), units_a_second) for edge in edges[:-1]]
    between = [f"{low} to {high}" for low, high in pairwise(ends)]
    labels = [f"up to {ends[0]}", *between, f"more than {ends[-1]}"]
    return [Slice(kind, label, part == place) for place, label in enumerate(labels)]


def duration(units: int, units_a_second: float | None) -> str:
    """A length of time in the largest unit of which it has two or more; a plain number without unit."""
    if units_a_second is None:
        return f"{units:,}"
    seconds = units / units_a_second
    for name, length in (("years", 31_557_600), ("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:,.0f} {name}"
    return f"{seconds:,.0f} {'second' if round(seconds) == 1 else 'seconds'}"


def popularity_slices(targets: NDArray[np.integer], counts: NDArray[np.integer]) -> list[Slice]:
    """Users by the popularity of what they took next.

    `targets` [users] are item indexes and `counts` [n_items + 1] occurrences in training. Items are sorted by
    count and cut where they make up a third and two thirds of all occurrences; a target that training never
    saw is a slice of its own.
    """
    kind = "popularity of the next item"
    order = np.argsort(-counts[1:], kind="stable") + 1  # item indexes, most popular first
    before = np.cumsum(counts[order]) - counts[order]  # occurrences of more popular items
    third = np.empty(len(counts), dtype=np.int64)
    third[order] = np.minimum(3 * before // max(int(counts.sum()), 1), 2)
    third[counts == 0] = 3
    third[PADDING] = -1
    names = ("most popular", "in the middle", "rarely played", "never seen in training")
    slices = []
    for place, name in enumerate(names):
        items = int((third == place).sum())
        users = third[targets] == place
        if items and (place < 3 or users.any()):
            slices.append(Slice(kind, f"{name} ({items:,} {'item' if items == 1 else 'items'})", users))
    return slices


def user_slices(trained: NDArray[np.integer]) -> list[Slice]:
    """Users by whether training knows them, where there are both; `trained` [users] are items in training."""
    new = np.asarray(trained) == 0
    if not new.any() or new.all():
        return []
    kind = "user"
    return [Slice(kind, "known from training", ~new), Slice(kind, "new", new)]


def transition_slices(
    train: Sequences, last: NDArray[np.integer], targets: NDArray[np.integer]
) -> list[Slice]:
    """Users by whether anybody took the step from their last item to the next in training; both [users]."""
    kind = "step from the last item"
    width = train.n_items + 1
    follows = np.ones(len(train.items), dtype=np.bool_)
    follows[train.offsets[:-1][train.lengths > 0]] = False  # a user's first item follows nothing
    places = np.flatnonzero(follows)
    known = train.items[places - 1].astype(np.int64) * width + train.items[places]
    seen = np.isin(last.astype(np.int64) * width + targets, known)  # [users]
    return [Slice(kind, "taken in training too", seen), Slice(kind, "new", ~seen)]


def compare(
    own: NDArray[np.floating],
    other: NDArray[np.floating],
    *,
    seed: int,
    people: NDArray[np.generic] | None = None,
) -> Comparison:
    """The paired comparison of a metric a play, [plays] each.

    Where users have several plays, `people` [plays] says whose each is.
    """
    nan = float("nan")
    plays = len(own)
    if plays == 0:
        return Comparison(0, nan, nan, nan, nan, nan, p=1.0)
    users = plays if people is None else len(np.unique(people))
    differences = np.asarray(own, dtype=np.float64) - other  # [plays]
    low, high = bootstrap_interval(differences, seed=seed, people=people) if users > 1 else (nan, nan)
    return Comparison(
        users, float(np.mean(own)), float(np.mean(other)), float(differences.mean()), low, high,
        paired_p(differences, people), plays,
    )  # fmt: skip


def paired_p(differences: NDArray[np.floating], people: NDArray[np.generic] | None = None) -> float:
    """Two-sided p of Student's paired t-test that the mean difference [plays] is 0; 1 below two users.

    Where users have several plays, `people` [plays] says whose each is: the error of the mean is then that
    of a ratio over users (Cochran 1977, section 2.11).
    """
    from scipy.special import stdtr

    plays = len(differences)
    users = plays if people is None else len(np.unique(people))
    if users < 2:
        return 1.0
    mean = float(differences.mean())
    if people is None:
        error = float(differences.std(ddof=1)) / plays**0.5
    else:
        sums, counts = by_person(differences, people)
        error = float((sums - mean * counts).std(ddof=1)) * users**0.5 / plays
    if error == 0:
        return 1.0 if mean == 0 else 0.0
    return float(2 * stdtr(users - 1, -abs(mean / error)))


def holm(p_values: Sequence[float]) -> list[float]:
    """P values corrected for their number, in the order given (Holm, Scand. J. Statist. 1979).

    The chance that any true hypothesis falls below 0.05 is then 5 % at most, however many are asked.
    """
    corrected = [1.0] * len(p_values)
    largest = 0.0
    for place, i in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        largest = max(largest, min(1.0, (len(p_values) - place) * p_values[i]))
        corrected[i] = largest
    return corrected
