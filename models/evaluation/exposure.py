"""What a model shows to all users together: how evenly, how well known, and how like another model."""

import numpy as np
from numpy.typing import NDArray

from models.bundle.bundle import PADDING


def gini(items: NDArray[np.integer], n_items: int) -> float:
    """Gini coefficient of how often each item of the catalogue is shown; 0 is evenly, near 1 always the same.

    `items` [users, k], 0 where a list is short. With the n counts sorted, x_1 the smallest, it is
    sum((2 i - n - 1) x_i) / (n sum(x)) (Sen 1973, "On Economic Inequality"). NaN where nothing is shown.
    """
    shown = np.sort(np.bincount(items[items != PADDING], minlength=n_items + 1)[1:])  # [n_items]
    if not shown.sum():
        return float("nan")
    weights = 2 * np.arange(1, n_items + 1) - n_items - 1  # [n_items]
    return float((weights * shown).sum() / (n_items * shown.sum()))


def novelty(items: NDArray[np.integer], counts: NDArray[np.integer]) -> float:
    """Mean self-information of the items shown, in bits: -log2 of an item's share of training.

    (Zhou et al. 2010, "Solving the apparent diversity-accuracy dilemma of recommender systems".) One more bit
    means half as well known. `items` [users, k]; `counts` [n_items + 1], to which 1 is added, so that an item
    never seen has a share. NaN where nothing is shown.
    """
    smoothed = counts[1:] + 1.0  # [n_items]
    bits = np.append(np.nan, -np.log2(smoothed / smoothed.sum()))  # [n_items + 1]
    shown = items[items != PADDING]
    return float(bits[shown].mean()) if len(shown) else float("nan")


def overlap(items: NDArray[np.integer], others: NDArray[np.integer]) -> float:
    """Mean share of a user's list that another model's list holds too, in any order; [users, k] each.

    An item comes once in a list. NaN where the lists show nothing.
    """
    real = items != PADDING
    common = (items[:, :, None] == others[:, None, :]).any(axis=2) & real  # [users, k]
    some = real.any(axis=1)
    if not some.any():
        return float("nan")
    return float((common.sum(axis=1)[some] / real.sum(axis=1)[some]).mean())
