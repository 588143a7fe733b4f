"""The content of items as short vectors: TF-IDF and a truncated SVD of it (latent semantic analysis)."""

import numpy as np
from numpy.typing import NDArray

from models.bundle.bundle import ItemTable
from models.content.features import table_features
from models.content.tfidf import TfIdf

WIDTH = 64
FEWEST = 2  # items with a feature: what one item alone has makes it like no other


def content_vectors(items: ItemTable, width: int = WIDTH) -> NDArray[np.float32] | None:
    """The vector of each item, [n_items + 1, at most width], of length 1; 0 where nothing is known of it.

    The cosine of two is how alike they are (Deerwester et al., JASIS 1990). None where no two items have
    anything in common. Needs SciPy.
    """
    from scipy.sparse import csr_array
    from scipy.sparse.linalg import svds

    features = table_features(items)
    tfidf = TfIdf.fit(features, FEWEST)
    found = tfidf.entries(features)
    shape = (found.n, len(tfidf.idf))
    if not len(found.rows):
        return None
    matrix = csr_array((found.weights, (found.rows, found.columns)), shape=shape)
    if min(shape) <= width:
        _, _, components = np.linalg.svd(matrix.toarray(), full_matrices=False)
    else:
        _, _, components = svds(matrix, k=width, v0=np.ones(min(shape)))  # a start of its own is random
    vectors = matrix @ components[-width:].T
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: NDArray[np.float32] = (vectors / np.where(lengths > 0, lengths, 1)).astype(np.float32)
    return unit
