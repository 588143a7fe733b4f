"""What a bundle becomes in memory. Free of torch, so that evaluation and serving run the same code."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from models.bundle import ONNX_FILE, PADDING, BundleError, read_manifest


class Scorer(Protocol):
    """Scores every item of the vocabulary as the next one."""

    def score(self, histories: Sequence[NDArray[np.integer]]) -> NDArray[np.float32]:
        """Item indexes, oldest first, one array a user -> scores [users, n_items + 1].

        Column 0 (padding) is -inf. Seen items keep their scores: leaving them out is the caller's choice.
        An empty history is allowed only where the scorer needs none (popularity).
        """
        ...


def padded(histories: Sequence[NDArray[np.integer]], max_length: int) -> NDArray[np.int64]:
    """Histories of different lengths -> [users, longest], oldest item first, padded on the right.

    A history longer than `max_length` loses its oldest items. A causal network then never sees padding at or
    before a real position, so it needs no mask.
    """
    kept = [history[-max_length:] for history in histories]
    batch = np.full((len(kept), max([1, *map(len, kept)])), PADDING, dtype=np.int64)  # [users, length]
    for row, history in zip(batch, kept, strict=True):
        row[: len(history)] = history
    return batch


class OnnxScorer:
    """A network in onnxruntime: input `history` int64 [users, length], right-padded; output `scores`."""

    def __init__(self, folder: Path, threads: int | None = None) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or os.cpu_count() or 1
        options.inter_op_num_threads = 1
        try:
            self._session = onnxruntime.InferenceSession(
                str(folder / ONNX_FILE), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:
            raise BundleError(f"{folder / ONNX_FILE} cannot be loaded: {error}") from error
        self._max_length = read_manifest(folder).max_length

    def score(self, histories: Sequence[NDArray[np.integer]]) -> NDArray[np.float32]:
        batch = padded(histories, self._max_length)
        (scores,) = self._session.run(["scores"], {"history": batch})  # [users, n_items + 1]
        scores[:, PADDING] = -np.inf
        result: NDArray[np.float32] = scores
        return result


def open_scorer(folder: Path, threads: int | None = None) -> Scorer:
    """The scorer of a bundle; raises BundleError where the bundle is broken or of unknown architecture."""
    from models.baselines import BASELINES

    architecture = read_manifest(folder).architecture
    if architecture in BASELINES:
        load: Callable[[Path], Scorer] = BASELINES[architecture].load
        return load(folder)
    return OnnxScorer(folder, threads)
