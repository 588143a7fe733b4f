"""Does the order of a Steam library say when games were bought, beyond that app ids grow?

    python -m benchmarks.library_order

Two clocks that the order has not seen, on the shared part of the libraries: days of reviews, and what was
played in the two weeks before the crawl. Every pair of games of one user that a clock can tell apart is asked
whether the library has it in the clock's order, and whether app ids have. Intervals of 95 %, users drawn.
"""

import ast
import gzip
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations, product
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from models.evaluation.stats import SEED, bootstrap_interval

STEAM = Path(__file__).parents[2] / "shared" / "data" / "steam"
MOST_PAIRS = 30  # of a user by the two weeks, at random: who owns much does not outweigh others


@dataclass(frozen=True)
class Library:
    """The games of one user, in the library's order."""

    user: str
    ids: list[int]
    played: NDArray[np.int64]  # [games], minutes
    lately: NDArray[np.bool_]  # [games], in the two weeks before the crawl


Pair = tuple[str, bool, bool]  # whose, and whether library and ids have the later game later


def libraries() -> Iterator[Library]:
    with gzip.open(STEAM / "australian_users_items.part.json.gz", "rt", encoding="utf-8") as lines:
        for line in lines:
            read = ast.literal_eval(line)
            items = {
                int(item["item_id"]): item for item in reversed(read["items"])
            }  # the first of each counts
            ids = list(reversed(items))
            minutes, weeks = (
                np.array([items[i][name] for i in ids]) for name in ("playtime_forever", "playtime_2weeks")
            )
            yield Library(read["user_id"], ids, minutes, weeks > 0)


def by_reviews(library: Library, days: dict[int, str]) -> Iterator[Pair]:
    """Of two games with reviews of different days, the later one."""
    there = [(place, i) for place, i in enumerate(library.ids) if i in days]
    for (place, one), (other_place, other) in combinations(there, 2):
        if days[one] != days[other]:
            later = days[one] > days[other]
            yield library.user, (place > other_place) == later, (one > other) == later


def by_two_weeks(library: Library, rng: np.random.Generator) -> Iterator[Pair]:
    """Of two games, both played, the one that was played lately and not only before."""
    lately = np.flatnonzero(library.lately)
    before = np.flatnonzero(~library.lately & (library.played > 0))
    pairs = list(product(lately.tolist(), before.tolist()))
    some = rng.permutation(len(pairs))[:MOST_PAIRS].tolist()
    for one, other in (pairs[i] for i in some):
        yield library.user, one > other, library.ids[one] > library.ids[other]


def told(clock: str, pairs: list[Pair]) -> str:
    users, library, ids = (np.array(column) for column in zip(*pairs, strict=True))
    apart = library != ids
    return (
        f"{clock}: {len(pairs):,} pairs of {len(np.unique(users)):,} users; in the clock's order the library "
        f"has {_share(library, users)} of them, ids {_share(ids, users)}; where the two contradict each "
        f"other ({apart.sum():,} pairs of {len(np.unique(users[apart])):,} users) the library is right in "
        + _share(library[apart], users[apart])
    )


def _share(right: NDArray[np.bool_], users: NDArray[np.str_]) -> str:
    low, high = bootstrap_interval(right.astype(np.float64), seed=SEED, people=users)
    return f"{right.mean():.1%} ({low:.1%} to {high:.1%})"


def main() -> None:
    reviews = pq.read_table(STEAM / "reviews_dated.parquet", columns=["user_id", "item_id", "timestamp"])
    days: dict[str, dict[int, str]] = {}
    for user, item, day in zip(*(column.to_pylist() for column in reviews.columns), strict=True):
        days.setdefault(str(user), {})[int(item)] = str(day)
    rng = np.random.default_rng(SEED)
    dated, recent = list[Pair](), list[Pair]()
    for library in libraries():
        dated.extend(by_reviews(library, days.get(library.user, {})))
        recent.extend(by_two_weeks(library, rng))
    print(told("days of reviews", dated))
    print(told("two weeks before the crawl", recent))


if __name__ == "__main__":
    main()
