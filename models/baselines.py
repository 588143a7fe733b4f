"""What a network has to beat: popularity and a first-order Markov chain.

Opened by serving too: scoring and loading need NumPy and safetensors alone, and fitting alone needs SciPy.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from models.bundle import PADDING, WEIGHTS_FILE, BundleError, GoldenRequest, ItemTable, Manifest, write_bundle
from models.data import Holdout, Sequences
from models.evaluation.metrics import per_user, rank_targets, top_k

SMOOTHINGS = (1.0, 50.0, 100.0, 200.0, 500.0)  # tried on validation


class Baseline(Protocol):
    """A scorer (models.scorer.Scorer) that is fitted by counting, saved and loaded."""

    architecture: str
    max_length: int

    def fit(self, train: Sequences, validation: Holdout | None = None) -> Self: ...
    def score(self, histories: Sequence[NDArray[np.integer]]) -> NDArray[np.float32]: ...
    def config(self) -> dict[str, Any]: ...
    def save(self, folder: Path) -> None: ...
    @classmethod
    def load(cls, folder: Path) -> Self: ...


class Popularity:
    """The score of an item is its share of the interactions in training, whoever asks."""

    architecture = "popularity"
    max_length = 0

    _share: NDArray[np.float32]  # [n_items + 1]

    def fit(self, train: Sequences, validation: Holdout | None = None) -> Self:
        """Count; there is nothing to choose on validation. Raises ValueError without any interaction."""
        self._share = _popularity(train)
        return self

    def score(self, histories: Sequence[NDArray[np.integer]]) -> NDArray[np.float32]:
        scores = np.tile(self._share, (len(histories), 1))  # [users, n_items + 1]
        scores[:, PADDING] = -np.inf
        return scores

    def config(self) -> dict[str, Any]:
        return {}

    def save(self, folder: Path) -> None:
        _save(folder, {"share": self._share})

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Raises BundleError where the weights cannot be read or are not those of a popularity baseline."""
        baseline = cls()
        with _weights(folder, cls.architecture) as weights:
            baseline._share = _vector(weights["share"], np.float32)
        return baseline


class Markov:
    """Probability of the next item given the last one, backed off to popularity.

    P(j | i) = (count(i, j) + s * popularity(j)) / (count(i) + s), a Dirichlet prior of strength s centred on
    popularity (MacKay and Peto 1995, "A hierarchical Dirichlet language model"). Popularity thus orders the
    items that never followed i, and breaks ties among those that did equally often. Counts are of consecutive
    pairs within a user.
    """

    architecture = "markov"
    max_length = 1

    _share: NDArray[np.float32]  # [n_items + 1]
    _back_off: NDArray[np.float32]  # [n_items + 1], s / (count(i) + s); 1 for padding: nothing known
    _starts: NDArray[
        np.int64
    ]  # [n_items + 2], row i of the CSR matrix is its stretch starts[i]..starts[i + 1]
    _followers: NDArray[np.int32]  # [pairs], items j
    _gains: NDArray[np.float32]  # [pairs], count(i, j) / (count(i) + s)
    smoothing: float

    def __init__(self, smoothing: float = 10.0) -> None:
        if not smoothing > 0:
            raise ValueError(f"The smoothing of the Markov chain must be above 0, got {smoothing}.")
        self.smoothing = smoothing

    def fit(self, train: Sequences, validation: Holdout | None = None) -> Self:
        """Count pairs; with `validation`, keep the smoothing of SMOOTHINGS with the best NDCG@10 there.

        Raises ValueError without any interaction.
        """
        if validation is None or len(validation) == 0:
            return self._count(train)
        ndcg = {s: _ndcg(type(self)(s)._count(train), validation) for s in SMOOTHINGS}
        self.smoothing = max(SMOOTHINGS, key=ndcg.__getitem__)
        return self._count(train)

    def score(self, histories: Sequence[NDArray[np.integer]]) -> NDArray[np.float32]:
        last = np.array([h[-1] if len(h) else PADDING for h in histories], dtype=np.int64)  # [users]
        if len(last) and not 0 <= last.min() <= last.max() < len(self._share):
            raise ValueError(f"A history holds an item outside 1..{len(self._share) - 1}.")
        scores = self._back_off[last, None] * self._share  # [users, n_items + 1]
        lengths = self._starts[last + 1] - self._starts[last]
        rows = np.repeat(np.arange(len(last)), lengths)  # [pairs of these users]
        ends = np.cumsum(lengths)
        pairs = np.arange(len(rows)) + np.repeat(self._starts[last] - (ends - lengths), lengths)
        scores[rows, self._followers[pairs]] += self._gains[pairs]
        scores[:, PADDING] = -np.inf
        return scores

    def config(self) -> dict[str, Any]:
        return {"smoothing": self.smoothing}

    def save(self, folder: Path) -> None:
        _save(
            folder,
            {
                "share": self._share,
                "back_off": self._back_off,
                "starts": self._starts,
                "followers": self._followers,
                "gains": self._gains,
                "smoothing": np.array([self.smoothing]),
            },
        )

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Raises BundleError where the weights cannot be read or are not those of a Markov chain."""
        with _weights(folder, cls.architecture) as weights:
            chain = cls(float(weights["smoothing"][0]))
            chain._share = _vector(weights["share"], np.float32)
            chain._back_off = _vector(weights["back_off"], np.float32, len(chain._share))
            chain._starts = _vector(weights["starts"], np.int64, len(chain._share) + 1)
            chain._followers = _vector(weights["followers"], np.int32, int(chain._starts[-1]))
            chain._gains = _vector(weights["gains"], np.float32, len(chain._followers))
            if chain._starts[0] != 0 or np.any(np.diff(chain._starts) < 0):
                raise ValueError("its rows do not follow each other")
            if np.any((chain._followers < 1) | (chain._followers >= len(chain._share))):
                raise ValueError("it names an item outside its vocabulary")
        return chain

    def _count(self, train: Sequences) -> Self:
        from scipy.sparse import coo_array

        self._share = _popularity(train)
        within = np.ones(len(train.items), dtype=np.bool_)  # False where an item is the last of its user
        within[train.offsets[1:][train.lengths > 0] - 1] = False
        place = np.flatnonzero(within)
        size = train.n_items + 1
        pairs = coo_array(
            (np.ones(len(place)), (train.items[place], train.items[place + 1])), shape=(size, size)
        ).tocsr()  # sums the counts of equal pairs
        pairs.sort_indices()
        total = pairs.sum(axis=1) + self.smoothing  # [n_items + 1]
        self._back_off = (self.smoothing / total).astype(np.float32)
        self._starts = pairs.indptr.astype(np.int64)
        self._followers = pairs.indices.astype(np.int32)
        self._gains = (pairs.data / np.repeat(total, np.diff(pairs.indptr))).astype(np.float32)
        return self


BASELINES: dict[str, type[Popularity] | type[Markov]] = {"popularity": Popularity, "markov": Markov}


def baseline_bundle(
    folder: Path,
    baseline: Baseline,
    items: ItemTable,
    golden: Sequences,
    *,
    data_fingerprint: str,
    code_version: str,
    source: str,
    split: str,
    metrics: Mapping[str, float],
    k: int = 10,
) -> Manifest:
    """Write a whole bundle: weights, manifest, item table, and the best `k` items of each golden history.

    `metrics` are those on validation. Golden answers leave seen items out.
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
    best, scores = top_k(baseline, golden, k)  # [golden, k] each
    requests = []
    for row in range(len(golden)):
        found = best[row] != PADDING
        requests.append(
            GoldenRequest(golden.user(row).tolist(), best[row][found].tolist(), scores[row][found].tolist())
        )
    write_bundle(folder, manifest, items, requests)
    baseline.save(folder)
    return manifest


def _popularity(train: Sequences) -> NDArray[np.float32]:
    if len(train.items) == 0:
        raise ValueError("A baseline cannot be fitted: the training part holds no interaction.")
    counts = train.counts()
    share: NDArray[np.float32] = (counts / counts.sum()).astype(np.float32)  # [n_items + 1]
    return share


def _ndcg(scorer: Markov, holdout: Holdout) -> float:
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
