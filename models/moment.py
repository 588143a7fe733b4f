"""The moment of asking: for scorers whose answers depend on the day, such as by how new an item is."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

MS_A_SECOND, MS_A_DAY = 1000, 86_400_000


@dataclass(frozen=True, eq=False)
class Moment:
    """When each history is asked about, in milliseconds since 1970, UTC; and when it was played, if known."""

    asked_ms: NDArray[np.int64]  # [users]
    played_ms: NDArray[np.int64] | None = None  # times of plays, those of a history in a row
    starts: NDArray[np.int64] | None = None  # [users], where those of each history begin

    @property
    def days(self) -> NDArray[np.int64]:
        """The UTC day of each, counted from 1970-01-01, [users]."""
        return self.asked_ms // MS_A_DAY

    def rows(self, rows: NDArray[np.integer] | slice) -> Self:
        """The moments of some of the histories."""
        return type(self)(
            self.asked_ms[rows], self.played_ms, None if self.starts is None else self.starts[rows]
        )

    def since(self, histories: Sequence[NDArray[np.integer]]) -> list[NDArray[np.int64]] | None:
        """Whole seconds from each play of the histories to the asking, one array a user; None: not known."""
        if self.played_ms is None or self.starts is None:
            return None
        spans = zip(self.asked_ms, self.starts, map(len, histories), strict=True)
        return [
            np.maximum(asked - self.played_ms[start : start + length], 0) // MS_A_SECOND
            for asked, start, length in spans
        ]

    def without_plays(self) -> Self:
        """When it is asked alone: for histories some items of which were taken out."""
        return type(self)(self.asked_ms)

    @classmethod
    def all_at(cls, asked_ms: int, users: int) -> Self:
        """One moment for that many histories."""
        return cls(np.full(users, asked_ms, dtype=np.int64))
