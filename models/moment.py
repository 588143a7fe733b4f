"""The moment of asking: for scorers whose answers depend on the day, such as by how new an item is."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

MS_A_DAY = 86_400_000


@dataclass(frozen=True, eq=False)
class Moment:
    """When each history is asked about, in milliseconds since 1970, UTC."""

    asked_ms: NDArray[np.int64]  # [users]

    @property
    def days(self) -> NDArray[np.int64]:
        """The UTC day of each, counted from 1970-01-01, [users]."""
        return self.asked_ms // MS_A_DAY

    def rows(self, rows: NDArray[np.integer] | slice) -> Self:
        """The moments of some of the histories."""
        return type(self)(self.asked_ms[rows])

    @classmethod
    def all_at(cls, asked_ms: int, users: int) -> Self:
        """One moment for that many histories."""
        return cls(np.full(users, asked_ms, dtype=np.int64))
