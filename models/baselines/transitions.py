"""What comes within some plays of the last items of a history: a Markov chain that remembers ten items."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from models.baselines.base import (
    NO_FACTS,
    Facts,
    ndcg,
    one_by_one,
    popularity,
    save_weights,
    saved_weights,
    some_users,
    vector,
)
from models.baselines.item_weights import ItemWeights, largest_of_rows
from models.data import Holdout, Sequences, answers

if TYPE_CHECKING:
    from scipy.sparse import csr_array

REACH = 20  # plays after an item that may count as its followers
KEPT = 200  # largest weights of an item
OPTIONS: dict[str, tuple[float, ...]] = {  # tried on validation, one setting after the other
    "out_power": (0.5, 0.7, 0.9),
    "decay": (0.2, 0.4, 0.6, 0.8),
    "closeness": (0.0, 0.5, 0.9),
    "backward": (0.0, 0.5),
    "in_power": (0.0, 0.2),
    "smoothing": (1.0, 10.0, 100.0),
}


class Settings(NamedTuple):
    decay: float = 0.6  # an item of the history counts so much for each item after it
    closeness: float = 0.9  # a pair counts so much for each item between the two
    backward: float = 0.0  # what a pair counts the other way round
    out_power: float = 0.5  # of how often an item begins a pair, by which its counts are divided
    in_power: float = 0.0  # of how popular the other item is, by which the count is divided
    smoothing: float = 10.0  # followers that popularity stands for


@dataclass(frozen=True, eq=False)
class Transitions:
    """The score of an item is what followed the last items of the history, older ones counting less.

    count(i, j) sums `closeness` ** (items between) over the pairs of a user with i before j, no more than
    REACH apart, and `backward` times the same for j before i. The weight of j after i is
    count(i, j) / (count(i) + smoothing) ** out_power / popularity(j) ** in_power, plus
    smoothing / (count(i) + smoothing) ** out_power times popularity(j): with decay, closeness, backward and
    in_power 0 and out_power 1 this is the Markov chain. A lower out_power lets the items that many people
    play say more, as more plays stand behind what they say. An item keeps its KEPT largest. Where seen items
    are no answers, what a user had already is never the second of a pair. Popularity orders what is left.
    """

    architecture: ClassVar[str] = "transitions"
    max_length: ClassVar[int] = 10

    weights: ItemWeights
    back_off: NDArray[np.float32]  # [n_items + 1], smoothing / (count(i) + smoothing) ** out_power
    settings: Settings

    @classmethod
    def fit(cls, train: Sequences, validation: Holdout | None = None, facts: Facts = NO_FACTS) -> Self:
        """With the settings of OPTIONS best on validation by NDCG@10, else the usual ones.

        Raises ValueError without any interaction.
        """
        counted = Counted(train, facts)
        if validation is None or len(validation) == 0:
            return cls.of(counted, Settings())
        return cls.of(counted, chosen(counted, some_users(validation)))

    def refit(self, train: Sequences, facts: Facts = NO_FACTS) -> Self:
        return self.of(Counted(train, facts), self.settings)

    @classmethod
    def of(cls, counted: "Counted", settings: Settings) -> Self:
        matrix, back_off = counted.weighted(settings)
        return cls(ItemWeights.of(counted.share, iter([largest_of_rows(matrix, KEPT)])), back_off, settings)

    def score(self, histories: Sequence[NDArray[np.integer]]) -> NDArray[np.float32]:
        """Raises ValueError where a history holds an item outside the vocabulary."""
        newest = [history[-self.max_length :] for history in histories]
        factors = [self.settings.decay ** np.arange(len(history) - 1, -1, -1.0) for history in newest]
        scores = self.weights.score(newest, factors)
        for row, history, factor in zip(scores, newest, factors, strict=True):
            row[1:] += np.float32(factor @ self.back_off[history]) * self.weights.share[1:]
        return scores

    def config(self) -> dict[str, Any]:
        return {"reach": REACH, "kept": KEPT, **self.settings._asdict()}

    def save(self, folder: Path) -> None:
        save_weights(folder, self.arrays())

    def arrays(self) -> dict[str, NDArray[Any]]:
        return self.weights.arrays() | {"back_off": self.back_off, "settings": np.array(self.settings)}

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Raises BundleError where the weights cannot be read or are not those of such a baseline."""
        with saved_weights(folder, cls.architecture) as weights:
            return cls.from_arrays(weights)

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Raises KeyError, IndexError or ValueError where the arrays are not those of such a baseline."""
        kept = ItemWeights.from_arrays(arrays)
        settings = vector(arrays["settings"], np.float64, len(Settings._fields))
        back_off = vector(arrays["back_off"], np.float32, len(kept.share))
        return cls(kept, back_off, Settings(*settings.tolist()))


def chosen(counted: "Counted", validation: Holdout) -> Settings:
    """The best of OPTIONS on validation by NDCG@10, one setting after the other."""

    def value(tried: dict[str, float]) -> float:
        return ndcg(Transitions.of(counted, Settings(**tried)), validation)

    return Settings(**one_by_one(Settings()._asdict(), OPTIONS, value))


class Counted:
    """The pairs of items within REACH plays of one user, counted once for each closeness that is tried."""

    def __init__(self, train: Sequences, facts: Facts) -> None:
        """Raises ValueError without any interaction."""
        self.train = train
        self.wanted = answers(train, facts.exclude_seen)  # [interactions]
        self.share = popularity(train, None if self.wanted is None else self.wanted.astype(np.float64))
        self._made: dict[float, csr_array] = {}

    def pairs(self, closeness: float) -> "csr_array":
        """[n_items + 1, n_items + 1], row i and column j: how often, and how closely, j came after i."""
        if closeness not in self._made:
            self._made[closeness] = self._count(closeness)
        return self._made[closeness]

    def weighted(self, settings: Settings) -> "tuple[csr_array, NDArray[np.float32]]":
        """What each item adds to the score of each other, and of popularity: see Transitions."""
        matrix = self.pairs(settings.closeness).astype(np.float64)  # a copy
        if settings.backward:
            matrix = (matrix + settings.backward * matrix.T).tocsr()
        begun = matrix.sum(axis=1) + settings.smoothing  # [n_items + 1]
        row = np.repeat(np.arange(len(begun)), np.diff(matrix.indptr))  # [entries]
        matrix.data /= (begun**settings.out_power)[row]
        if settings.in_power:
            popular = self.share[matrix.indices] * self.train.n_items  # [entries], 1 on average, above 0
            matrix.data /= popular**settings.in_power
        return matrix, (settings.smoothing / begun**settings.out_power).astype(np.float32)

    def _count(self, closeness: float) -> "csr_array":
        from scipy.sparse import coo_array, csr_array

        train, shape = self.train, (self.train.n_items + 1, self.train.n_items + 1)
        owner = np.repeat(np.arange(len(train)), train.lengths)  # [interactions]
        total = csr_array(shape, dtype=np.float32)
        for apart in range(1, min(REACH, int(train.lengths.max()) - 1) + 1):
            weight = closeness ** (apart - 1)  # 0 ** 0 is 1: neighbours alone
            if weight == 0:
                break
            (place,) = np.nonzero(owner[apart:] == owner[:-apart])
            if self.wanted is not None:
                place = place[self.wanted[place + apart]]
            ends = (train.items[place], train.items[place + apart])
            weights = np.full(len(place), weight, dtype=np.float32)
            total = total + coo_array((weights, ends), shape=shape).tocsr()  # sums equal pairs
        total.sort_indices()
        return total
