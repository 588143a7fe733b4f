"""What a ranker knows of items: when they were played, their price, age, and content."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from models.baselines.base import Facts
from models.bundle.attributes import NUMBER
from models.bundle.bundle import WEIGHTS_FILE, BundleError, ItemTable
from models.content.likeness import release_days
from models.content.vectors import content_vectors
from models.data import Sequences

MS_A_MINUTE = 60_000
MINUTES_A_DAY = 1440
PRICE = "price"  # the attribute
_SHIFT = 32  # bits of a minute in a key


@dataclass(frozen=True, eq=False)
class ItemFacts:
    """What is known of each item. Where the times of the plays are no clock, `minutes` is empty."""

    counts: NDArray[np.int64]  # [n_items + 1], plays that were learned from
    minutes: NDArray[np.int32]  # [plays], since 1970, UTC: item by item, oldest first
    price: NDArray[np.float32]  # [n_items + 1]; NaN: not known
    released: NDArray[np.float32]  # [n_items + 1], days since 1970; NaN: not known
    vectors: NDArray[np.float32]  # [n_items + 1, width], of length 1 or 0; width 0: no content

    @classmethod
    def of(cls, train: Sequences, facts: Facts, vectors: NDArray[np.float32]) -> Self:
        """Of the plays of `train`, at the times in `facts`."""
        minutes = np.empty(0, dtype=np.int32)
        if facts.newest_ms is not None:
            assert facts.times is not None and facts.units_a_second is not None
            played = np.maximum(facts.times / (60 * facts.units_a_second), 0).astype(np.int32)  # [plays]
            minutes = played[np.lexsort((played, train.items))]
        items = facts.items
        unknown = np.full(train.n_items + 1, np.nan, dtype=np.float32)
        return cls(
            train.counts(),
            minutes,
            unknown if items is None else _prices(items),
            unknown if items is None else release_days(items).astype(np.float32),
            vectors,
        )

    @property
    def n_items(self) -> int:
        return len(self.counts) - 1

    @property
    def clock(self) -> bool:
        """Whether it is known when the plays were."""
        return len(self.minutes) > 0

    @cached_property
    def newest(self) -> int:
        """Minute of the newest play."""
        return int(self.minutes.max(initial=0))

    def plays_before(self, items: NDArray[np.integer], minute: NDArray[np.int64]) -> NDArray[np.int64]:
        """How often each item [users, n] had been played before the minute of each user, [users]."""
        asked = (items.astype(np.int64) << _SHIFT) + np.maximum(minute, 0)[:, None]
        found: NDArray[np.int64] = np.searchsorted(self._keys, asked) - self._starts[items]
        return found

    def all_before(self, minute: NDArray[np.int64]) -> NDArray[np.int64]:
        """Plays of all items before each minute, [users]."""
        return np.searchsorted(self._sorted, minute)

    def minute_of(self, items: NDArray[np.integer], play: NDArray[np.int64]) -> NDArray[np.float64]:
        """When each item was played for that time, the first being 0; NaN where it was not."""
        there = (play >= 0) & (play < self.counts[items])
        place = np.where(there, self._starts[items] + play, 0)
        found: NDArray[np.float64] = np.where(there, self.minutes[place], np.nan)
        return found

    @cached_property
    def _starts(self) -> NDArray[np.int64]:
        return np.append(0, np.cumsum(self.counts))  # [n_items + 2]

    @cached_property
    def _keys(self) -> NDArray[np.int64]:
        """Item and minute of each play in one number, rising."""
        return (np.repeat(np.arange(len(self.counts)), self.counts) << _SHIFT) + self.minutes

    @cached_property
    def _sorted(self) -> NDArray[np.int32]:
        return np.sort(self.minutes)

    def save(self, folder: Path) -> None:
        arrays = {name: np.ascontiguousarray(getattr(self, name)) for name in self.__dataclass_fields__}
        folder.mkdir(parents=True, exist_ok=True)
        (folder / WEIGHTS_FILE).write_bytes(save(arrays))

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Raises BundleError where the arrays cannot be read or do not fit each other."""
        try:
            facts = cls(**load_file(folder / WEIGHTS_FILE))
            n = len(facts.counts)
            fit = {len(facts.price), len(facts.released), len(facts.vectors)} == {n}
            if not fit or len(facts.minutes) not in (0, facts.counts.sum()) or facts.vectors.ndim != 2:
                raise ValueError("its arrays are of different items")
        except (OSError, SafetensorError, TypeError, ValueError) as error:
            raise BundleError(
                f"{folder / WEIGHTS_FILE} does not hold what a ranker knows ({error})."
            ) from error
        return facts


def vectors_of(items: ItemTable) -> NDArray[np.float32]:
    """Content vectors [n_items + 1, width]; width 0 where no two items have anything in common."""
    found = content_vectors(items)
    return np.zeros((len(items.ids), 0), dtype=np.float32) if found is None else found


def _prices(items: ItemTable) -> NDArray[np.float32]:
    prices = items.attributes.get(PRICE)
    values = prices.values if prices is not None and prices.kind == NUMBER else [None] * len(items.ids)
    return np.array([np.nan if value is None else value for value in values], dtype=np.float32)
