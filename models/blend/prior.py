"""Recent popularity that moves between two trainings: what has been played since counts at once."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

PRIOR = "prior"  # in the config of a blend; its fields


@dataclass(frozen=True)
class Prior:
    """What shares of recent popularity stand for; a play counts half for each half-life of its age."""

    newest_ms: int  # time of the newest play that was learned from, since the epoch, UTC
    half_life_ms: float
    plays: float  # that were learned from, each counted by its age at that time

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

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Self | None:
        """The one in the config of a blend, None where it has none. Raises ValueError for a broken one."""
        if (given := config.get(PRIOR)) is None:
            return None
        try:
            prior = cls(**given)
            sound = prior.newest_ms > 0 and 0 < prior.half_life_ms < np.inf and 0 < prior.plays < np.inf
        except TypeError as error:
            raise ValueError(f"its prior is not understood ({error})") from error
        if not sound:
            raise ValueError("its prior has a number that is not above 0")
        return prior
