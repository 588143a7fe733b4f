"""TIGER as it is served: the history in onnxruntime, the codes in NumPy."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file

from models.bundle.bundle import (
    ITEM_BIAS,
    ITEM_EMBEDDINGS,
    ONNX_FILE,
    WEIGHTS_FILE,
    BundleError,
    read_manifest,
)
from models.codes.decoder import TrieDecoder
from models.scorer import OnnxScorer

TIGER = "tiger"  # the architecture


class TigerScorer(OnnxScorer):
    """Exact scores of all items: log-probabilities of their codes, each given those before it.

    An item's embedding, for `similarities` alone, is the sum of those of its codes.
    """

    def __init__(
        self, model: bytes, weights: Mapping[str, NDArray[Any]], max_length: int, threads: int
    ) -> None:
        """Raises KeyError for weights without a decoder, ValueError for items with one code."""
        embeddings, bias = weights[ITEM_EMBEDDINGS], weights[ITEM_BIAS]
        super().__init__(model, embeddings, bias, max_length, threads, knows_content=True)
        self.decoder = TrieDecoder.of(weights)

    @classmethod
    def load(cls, folder: Path, threads: int = 1) -> Self:
        """Raises BundleError where the network or its weights cannot be loaded or do not fit each other."""
        manifest = read_manifest(folder)
        try:
            weights = load_file(folder / WEIGHTS_FILE)
            scorer = cls((folder / ONNX_FILE).read_bytes(), weights, manifest.max_length, threads)
        except Exception as error:  # onnxruntime raises its own kinds
            raise BundleError(f"The network in {folder} cannot be loaded: {error}") from error
        if not len(scorer.item_embeddings) - 1 == scorer.decoder.n_items == manifest.n_items:
            raise BundleError(
                f"The weights in {folder} are of {scorer.decoder.n_items} items, not {manifest.n_items}."
            )
        return scorer

    def score(self, histories: Sequence[NDArray[np.integer]]) -> NDArray[np.float32]:
        return self.decoder.score(self.encode(histories))

    def score_items(
        self, histories: Sequence[NDArray[np.integer]], items: NDArray[np.integer]
    ) -> NDArray[np.float32]:
        return self.score(histories)[:, items]
