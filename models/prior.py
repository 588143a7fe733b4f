"""Recent popularity that moves between two trainings: what has been played since counts at once."""

from collections.abc import Mapping
from dataclasses import astuple, dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

PRIOR = "prior"  # among the weights of a model that moves; in the config of older blends


@dataclass(frozen=True)
class Prior:
    """What shares of recent popularity stand for; a play counts half for each half-life of its age.

    Raises ValueError for a number that is not above 0.
    """

    newest_ms: int  # time of the newest play that was learned from, since the epoch, UTC
    half_life_ms: float
    plays: float  # that were learned from, each counted by its age at that time

    def __post_init__(self) -> None:
        if not (self.newest_ms > 0 and 0 < self.half_life_ms < np.inf and 0 < self.plays < np.inf):
            raise ValueError("its prior has a number that is not above 0")

    def moved(
        self, share: NDArray[np.float32], items: NDArray[np.int64], played_ms: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        """The shares [n_items + 1] with later plays of these items [plays] at these times [plays]."""
        newest = max(self.newest_ms, int(played_ms.max(initial=0)))
        before = share * (self.plays * 0.5 ** ((newest - self.newest_ms) / self.half_life_ms))
        weights = 0.5 ** ((newest - played_ms) / self.half_life_ms)
        counts = before + np.bincount(items, weights, minlength=len(share))
        moved: NDArray[np.float32] = (counts / counts.sum()).astype(np.float32)
        return moved

    def array(self) -> dict[str, NDArray[np.float64]]:
        """For the weights of a bundle."""
        return {PRIOR: np.array(astuple(self))}

    @classmethod
    def among(cls, weights: Mapping[str, NDArray[Any]]) -> Self | None:
        """The one in the weights of a bundle, None where it has none. Raises ValueError for a broken one."""
        if PRIOR not in weights:
            return None
        newest_ms, half_life_ms, plays = weights[PRIOR].tolist()
        return cls(int(newest_ms), half_life_ms, plays)

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Self | None:
        """The one in the config of a blend, None where it has none. Raises ValueError for a broken one."""
        if (given := config.get(PRIOR)) is None:
            return None
        try:
            return cls(**given)
        except TypeError as error:
            raise ValueError(f"its prior is not understood ({error})") from error
