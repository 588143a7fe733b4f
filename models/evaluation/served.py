"""How near the lists that were served came to what was played next."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.evaluation.metrics import MISSED
from models.evaluation.stats import CONFIDENCE, RESAMPLES, SEED, bootstrap_interval

_CELLS = 1 << 22  # of the table of draws held in memory at once: 32 MiB


class Estimate(NamedTuple):
    """A mean over plays with its 95 % interval."""

    value: float
    low: float
    high: float


def places(lists: NDArray[np.str_], targets: NDArray[np.str_]) -> NDArray[np.int32]:
    """Rank of each target in its list, int32 [users]; MISSED where it is not in it.

    `lists` [users, k] are item ids, best first, empty where a list is short; `targets` [users].
    """
    found = lists == targets[:, None]  # [users, k]
    return np.where(found.any(axis=1), found.argmax(axis=1) + 1, MISSED).astype(np.int32)


def estimate(values: Sequence[NDArray[np.float64]], users: Sequence[NDArray[np.str_]]) -> Estimate:
    """The mean of the values of one cut [users], or of several, each with the users that they are of.

    Of one cut users are drawn with replacement; of several, users and cuts, each with all that is theirs, as
    the values of one user, and those of one cut, are alike (Owen, "The pigeonhole bootstrap", Annals of
    Applied Statistics 2007). Raises ValueError without any value.
    """
    everything = np.concatenate([np.asarray(some, dtype=np.float64) for some in values])
    if len(values) == 1:
        low, high = bootstrap_interval(everything, seed=SEED)
    else:
        low, high = _over_users_and_cuts(values, users)
    return Estimate(float(everything.mean()), low, high)


def _over_users_and_cuts(
    values: Sequence[NDArray[np.float64]], users: Sequence[NDArray[np.str_]]
) -> tuple[float, float]:
    _, user = np.unique(np.concatenate(users), return_inverse=True)  # [values]
    n, cuts = int(user.max()) + 1, len(values)
    sums, counts = np.zeros((n, cuts)), np.zeros((n, cuts))
    cut = np.repeat(np.arange(cuts), [len(some) for some in values])  # [values]
    np.add.at(sums, (user, cut), np.concatenate(values))
    np.add.at(counts, (user, cut), 1)
    rng, means = np.random.default_rng(SEED), []
    for start in range(0, RESAMPLES, rows := max(1, _CELLS // n)):
        drawn = min(rows, RESAMPLES - start)
        of_users = rng.multinomial(n, np.full(n, 1 / n), drawn)  # [drawn, users]
        of_cuts = rng.multinomial(cuts, np.full(cuts, 1 / cuts), drawn)  # [drawn, cuts]
        weights = ((of_users @ counts) * of_cuts).sum(axis=1)  # [drawn]
        means.append(((of_users @ sums) * of_cuts).sum(axis=1) / np.maximum(weights, 1))
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(np.concatenate(means), [tail, 1 - tail])
    return float(low), float(high)
