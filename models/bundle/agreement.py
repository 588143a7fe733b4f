"""When two forms of one model give the same scores: the one bound, wherever two forms are compared."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

TOLERANCE = 1e-3  # of a score; other processors, and other forms, add up in another order


def agree(
    scores: Sequence[float] | NDArray[np.floating], expected: Sequence[float], *, relative: bool = True
) -> bool:
    """Whether there are as many scores as expected, and each is within its `allowance`; never for NaN."""
    found, wanted = np.asarray(scores, np.float64), np.asarray(expected, np.float64)
    if found.shape != wanted.shape:
        return False
    return bool(np.all(np.abs(found - wanted) <= allowance(wanted, relative=relative)))


def allowance(expected: NDArray[np.float64], *, relative: bool = True) -> NDArray[np.float64]:
    """By how much a score may differ from the expected one: absolute, and relative to it on top.

    Absolute alone is for two forms on one machine, where no other processor adds up.
    """
    return TOLERANCE * (1 + np.abs(expected) * relative)
