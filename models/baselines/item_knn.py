"""Item-kNN over sessions: items that were played by the same people as those of the history, newest first."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from models.baselines.base import (
    NO_FACTS,
    Facts,
    ndcg,
    popularity,
    save_weights,
    saved_weights,
    some_users,
)
from models.baselines.item_weights import ItemWeights, blocks_of_items, largest_of_rows, plays
from models.data import Holdout, Sequences

if TYPE_CHECKING:
    from scipy.sparse import csr_array

NEIGHBOURS = 100
SHRINKAGES = (10.0, 50.0, 200.0)  # tried on validation
DECAYS = (1.0, 0.8, 0.6, 0.4)


@dataclass(frozen=True, eq=False)
class ItemKnn:
    """The score of an item is its similarity to the items of the history, older ones counting less.

    similarity(i, j) = users of both / (sqrt(users of i * users of j) + shrinkage): the cosine of who played
    what (Sarwar et al., WWW 2001), shrunk so that few users in common count less (Bell and Koren, ICDM 2007).
    An item keeps its NEIGHBOURS nearest. The newest item of a history counts 1, the one before it `decay`,
    the one before that `decay` ** 2, and so on, as in session kNN (Ludewig and Jannach, UMUAI 2018).
    Popularity orders the items that are near to none.
    """

    architecture: ClassVar[str] = "item_knn"
    max_length: ClassVar[int] = 50

    neighbours: ItemWeights
    shrinkage: float
    decay: float

    @classmethod
    def fit(cls, train: Sequences, validation: Holdout | None = None, facts: Facts = NO_FACTS) -> Self:
        """With the shrinkage and decay best on validation by NDCG@10, else those in the middle.

        Raises ValueError without any interaction.
        """
        if validation is None or len(validation) == 0:
            return cls(nearest(train, SHRINKAGES[1]), SHRINKAGES[1], DECAYS[1])
        some = some_users(validation)
        near = {shrinkage: nearest(train, shrinkage) for shrinkage in SHRINKAGES}
        made = (cls(near[shrinkage], shrinkage, decay) for shrinkage, decay in product(near, DECAYS))
        return max(made, key=lambda knn: ndcg(knn, some))

    def refit(self, train: Sequences, facts: Facts = NO_FACTS) -> Self:
        return type(self)(nearest(train, self.shrinkage), self.shrinkage, self.decay)

    def score(self, histories: Sequence[NDArray[np.integer]]) -> NDArray[np.float32]:
        """Raises ValueError where a history holds an item outside the vocabulary."""
        newest = [history[-self.max_length :] for history in histories]
        factors = [self.decay ** np.arange(len(history) - 1, -1, -1.0) for history in newest]
        return self.neighbours.score(newest, factors)

    def config(self) -> dict[str, Any]:
        return {"neighbours": NEIGHBOURS, "shrinkage": self.shrinkage, "decay": self.decay}

    def save(self, folder: Path) -> None:
        settings = {"shrinkage": np.array([self.shrinkage]), "decay": np.array([self.decay])}
        save_weights(folder, self.neighbours.arrays() | settings)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Raises BundleError where the weights cannot be read or are not those of an item-kNN baseline."""
        with saved_weights(folder, cls.architecture) as weights:
            neighbours = ItemWeights.from_arrays(weights)
            return cls(neighbours, float(weights["shrinkage"][0]), float(weights["decay"][0]))


def nearest(train: Sequences, shrinkage: float) -> ItemWeights:
    """The NEIGHBOURS most similar items of each item, with their similarity; never the item itself."""
    share = popularity(train)
    played = plays(train)  # [users, n_items + 1]
    users = played.sum(axis=0)  # [n_items + 1]

    def blocks() -> Iterator["csr_array"]:
        for block in blocks_of_items(len(share)):
            both = (played[:, block].T @ played).tocsr()  # [block, n_items + 1]
            row = block.start + np.repeat(np.arange(both.shape[0]), np.diff(both.indptr))  # [entries]
            both.data = both.data / (np.sqrt(users[row] * users[both.indices]) + shrinkage)
            both.data[row == both.indices] = 0
            yield largest_of_rows(both, NEIGHBOURS)

    return ItemWeights.of(share, blocks())
