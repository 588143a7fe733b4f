"""EASE: a linear model of which user has which items, in closed form."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from models.baselines.base import (
    NO_FACTS,
    Facts,
    NotApplicableError,
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

LARGEST_CATALOGUE = 16_384  # items; fitting holds one float32 matrix of items by items, 1 GiB at this size
WEIGHTS_KEPT = 200  # an item of the history; see docs/models.md for what leaving out the others costs
REGULARIZATIONS = (50.0, 200.0, 800.0)  # tried on validation


@dataclass(frozen=True, eq=False)
class Ease:
    """The score of an item is the sum of its weights from all items of the history, whatever their order.

    The weights are the least-squares reconstruction of who has what from what else they have, with an L2 norm
    and a diagonal of 0: B_ij = -P_ij / P_jj with P = (X'X + regularization * I)^-1 (Steck, "Embarrassingly
    Shallow Autoencoders for Sparse Data", WWW 2019, arXiv:1905.03375). An item keeps the WEIGHTS_KEPT weights
    of largest magnitude. Popularity orders the items that get none.
    """

    architecture: ClassVar[str] = "ease"
    max_length: ClassVar[int] = 500

    weights: ItemWeights
    regularization: float

    @classmethod
    def fit(cls, train: Sequences, validation: Holdout | None = None, facts: Facts = NO_FACTS) -> Self:
        """With the regularization best on validation by NDCG@10, else the one in the middle.

        Raises NotApplicableError for more than LARGEST_CATALOGUE items, ValueError without any interaction.
        """
        share = popularity(train)
        if train.n_items > LARGEST_CATALOGUE:
            raise NotApplicableError(
                f"{train.n_items:,} items are more than the {LARGEST_CATALOGUE:,} that fit into its memory"
            )
        if validation is None or len(validation) == 0:
            return cls(closed_form(train, share, REGULARIZATIONS[1]), REGULARIZATIONS[1])
        some = some_users(validation)
        made = (cls(closed_form(train, share, strength), strength) for strength in REGULARIZATIONS)
        return max(made, key=lambda ease: ndcg(ease, some))

    def refit(self, train: Sequences, facts: Facts = NO_FACTS) -> Self:
        made = closed_form(train, popularity(train), self.regularization)
        return type(self)(made, self.regularization)

    def score(self, histories: Sequence[NDArray[np.integer]]) -> NDArray[np.float32]:
        """Raises ValueError where a history holds an item outside the vocabulary."""
        owned = [np.unique(history[-self.max_length :]) for history in histories]
        return self.weights.score(owned, [np.ones(len(items)) for items in owned])

    def config(self) -> dict[str, Any]:
        return {"regularization": self.regularization, "weights_kept": WEIGHTS_KEPT}

    def save(self, folder: Path) -> None:
        regularization = np.array([self.regularization])
        save_weights(folder, self.weights.arrays() | {"regularization": regularization})

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Raises BundleError where the weights cannot be read or are not those of an EASE baseline."""
        with saved_weights(folder, cls.architecture) as weights:
            return cls(ItemWeights.from_arrays(weights), float(weights["regularization"][0]))


def closed_form(train: Sequences, share: NDArray[np.float32], regularization: float) -> ItemWeights:
    """The WEIGHTS_KEPT largest weights of each item."""
    from scipy.sparse import csr_array

    inverse = _inverse(train, regularization)  # [n_items, n_items]
    diagonal = np.diagonal(inverse).copy()  # [n_items]

    def blocks() -> Iterator["csr_array"]:
        yield csr_array((1, len(share)))  # padding
        for block in blocks_of_items(len(inverse)):
            rows = inverse[block] / -diagonal  # [block, n_items]
            rows[np.arange(len(rows)), np.arange(block.start, block.stop)] = 0
            yield largest_of_rows(_with_padding(rows), WEIGHTS_KEPT)

    return ItemWeights.of(share, blocks())


def _inverse(train: Sequences, regularization: float) -> NDArray[np.float32]:
    """(X'X + regularization * I)^-1, [n_items, n_items], in the memory of one such matrix."""
    from scipy.linalg.lapack import spotrf, spotri

    played = plays(train)[:, 1:]  # [users, n_items]
    matrix = np.empty((train.n_items, train.n_items), dtype=np.float32, order="F")
    for block in blocks_of_items(train.n_items):
        matrix[:, block] = (played[:, block].T @ played).toarray().T
    matrix[np.diag_indices(train.n_items)] += np.float32(regularization)
    factor, failed = spotrf(matrix, lower=True, overwrite_a=True)  # Cholesky: the matrix is positive definite
    inverse, failed_too = spotri(factor, lower=True, overwrite_c=True)
    if failed or failed_too:
        raise ValueError(f"The Gram matrix cannot be inverted with a regularization of {regularization}.")
    for block in blocks_of_items(train.n_items):  # LAPACK leaves the upper triangle
        inverse[: block.start, block] = inverse[block, : block.start].T
        corner = np.tril(inverse[block, block])
        inverse[block, block] = corner + np.tril(corner, -1).T
    result: NDArray[np.float32] = inverse
    return result


def _with_padding(rows: NDArray[np.float32]) -> "csr_array":
    """[rows, n_items] -> [rows, n_items + 1], column 0 without entries."""
    from scipy.sparse import csr_array

    n_rows, n_items = rows.shape
    columns = np.tile(np.arange(1, n_items + 1, dtype=np.int32), n_rows)
    starts = np.arange(n_rows + 1) * n_items
    return csr_array((rows.ravel(), columns, starts), shape=(n_rows, n_items + 1))
