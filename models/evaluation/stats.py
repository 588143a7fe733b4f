"""Bootstrap intervals of a mean over users, and the difference that a paired test can detect."""

from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 2_000
CONFIDENCE = 0.95
_CELLS = 1 << 22  # of the resampling table held in memory at once: 32 MiB


def bootstrap_interval(
    values: NDArray[np.floating], *, confidence: float = CONFIDENCE, resamples: int = RESAMPLES, seed: int
) -> tuple[float, float]:
    """Two-sided percentile interval of the mean of `values` [users] (Efron and Tibshirani 1993, chapter 13).

    For a paired comparison give the difference of each user. Users are drawn with replacement; users of equal
    value are exchangeable, so only how often each distinct value is drawn matters, and that is multinomial. A
    rank metric at cutoff k has at most (k + 1)^2 distinct differences, however many users there are.

    Raises ValueError for no users or a value that is no finite number.
    """
    values = np.asarray(values, dtype=np.float64)
    if len(values) == 0 or not np.isfinite(values).all():
        raise ValueError("An interval needs at least one value, and finite ones only.")
    distinct, counts = np.unique(values, return_counts=True)
    rng = np.random.default_rng(seed)
    chunk = max(1, _CELLS // len(distinct))
    means = np.concatenate(
        [
            rng.multinomial(len(values), counts / len(values), size=min(chunk, resamples - done)) @ distinct
            for done in range(0, resamples, chunk)
        ]
    )  # [resamples], sums so far
    tail = (1 - confidence) / 2
    low, high = np.quantile(means / len(values), [tail, 1 - tail])
    return float(low), float(high)


def detectable_difference(
    differences: NDArray[np.floating], *, confidence: float = CONFIDENCE, power: float
) -> float:
    """Smallest true mean difference that a paired test of these users finds with probability `power`.

    `differences` [users] is one model less the other. The test asks whether one end of the two-sided interval
    at `confidence` lies beyond a bound, so it errs with (1 - confidence) / 2. Normal approximation:
    (z(1 - alpha) + z(power)) * standard deviation / sqrt(users) (Cohen 1988, chapter 2); infinite for fewer
    than 2 users.
    """
    if len(differences) < 2:
        return float("inf")
    normal = NormalDist()
    quantiles = normal.inv_cdf((1 + confidence) / 2) + normal.inv_cdf(power)
    return float(quantiles * np.std(differences, ddof=1) / np.sqrt(len(differences)))
