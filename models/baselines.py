"""What a network has to beat: popularity and a first-order Markov chain.

Opened by serving too: scoring and loading need NumPy and safetensors alone, and fitting alone needs SciPy.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol, Self

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from models.bundle import PADDING, WEIGHTS_FILE, BundleError, GoldenRequest, ItemTable, Manifest, write_bundle
from models.data import Holdout, Sequences
from models.evaluation.metrics import per_user, rank_targets, top_k

SMOOTHING = 10.0
SMOOTHINGS = (1.0, 50.0, 100.0, 200.0, 500.0)  # tried on validation
GOLDEN_LENGTHS = (1, 2, 5, 20)


class Baseline(Protocol):
    """A scorer (models.scorer.Scorer) that is fitted by counting, saved and loaded."""

    architecture: ClassVar[str]
    max_length: ClassVar[int]

    @classmethod
    def fit(cls, train: Sequences, validation: Holdout | None = None) -> Self: ...
    def score(self, histories: Sequence[NDArray[np.integer]]) -> NDArray[np.float32]: ...
    def config(self) -> dict[str, Any]: ...
    def save(self, folder: Path) -> None: ...
    @classmethod
    def load(cls, folder: Path) -> Self: ...


@dataclass(frozen=True, eq=False)
class Popularity:
    """The score of an item is its share of the interactions in training, whoever asks."""

    architecture: ClassVar[str] = "popularity"
    max_length: ClassVar[int] = 0

    share: NDArray[np.float32]  # [n_items + 1]

    @classmethod
    def fit(cls, train: Sequences, validation: Holdout | None = None) -> Self:
        """Count; there is nothing to choose on validation. Raises ValueError without any interaction."""
        return cls(_popularity(train))

    def score(self, histories: Sequence[NDArray[np.integer]]) -> NDArray[np.float32]:
        scores = np.tile(self.share, (len(histories), 1))  # [users, n_items + 1]
        scores[:, PADDING] = -np.inf
        return scores

    def config(self) -> dict[str, Any]:
        return {}

    def save(self, folder: Path) -> None:
        _save(folder, {"share": self.share})

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Raises BundleError where the weights cannot be read or are not those of a popularity baseline."""
        with _weights(folder, cls.architecture) as weights:
            return cls(_vector(weights["share"], np.float32))


@dataclass(frozen=True, eq=False)
class Markov:
    """Probability of the next item given the last one, backed off to popularity.

    P(j | i) = (count(i, j) + s * popularity(j)) / (count(i) + s), a Dirichlet prior of strength s centred on
    popularity (MacKay and Peto 1995, "A hierarchical Dirichlet language model"). Popularity thus orders the
    items that never followed i, and breaks ties among those that did equally often. Counts are of consecutive
    pairs within a user; an empty history is scored by popularity.
    """

    architecture: ClassVar[str] = "markov"
    max_length: ClassVar[int] = 1

    share: NDArray[np.float32]  # [n_items + 1], popularity
    back_off: NDArray[np.float32]  # [n_items + 1], s / (count(i) + s)
    starts: NDArray[
        np.int64
    ]  # [n_items + 2], row i of the CSR matrix is its stretch starts[i]..starts[i + 1]
    followers: NDArray[np.int32]  # [pairs], items j
    gains: NDArray[np.float32]  # [pairs], count(i, j) / (count(i) + s)
    smoothing: float

    @classmethod
    def fit(
        cls, train: Sequences, validation: Holdout | None = None, *, smoothing: float | None = None
    ) -> Self:
        """Count pairs, with the smoothing given, or else the one of SMOOTHINGS best on validation by NDCG@10.

        Raises ValueError without any interaction or for a smoothing of 0 or less.
        """
        if smoothing is not None or validation is None or len(validation) == 0:
            return cls._count(train, SMOOTHING if smoothing is None else smoothing)
        return max((cls._count(train, s) for s in SMOOTHINGS), key=lambda chain: _ndcg(chain, validation))

    def score(self, histories: Sequence[NDArray[np.integer]]) -> NDArray[np.float32]:
        """Raises ValueError where a history ends with an item outside the vocabulary."""
        last = np.array([h[-1] if len(h) else PADDING for h in histories], dtype=np.int64)  # [users]
        if len(last) and not 0 <= last.min() <= last.max() < len(self.share):
            raise ValueError(f"A history holds an item outside 1..{len(self.share) - 1}.")
        scores = self.back_off[last, None] * self.share  # [users, n_items + 1]
        lengths = self.starts[last + 1] - self.starts[last]
        rows = np.repeat(np.arange(len(last)), lengths)  # [pairs of these users]
        ends = np.cumsum(lengths)
        pairs = np.arange(len(rows)) + np.repeat(self.starts[last] - (ends - lengths), lengths)
        scores[rows, self.followers[pairs]] += self.gains[pairs]
        scores[:, PADDING] = -np.inf
        return scores

    def config(self) -> dict[str, Any]:
        return {"smoothing": self.smoothing}

    def save(self, folder: Path) -> None:
        _save(folder, {**vars(self), "smoothing": np.array([self.smoothing])})

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Raises BundleError where the weights cannot be read or are not those of a Markov chain."""
        with _weights(folder, cls.architecture) as weights:
            share = _vector(weights["share"], np.float32)
            starts = _vector(weights["starts"], np.int64, len(share) + 1)
            followers = _vector(weights["followers"], np.int32, int(starts[-1]))
            if starts[0] != 0 or np.any(np.diff(starts) < 0):
                raise ValueError("its rows do not follow each other")
            if np.any((followers < 1) | (followers >= len(share))):
                raise ValueError("it names an item outside its vocabulary")
            return cls(
                share,
                _vector(weights["back_off"], np.float32, len(share)),
                starts,
                followers,
                _vector(weights["gains"], np.float32, len(followers)),
                float(weights["smoothing"][0]),
            )

    @classmethod
    def _count(cls, train: Sequences, smoothing: float) -> Self:
        from scipy.sparse import coo_array

        if not smoothing > 0:
            raise ValueError(f"The smoothing of the Markov chain must be above 0, got {smoothing}.")
        share = _popularity(train)
        within = np.ones(len(train.items), dtype=np.bool_)  # False where an item is the last of its user
        within[train.offsets[1:][train.lengths > 0] - 1] = False
        place = np.flatnonzero(within)
        ends = (train.items[place], train.items[place + 1])
        counts = coo_array(
            (np.ones(len(place)), ends), shape=(len(share), len(share))
        ).tocsr()  # sums equal pairs
        counts.sort_indices()
        total = counts.sum(axis=1) + smoothing  # [n_items + 1]
        return cls(
            share,
            (smoothing / total).astype(np.float32),
            counts.indptr.astype(np.int64),
            counts.indices.astype(np.int32),
            (counts.data / np.repeat(total, np.diff(counts.indptr))).astype(np.float32),
            smoothing,
        )


BASELINES: dict[str, type[Popularity] | type[Markov]] = {"popularity": Popularity, "markov": Markov}


def baseline_bundle(
    folder: Path,
    baseline: Baseline,
    items: ItemTable,
    *,
    data_fingerprint: str,
    code_version: str,
    source: str,
    split: str,
    metrics: Mapping[str, float],
    k: int = 10,
) -> Manifest:
    """Write a whole bundle: weights, manifest, item table, and golden requests with their best `k` items.

    `metrics` are those on validation. Golden histories are drawn by popularity; answers leave seen items out.
    """
    manifest = Manifest(
        architecture=baseline.architecture,
        n_items=items.n_items,
        max_length=baseline.max_length,
        vocabulary_hash=items.vocabulary_hash(),
        data_fingerprint=data_fingerprint,
        code_version=code_version,
        source=source,
        split=split,
        config=baseline.config(),
        metrics=dict(metrics),
    )
    write_bundle(folder, manifest, items, _golden_requests(baseline, items, k))
    baseline.save(folder)
    return manifest


def _golden_requests(baseline: Baseline, items: ItemTable, k: int) -> list[GoldenRequest]:
    rng = np.random.default_rng(0)
    weights = np.maximum(items.counts[1:], 1) / np.maximum(items.counts[1:], 1).sum()  # [n_items]
    lengths = sorted({max(1, min(length, items.n_items - k)) for length in GOLDEN_LENGTHS})
    drawn = [1 + rng.choice(items.n_items, length, replace=False, p=weights) for length in lengths]
    best, scores = top_k(
        baseline, Sequences.from_lists([h.tolist() for h in drawn], items.n_items), k
    )  # [golden, k] each
    return [
        GoldenRequest(history.tolist(), row[row != PADDING].tolist(), row_scores[row != PADDING].tolist())
        for history, row, row_scores in zip(drawn, best, scores, strict=True)
    ]


def _popularity(train: Sequences) -> NDArray[np.float32]:
    if len(train.items) == 0:
        raise ValueError("A baseline cannot be fitted: the training part holds no interaction.")
    counts = train.counts()
    share: NDArray[np.float32] = (counts / counts.sum()).astype(np.float32)  # [n_items + 1]
    return share


def _ndcg(scorer: Baseline, holdout: Holdout) -> float:
    return float(per_user("ndcg@10", rank_targets(scorer, holdout)).mean())


def _save(folder: Path, weights: dict[str, NDArray[Any]]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / WEIGHTS_FILE).write_bytes(save(weights))  # no metadata: its order would differ from run to run


@contextmanager
def _weights(folder: Path, architecture: str) -> Iterator[dict[str, NDArray[Any]]]:
    """The saved arrays; whatever the caller finds wrong with them becomes a BundleError too."""
    path = folder / WEIGHTS_FILE
    try:
        yield load_file(path)
    except (OSError, SafetensorError, KeyError, IndexError, ValueError) as error:
        raise BundleError(
            f"{path} does not hold the weights of a {architecture} baseline ({error})."
        ) from error


def _vector(values: NDArray[Any], dtype: type[np.generic], length: int | None = None) -> NDArray[Any]:
    if (
        values.ndim != 1
        or values.dtype != dtype
        or len(values) != (len(values) if length is None else length)
    ):
        raise ValueError(f"an array has shape {values.shape} and type {values.dtype}")
    return values
