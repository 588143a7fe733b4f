"""Test plays told apart: of known and new users, of known and new items, and by the days since the cut."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.evaluation.metrics import per_user
from models.evaluation.slices import Slice
from models.evaluation.stats import SEED, bootstrap_interval

SECONDS_A_DAY = 86_400
DAYS = ((0, 1), (2, 7), (8, 30))  # since the cut, the first and the last; later ones are one more cohort
KINDS = ("user", "item", "days since the cut")
FIRST_PLAYS = "new, at the first play"  # the cohort of users with nothing before the play; it is judged apart


class Figures(NamedTuple):
    """NDCG@10 of some plays, NaN without any, and its 95 % interval over users, NaN for a single one."""

    plays: int
    users: int
    ndcg: float
    low: float
    high: float


def cohorts(
    trained: NDArray[np.integer],
    played: NDArray[np.integer],
    days: NDArray[np.integer] | None,
) -> list[Slice]:
    """The cohorts that have plays; each play is in one of each kind.

    `trained` [plays] is how many plays of its user were trained on, `played` [plays] how many of its item,
    `days` [plays] how many whole days after the cut it was; None where there are no days.
    """
    user, item, since = KINDS
    found = [
        Slice(user, "known from training", trained > 0),
        Slice(user, "new", trained == 0),
        Slice(item, "known from training", played > 0),
        Slice(item, "new", played == 0),
    ]
    if days is not None:
        ends = [*(last for _, last in DAYS)]
        part = np.searchsorted(ends, days)  # [plays]
        labels = [f"{first} to {last}" for first, last in DAYS] + [f"more than {ends[-1]}"]
        found += [Slice(since, label, part == place) for place, label in enumerate(labels)]
    return [cohort for cohort in found if cohort.users.any()]


def days_since(cut: int, times: NDArray[np.integer], units_a_second: float) -> NDArray[np.int64]:
    """Whole days from the cut to each time, int64 [plays]; both in the same unit."""
    return ((times - cut) // int(SECONDS_A_DAY * units_a_second)).astype(np.int64)


def figures(ranks: NDArray[np.integer], people: NDArray[np.generic]) -> Figures:
    """Of the ranks of some plays [plays] and whose each is."""
    nan = float("nan")
    users = len(np.unique(people))
    if not users:
        return Figures(0, 0, nan, nan, nan)
    values = per_user("ndcg@10", ranks)
    several = people if users < len(people) else None
    low, high = bootstrap_interval(values, seed=SEED, people=several) if users > 1 else (nan, nan)
    return Figures(len(ranks), users, float(values.mean()), low, high)


def apart(
    ranks: NDArray[np.integer], people: NDArray[np.generic], some: Sequence[Slice]
) -> list[tuple[Slice, Figures]]:
    """The figures of each cohort, of ranks [plays] and whose each is."""
    return [(cohort, figures(ranks[cohort.users], people[cohort.users])) for cohort in some]
