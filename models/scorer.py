"""What a bundle becomes in memory. Free of torch, so that evaluation and serving run the same code."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Protocol, Self, cast, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from safetensors import safe_open

from models.bundle.bundle import (
    ITEM_BIAS,
    ITEM_EMBEDDINGS,
    ONNX_FILE,
    PADDING,
    WEIGHTS_FILE,
    BundleError,
    read_manifest,
)
from models.moment import Moment
from models.prior import Prior
from models.repeats import Repeats, is_of_repeats


class Scorer(Protocol):
    """Scores every item of the vocabulary as the next one."""

    def score(self, histories: Sequence[NDArray[np.integer]]) -> NDArray[np.float32]:
        """Item indexes, oldest first, one array a user -> scores [users, n_items + 1].

        Column 0 (padding) is -inf. Seen items keep their scores: leaving them out is the caller's choice.
        An empty history is allowed only where the scorer needs none (popularity).
        """
        ...


@runtime_checkable
class TimedScorer(Scorer, Protocol):
    """A scorer whose answers depend on when it is asked, too. Without a moment it answers as trained."""

    def score_at(self, histories: Sequence[NDArray[np.integer]], moment: Moment) -> NDArray[np.float32]:
        """As `score`; an item that is not there yet at that moment is scored -inf."""
        ...


@runtime_checkable
class MovingScorer(Scorer, Protocol):
    """A scorer with recent popularity in it, in which plays can count that are later than its training."""

    @property
    def prior(self) -> Prior | None:
        """What its shares stand for; None where it cannot be moved."""
        ...

    def moved(self, items: NDArray[np.int64], played_ms: NDArray[np.int64]) -> Self:
        """Of what was trained, with later plays of these items [plays] at these times [plays]."""
        ...


def scores_at(
    scorer: Scorer, histories: Sequence[NDArray[np.integer]], moment: Moment | None
) -> NDArray[np.float32]:
    """The scores at a moment, where one is known and the scorer looks at it; [users, n_items + 1]."""
    if moment is not None and hasattr(scorer, "score_at"):  # isinstance of a protocol takes 30 µs
        timed = cast(TimedScorer, scorer)
        return timed.score_at(histories, moment)
    return scorer.score(histories)


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
    """A network that encodes histories in onnxruntime; scores are products with its item embeddings.

    The graph's input is `history` int64 [users, length], right-padded, its output `state` float32
    [users, width]. The products are NumPy's: what is asked of few items costs no product with all of them.
    """

    knows_content: bool = False  # what it says of an item without plays comes from its content

    def __init__(
        self,
        model: bytes,
        item_embeddings: NDArray[np.float32],  # [n_items + 1, width]
        item_bias: NDArray[np.float32],  # [n_items + 1]
        max_length: int,
        threads: int,
        repeats: Repeats | None = None,
        knows_content: bool = False,
    ) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        self.item_embeddings = item_embeddings
        self._item_bias = item_bias
        self._max_length = max_length
        self._repeats = repeats
        self.knows_content = knows_content

    @classmethod
    def load(cls, folder: Path, threads: int = 1) -> Self:
        """Raises BundleError where the network or its weights cannot be loaded or do not fit each other."""
        manifest = read_manifest(folder)
        try:
            model = (folder / ONNX_FILE).read_bytes()
            with safe_open(folder / WEIGHTS_FILE, framework="numpy") as weights:
                embeddings, bias = weights.get_tensor(ITEM_EMBEDDINGS), weights.get_tensor(ITEM_BIAS)
                names = [name for name in weights.keys() if is_of_repeats(name)]  # noqa: SIM118
                repeats = Repeats.of({name: weights.get_tensor(name) for name in names})
            knows_content = bool(manifest.config.get("content") or manifest.config.get("codes"))
            scorer = cls(model, embeddings, bias, manifest.max_length, threads, repeats, knows_content)
        except Exception as error:  # onnxruntime raises its own kinds
            raise BundleError(f"The network in {folder} cannot be loaded: {error}") from error
        if not len(embeddings) == len(bias) == manifest.n_items + 1:
            raise BundleError(
                f"The weights in {folder} are of {len(embeddings) - 1} items, not {manifest.n_items}."
            )
        return scorer

    def encode(self, histories: Sequence[NDArray[np.integer]]) -> NDArray[np.float32]:
        """Item indexes, oldest first, one array a user -> states [users, width]."""
        (states,) = self._session.run(["state"], {"history": padded(histories, self._max_length)})
        result: NDArray[np.float32] = states
        return result

    def score(self, histories: Sequence[NDArray[np.integer]]) -> NDArray[np.float32]:
        states = self.encode(histories)  # [users, width]
        scores: NDArray[np.float32] = states @ self.item_embeddings.T
        scores += self._item_bias  # [users, n_items + 1]
        if self._repeats:
            self._repeats.add(scores, self._looked_at(histories), states)
        scores[:, PADDING] = -np.inf
        return scores

    def similarities(self, item: int) -> NDArray[np.float32]:
        """The cosine of every item's embedding with that of one item, [n_items + 1]; padding's is 0."""
        cosines: NDArray[np.float32] = self.item_embeddings @ self.item_embeddings[item]
        cosines /= np.maximum(self._lengths * self._lengths[item], np.finfo(np.float32).tiny)
        return cosines

    @cached_property
    def _lengths(self) -> NDArray[np.float32]:
        lengths: NDArray[np.float32] = np.linalg.norm(self.item_embeddings, axis=1)  # [n_items + 1]
        return lengths

    def score_items(
        self, histories: Sequence[NDArray[np.integer]], items: NDArray[np.integer]
    ) -> NDArray[np.float32]:
        """The scores of some items alone, [users, len(items)]."""
        states = self.encode(histories)  # [users, width]
        scores: NDArray[np.float32] = states @ self.item_embeddings[items].T
        scores += self._item_bias[items]
        if self._repeats:
            self._repeats.add(scores, self._looked_at(histories), states, items)
        return scores

    def _looked_at(self, histories: Sequence[NDArray[np.integer]]) -> list[NDArray[np.integer]]:
        return [history[history != PADDING][-self._max_length :] for history in histories]
