"""Codebooks: how a content vector becomes codes, from coarse to fine. NumPy alone, but for their fitting.

Each level codes what the levels before it have left over (residual quantization), by the nearest vector of
its book. Fitted once they are kept: an item that comes later gets its codes from the same books.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from models.content.tfidf import TfIdf
from models.content.vectors import ContentSpace

Floats = NDArray[np.float32]
KMEANS, RQVAE = "kmeans", "rqvae"
METHODS = (KMEANS, RQVAE)
LEVELS = 3
FEWEST_CODES, MOST_CODES = 8, 256


def book_size(n_items: int) -> int:
    """Codes a level: 256 for the 12,000 items of the TIGER paper, fewer for fewer, a power of 2."""
    size = 2 ** round(np.log2(2 * max(1, n_items) ** 0.5))
    return int(min(max(size, FEWEST_CODES), MOST_CODES))


@dataclass(frozen=True, eq=False)
class Codebooks:
    """The books of all levels, and what comes before them: the layers of an RQ-VAE's encoder, or nothing."""

    method: str
    books: list[Floats]  # [codes, latent] each
    layers: list[tuple[Floats, Floats]] = field(default_factory=list)  # [out, in] and [out] each

    def latent(self, vectors: Floats) -> Floats:
        """Content vectors [n, content] as the books have them, [n, latent]."""
        for number, (weight, bias) in enumerate(self.layers):
            vectors = (np.maximum(vectors, 0) if number else vectors) @ weight.T + bias
        return vectors

    def assign(self, vectors: Floats) -> NDArray[np.int32]:
        """Content vectors [n, content] -> codes [n, levels]."""
        residual = self.latent(vectors)
        codes = np.empty((len(vectors), len(self.books)), dtype=np.int32)
        for level, book in enumerate(self.books):
            codes[:, level] = nearest(residual, book)
            residual = residual - book[codes[:, level]]
        return codes


def nearest(vectors: Floats, book: Floats) -> NDArray[np.int64]:
    """The nearest row of a book for each vector, [n]; the first of those equally near."""
    distances = (book**2).sum(axis=1) - 2 * vectors @ book.T  # [n, codes], but for what all have
    place: NDArray[np.int64] = distances.argmin(axis=1)
    return place


def fit_kmeans(vectors: Floats, size: int, levels: int = LEVELS, seed: int = 0) -> Codebooks:
    """Residual k-means: each level's book are the centres of what is left over. Needs SciPy."""
    books, residual = [], vectors
    for level in range(levels):
        books.append(centres(residual, size, seed + level))
        residual = residual - books[-1][nearest(residual, books[-1])]
    return Codebooks(KMEANS, books)


def centres(vectors: Floats, size: int, seed: int) -> Floats:
    """k-means from centres drawn far from each other; fewer where fewer vectors are different."""
    import warnings

    from scipy.cluster.vq import kmeans2

    different = np.unique(vectors, axis=0)
    if len(different) <= size:
        return different
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a centre that nothing is nearest to: it stays where it is
        found, _ = kmeans2(vectors.astype(np.float64), size, iter=25, minit="++", rng=seed)
    centre: Floats = found.astype(np.float32)
    return centre


@dataclass(frozen=True, eq=False)
class Kept:
    """What is kept between nights: the space of content vectors and the books in it."""

    space: ContentSpace
    codebooks: Codebooks

    def write(self, path: Path) -> None:
        """As plain arrays, in one piece."""
        names = sorted(self.space.tfidf.column, key=self.space.tfidf.column.__getitem__)
        arrays: dict[str, Any] = {
            "method": np.array(self.codebooks.method),
            "features": np.frombuffer(json.dumps(names).encode(), dtype=np.uint8),
            "idf": self.space.tfidf.idf,
            "components": self.space.components,
        }
        arrays |= {f"book.{level}": book for level, book in enumerate(self.codebooks.books)}
        for number, (weight, bias) in enumerate(self.codebooks.layers):
            arrays |= {f"layer.{number}.weight": weight, f"layer.{number}.bias": bias}
        path.parent.mkdir(parents=True, exist_ok=True)
        aside = path.with_name(f".{os.getpid()}-{path.name}")
        try:
            with aside.open("wb") as file:
                np.savez(file, **arrays)
                file.flush()
                os.fsync(file.fileno())
            aside.replace(path)
        finally:
            aside.unlink(missing_ok=True)

    @classmethod
    def read(cls, path: Path) -> Self:
        """The inverse of `write`. OSError, ValueError or KeyError for a file that is none of its."""
        with np.load(path, allow_pickle=False) as arrays:
            found: Mapping[str, Any] = {name: arrays[name] for name in arrays.files}
        names = json.loads(found["features"].tobytes())
        tfidf = TfIdf({name: column for column, name in enumerate(names)}, found["idf"])
        books = [found[f"book.{level}"] for level in range(_count(found, "book."))]
        layers = [
            (found[f"layer.{number}.weight"], found[f"layer.{number}.bias"])
            for number in range(_count(found, "layer.") // 2)
        ]
        space = ContentSpace(tfidf, found["components"])
        return cls(space, Codebooks(str(found["method"]), books, layers))


def _count(names: Mapping[str, Any], prefix: str) -> int:
    return sum(name.startswith(prefix) for name in names)
