"""How far what happens today is from what a model learned from, and what chance alone would give.

Two distributions are compared by the Jensen-Shannon divergence in bits (Lin, "Divergence measures based on
the Shannon entropy", 1991): with m = (p + q) / 2 it is KL(p, m) / 2 + KL(q, m) / 2, which is 0 where they
are equal, 1 where they share nothing, and defined where one of them is 0. A day has few plays and a catalogue
many items, so it is not 0 without any drift: `chance` is what 95 of 100 samples of the same size from the
training data stay below. A shift counts when it is above that and above a bound that a person cares about.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.evaluation.stats import CONFIDENCE

DRAWS = 200
MOST_PLAYED = 200  # items that are compared one by one; the others together
SCORE_PARTS = 10


@dataclass(frozen=True)
class Shift:
    """One comparison of a day with the training data.

    Of two distributions `value` is the divergence and `chance` what chance alone gives; of a rate it is the
    rate, with its interval. NaN stands for what a kind does not have.
    """

    measure: str
    n: int  # plays, requests or recommendations of the day
    value: float
    bound: float
    chance: float = float("nan")
    low: float = float("nan")
    high: float = float("nan")

    @property
    def drifted(self) -> bool:
        """Surely above the bound."""
        if np.isnan(self.chance):
            return self.low > self.bound
        return self.value > max(self.bound, self.chance)


def compare(
    measure: str, training: NDArray[np.integer], today: NDArray[np.integer], bound: float, seed: int = 0
) -> Shift:
    """Two histograms over the same bins, [bins] counts each. Raises ValueError where one is empty."""
    if len(training) != len(today) or training.sum() == 0 or today.sum() == 0:
        raise ValueError(f"{measure}: two histograms over the same bins are needed, and both with something.")
    p, n = training / training.sum(), int(today.sum())
    rng = np.random.default_rng(seed)
    samples = [divergence(p, rng.multinomial(n, p)) for _ in range(DRAWS)]
    return Shift(measure, n, divergence(p, today), bound, chance=float(np.quantile(samples, CONFIDENCE)))


def divergence(p: NDArray[np.number], q: NDArray[np.number]) -> float:
    """Jensen-Shannon divergence in bits, 0 to 1, of two histograms [bins]."""
    from scipy.spatial.distance import jensenshannon  # takes a second to import

    return float(jensenshannon(p, q, base=2) ** 2)


def rate(measure: str, times: int, n: int, bound: float) -> Shift:
    """A share with its Wilson interval (Wilson, 1927), against a bound. Raises ValueError for n = 0."""
    low, high = share_interval(times, n)
    return Shift(measure, n, times / n, bound, low=low, high=high)


def share_interval(times: int, n: int) -> tuple[float, float]:
    """The Wilson interval of a share at 95 %. Raises ValueError for n = 0."""
    from scipy.stats import binomtest

    found = binomtest(times, n).proportion_ci(CONFIDENCE, method="wilson")
    return float(found.low), float(found.high)


def item_bins(counts: NDArray[np.integer]) -> NDArray[np.int64]:
    """The bin of each item, [n_items + 1]: the most played alone, the others together, index 0 for unknown.

    `counts` [n_items + 1] are occurrences in training. Items that training never saw count as unknown.
    """
    order = np.argsort(-counts[1:], kind="stable") + 1  # item indexes, most played first
    bins = np.empty(len(counts), dtype=np.int64)
    bins[order] = np.minimum(np.arange(len(order)), MOST_PLAYED) + 1
    bins[counts == 0] = 0
    bins[0] = 0
    return bins


def length_bins(lengths: NDArray[np.integer]) -> NDArray[np.int64]:
    """Bins 0, 1 to 2, 3 to 6, 7 to 14, ... items of history before a play."""
    bins: NDArray[np.int64] = np.floor(np.log2(lengths + 1)).astype(np.int64)
    return bins


def score_bins(scores: NDArray[np.floating], training: NDArray[np.floating]) -> NDArray[np.int64]:
    """Bins at the deciles of the scores that the model gives to the training data."""
    edges = np.unique(np.quantile(training, np.linspace(0, 1, SCORE_PARTS + 1)[1:-1]))
    bins: NDArray[np.int64] = np.searchsorted(edges, scores, side="right")
    return bins
