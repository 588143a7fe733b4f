"""Bootstrap intervals of a mean over users, and the difference that a paired test can detect."""

from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 2_000
CONFIDENCE = 0.95
SEED = 0  # of every bootstrap that a table or a verdict stands on
_CELLS = 1 << 22  # of the resampling table held in memory at once: 32 MiB


def bootstrap_interval(
    values: NDArray[np.floating],
    *,
    confidence: float = CONFIDENCE,
    resamples: int = RESAMPLES,
    seed: int,
    people: NDArray[np.generic] | None = None,
) -> tuple[float, float]:
    """Two-sided percentile interval of the mean of `values` [users] (Efron and Tibshirani 1993, chapter 13).

    For a paired comparison give the difference of each user. Users are drawn with replacement. Where some
    have several values, `people` [values] says whose each is: a person is then drawn with all of them, for
    they are alike (Davison and Hinkley 1997, section 3.8).

    Raises ValueError for no users or a value that is no finite number.
    """
    values = np.asarray(values, dtype=np.float64)
    if len(values) == 0 or not np.isfinite(values).all():
        raise ValueError("An interval needs at least one value, and finite ones only.")
    distinct, counts = np.unique(values, return_counts=True)
    rng = np.random.default_rng(seed)
    if people is not None:
        means = _drawn_by_person(*by_person(values, people), resamples, rng)
    elif 4 * len(distinct) < len(values):
        means = _drawn_by_value(distinct, counts, resamples, rng)
    else:
        means = _drawn_by_user(np.repeat(distinct, counts), resamples, rng)  # sorted: the order has no say
    tail = (1 - confidence) / 2
    low, high = np.quantile(means, [tail, 1 - tail])
    return float(low), float(high)


def _drawn_by_value(
    distinct: NDArray[np.float64], counts: NDArray[np.int64], resamples: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Means [resamples], by how often each distinct value is drawn, which is multinomial.

    The same distribution as drawing users, and ten times as fast for a rank metric at cutoff k: its
    differences take at most (k + 1)^2 values, however many users there are.
    """
    users = int(counts.sum())
    sums = [
        rng.multinomial(users, counts / users, size=rows) @ distinct  # [rows, distinct] @ [distinct]
        for rows in _chunks(resamples, len(distinct))
    ]
    return np.concatenate(sums) / users


def _drawn_by_user(
    values: NDArray[np.float64], resamples: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    users = len(values)
    return np.concatenate(
        [
            values[rng.integers(0, users, size=(rows, users), dtype=np.int32)].mean(axis=1)
            for rows in _chunks(resamples, users)
        ]
    )


def by_person(
    values: NDArray[np.floating], people: NDArray[np.generic]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """The sum of each person's values and their number, [people] both, in order of the ids."""
    _, person = np.unique(people, return_inverse=True)  # [values]
    return np.bincount(person, values).astype(np.float64), np.bincount(person).astype(np.int64)


def _drawn_by_person(
    sums: NDArray[np.float64], counts: NDArray[np.int64], resamples: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    n = len(sums)
    means = []
    for rows in _chunks(resamples, n):
        drawn = rng.integers(0, n, size=(rows, n), dtype=np.int32)
        means.append(sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1))
    return np.concatenate(means)


def _chunks(resamples: int, width: int) -> list[int]:
    """Rows a time, so that a table of `width` columns stays within _CELLS."""
    rows = max(1, _CELLS // width)
    return [min(rows, resamples - done) for done in range(0, resamples, rows)]


def detectable_difference(
    differences: NDArray[np.floating],
    *,
    confidence: float = CONFIDENCE,
    power: float,
    people: NDArray[np.generic] | None = None,
) -> float:
    """Smallest true mean difference that a paired test of these users finds with probability `power`.

    `differences` [users] is one model minus the other. The test asks whether one end of the two-sided
    interval at `confidence` lies beyond a bound, so it errs with (1 - confidence) / 2. Normal approximation:
    (z(1 - alpha) + z(power)) * standard deviation / sqrt(users) (Cohen 1988, chapter 2); infinite for fewer
    than 2 users. `people` as in `bootstrap_interval`: the error is then that of a mean over clusters.
    """
    if len(differences) < 2:
        return float("inf")
    normal = NormalDist()
    quantiles = normal.inv_cdf((1 + confidence) / 2) + normal.inv_cdf(power)
    if people is None:
        return float(quantiles * np.std(differences, ddof=1) / np.sqrt(len(differences)))
    sums, counts = by_person(differences, people)
    if len(sums) < 2:
        return float("inf")
    off = sums - counts * (sums.sum() / counts.sum())  # [people]
    return float(quantiles * np.std(off, ddof=1) * np.sqrt(len(sums)) / counts.sum())
