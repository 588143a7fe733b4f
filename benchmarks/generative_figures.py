"""What `benchmarks.generative` has measured, as figures with intervals."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from benchmarks.contenders.common import unpacked
from benchmarks.generative import Result
from benchmarks.generative_rows import ROWS
from benchmarks.tomorrow import codes_in
from models.evaluation.metrics import per_user
from models.evaluation.stats import SEED, bootstrap_interval

DASH = "–"
Values = NDArray[np.float64]


@dataclass(frozen=True)
class Measured:
    """The results of one data set, as it was made last."""

    about: Mapping[str, Any]
    people: NDArray[np.int32]  # whose test play each is
    cold: NDArray[np.bool_]  # of an item without plays in training
    rows: Mapping[str, Sequence[Result]]  # one for each seed
    left_out: Mapping[str, str]  # row: why

    @classmethod
    def of(cls, data: str, results: Sequence[Result]) -> Self | None:
        """None where nothing is measured yet."""
        told = next((r for r in reversed(results) if r["data"] == data and "about" in r), None)
        if told is None:
            return None
        made = [r for r in results if r["data"] == data and r["made"] == told["made"]]
        about = told["about"]
        return cls(
            about,
            codes_in(about["people"]),
            unpacked(about["cold"]).astype(bool),
            {row: [r for r in made if r.get("row") == row and "ranks" in r] for row in ROWS},
            {r["row"]: r["left out"] for r in made if "left out" in r},
        )

    def mean(self, row: str, metric: str = "ndcg@10") -> Values:
        """Of each test play over the seeds, [plays]."""
        found = [per_user(metric, unpacked(r["ranks"])) for r in self.rows[row]]
        values: Values = np.mean(found, axis=0)
        return values

    def told(self, values: Values, of: NDArray[np.bool_] | None = None, sign: str = "") -> str:
        """The mean of values [plays] with its interval over users; `of` some of the plays."""
        people = self.people
        if of is not None:
            values, people = values[of], people[of]
        if not len(values):
            return DASH
        if len(np.unique(people)) < 2:
            return f"{values.mean():{sign}.4f}"
        low, high = bootstrap_interval(values, seed=SEED, people=people)
        return f"{values.mean():{sign}.4f} ({low:{sign}.4f} to {high:{sign}.4f})"

    def by_seed(self, row: str) -> str:
        """The least and the greatest mean of a seed."""
        return _range(self._means(row).values())

    def less(self, row: str, base: str) -> str:
        """The row minus another one, on the same test plays, and how far its seeds lie apart in it.

        Rows that share a seed are compared seed by seed; a row without seeds with each of the other's.
        """
        values = self.told(self.mean(row) - self.mean(base), sign="+")
        own, other = self._means(row), self._means(base)
        if ROWS[row].random and ROWS[base].random:
            return values + _range((own[seed] - other[seed] for seed in own.keys() & other.keys()), sign="+")
        return values + _range((a - b for a in own.values() for b in other.values()), sign="+")

    def _means(self, row: str) -> dict[int, float]:
        """NDCG@10 of each seed."""
        return {
            found["seed"]: float(per_user("ndcg@10", unpacked(found["ranks"])).mean())
            for found in self.rows[row]
        }


def _range(means: Iterable[float], sign: str = "") -> str:
    """Nothing where there is one at most."""
    found = [*means]
    return f", seeds {min(found):{sign}.4f} to {max(found):{sign}.4f}" if len(found) > 1 else ""
