"""The content of items as short vectors: TF-IDF and a truncated SVD of it (latent semantic analysis)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from models.bundle.bundle import ItemTable
from models.content.features import table_features
from models.content.tfidf import TfIdf

WIDTH = 64
FEWEST = 2  # items with a feature: what one item alone has makes it like no other


@dataclass(frozen=True, eq=False)
class ContentSpace:
    """How vectors are made of items, kept apart from any items: other items get vectors to compare."""

    tfidf: TfIdf
    components: NDArray[np.float64]  # [at most width, features]

    @classmethod
    def fit(cls, items: ItemTable, width: int = WIDTH) -> Self | None:
        """None where no two items have anything in common. Needs SciPy."""
        from scipy.sparse.linalg import svds

        features = table_features(items)
        tfidf = TfIdf.fit(features, FEWEST)
        matrix = _matrix(tfidf, features)
        if not matrix.nnz:
            return None
        if min(matrix.shape) <= width:
            _, _, components = np.linalg.svd(matrix.toarray(), full_matrices=False)
        else:
            start = np.ones(min(matrix.shape))  # one of its own is random
            _, _, components = svds(matrix, k=width, v0=start)
        return cls(tfidf, components[-width:])

    def vectors(self, items: ItemTable) -> NDArray[np.float32]:
        """The vector of each item, [n_items + 1, width], of length 1; 0 where nothing is known of it."""
        vectors = _matrix(self.tfidf, table_features(items)) @ self.components.T
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        unit: NDArray[np.float32] = (vectors / np.where(lengths > 0, lengths, 1)).astype(np.float32)
        return unit


def content_vectors(items: ItemTable, width: int = WIDTH) -> NDArray[np.float32] | None:
    """The vector of each item, [n_items + 1, at most width], of length 1; 0 where nothing is known of it.

    The cosine of two is how alike they are (Deerwester et al., JASIS 1990). None where no two items have
    anything in common. Needs SciPy.
    """
    space = ContentSpace.fit(items, width)
    return None if space is None else space.vectors(items)


def _matrix(tfidf: TfIdf, features: Sequence[Sequence[str]]) -> Any:
    """TF-IDF of the features of each item, sparse, [items, features]."""
    from scipy.sparse import csr_array

    found = tfidf.entries(features)
    return csr_array((found.weights, (found.rows, found.columns)), shape=(found.n, len(tfidf.idf)))
