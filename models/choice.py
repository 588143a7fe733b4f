"""What made people choose what they chose: the conditional logit (McFadden 1974)."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

MOST_CELLS = 4_000_000  # choices times items, so that what is held of them stays within some 200 MB


def likeliest(
    features: NDArray[np.floating],
    there: NDArray[np.bool_],
    chosen: NDArray[np.integer],
    start: NDArray[np.float64],
    bounds: Sequence[tuple[float | None, float | None]],
    decimals: int,
) -> tuple[NDArray[np.float64], float]:
    """The weights of features, within bounds, that make what was chosen likeliest, and that likelihood.

    `features` [choices, items, weights]; `there` [choices, items] are what could be chosen, `chosen`
    [choices] the place of what was. The chance of an item is proportional to exp(weights * features).
    Likelihood: mean logarithm, in nats a choice. Weights are rounded, so that sums in another order give the
    same.
    """
    from scipy.optimize import minimize

    row = np.arange(len(features))

    def loss(weights: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        scores = np.where(there, np.einsum("uim,m->ui", features, weights), -np.inf)
        scores -= scores.max(axis=1, keepdims=True)
        chances = np.exp(scores)  # [choices, items]
        total = chances.sum(axis=1)  # [choices]
        chances /= total[:, None]
        likely = scores[row, chosen] - np.log(total)  # [choices]
        surprise = features[row, chosen] - np.einsum("uim,ui->um", features, chances)
        return -float(likely.mean()), -surprise.mean(axis=0)

    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds)
    weights: NDArray[np.float64] = np.round(found.x, decimals)
    return weights, -loss(weights)[0]
