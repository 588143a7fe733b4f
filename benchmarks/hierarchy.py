"""Bootstrap intervals over users and seeds: what another training and other people could have given."""

import numpy as np
from numpy.typing import NDArray

from models.evaluation.stats import CONFIDENCE, RESAMPLES

Gains = NDArray[np.float64]  # [seeds, users], a metric of each user, of each training


def hierarchical_interval(
    gains: Gains, against: Gains | None = None, *, seed: int = 0
) -> tuple[float, float]:
    """Two-sided 95 % percentile interval of the mean, or of the mean difference to `against`.

    Each resample draws trainings with replacement, of either model by itself, and users with replacement,
    the same for all trainings (Bouthillier et al., MLSys 2021, on sources of variance). Drawing from n seeds
    shows (n - 1) / n of their variance, so the drawn mean is moved away from that of all seeds by the factor
    sqrt(n / (n - 1)) (Efron and Tibshirani 1993, chapter 5). One seed says nothing of seeds. Raises
    ValueError where the two have not the same users.
    """
    if against is not None and against.shape[1] != gains.shape[1]:
        raise ValueError(f"{gains.shape[1]} users and {against.shape[1]}: both models need the same.")
    rng = np.random.default_rng(seed)
    users = gains.shape[1]
    means = np.zeros(RESAMPLES)
    for i in range(RESAMPLES):
        counts = np.bincount(
            rng.integers(0, users, users), minlength=users
        )  # [users], how often each is drawn
        means[i] = _drawn(gains, counts, rng)
        if against is not None:
            means[i] -= _drawn(against, counts, rng)
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(means, [tail, 1 - tail])
    return float(low), float(high)


def _drawn(gains: Gains, counts: NDArray[np.int64], rng: np.random.Generator) -> float:
    """The mean over drawn trainings and these users."""
    trainings = gains @ counts / counts.sum()  # [seeds]
    n = len(trainings)
    if n == 1:
        return float(trainings[0])
    drawn = trainings[rng.integers(0, n, n)].mean()
    return float(trainings.mean() + (drawn - trainings.mean()) * np.sqrt(n / (n - 1)))
