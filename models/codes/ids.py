"""Semantic ids: the codes of a content vector, and one more that tells apart items with the same ones.

The last code is a number without meaning, as in TIGER (Rajput et al., NeurIPS 2023). An item keeps its id for
as long as the codebooks are kept, whatever comes or goes beside it.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from models.codes.codebooks import RQVAE, Codebooks, fit_kmeans
from models.codes.vocabulary import Id

NEIGHBOURS, JUDGED = 10, 2_000  # nearest items by content, of so many items at most


def semantic_ids(
    item_ids: Sequence[str], codes: NDArray[np.integer], known: Mapping[str, Id]
) -> dict[str, Id]:
    """The id of each item: a known one keeps it, a new one gets the first number that is free.

    `codes` [items, levels] are those of the content; what is `known` but no item any more stays taken. New
    items are numbered in the order of their names.
    """
    taken: dict[Id, set[int]] = defaultdict(set)
    for of_item in known.values():
        taken[of_item[:-1]].add(of_item[-1])
    found = dict(known)
    for item_id, row in sorted(zip(item_ids, codes.tolist(), strict=True)):
        if item_id not in found:
            numbers = taken[tuple(row)]
            number = next(n for n in range(len(numbers) + 1) if n not in numbers)
            numbers.add(number)
            found[item_id] = (*row, number)
    return found


def collisions(ids: NDArray[np.integer]) -> tuple[float, int]:
    """The share of items [n, levels] that only the last code tells from another, and the largest group."""
    _, sizes = np.unique(ids[:, :-1], axis=0, return_counts=True)
    return float(sizes[sizes > 1].sum() / max(1, len(ids))), int(sizes.max(initial=0))


def perplexities(ids: NDArray[np.integer]) -> list[float]:
    """How many codes each level but the last is as good as using evenly: exp of their entropy."""
    found = []
    for column in ids.T[:-1]:
        shares = np.bincount(column) / len(column)
        shares = shares[shares > 0]
        found.append(float(np.exp(-(shares * np.log(shares)).sum())))
    return found


def neighbours_kept(vectors: NDArray[np.float32], ids: NDArray[np.integer]) -> tuple[float, float]:
    """The share of an item's nearest by content that begin with its code, and that share of any two items.

    `vectors` [n, content] and `ids` [n, levels] are of the same items; those of which nothing is known do not
    count. NaN where there are no two.
    """
    known = np.flatnonzero(vectors.any(axis=1))
    if len(known) < 2:
        return float("nan"), float("nan")
    vectors, first = vectors[known], ids[known, 0]
    asked = np.random.default_rng(0).permutation(len(known))[:JUDGED]
    cosines = vectors[asked] @ vectors.T  # [asked, known]
    cosines[np.arange(len(asked)), asked] = -np.inf
    k = min(NEIGHBOURS, len(known) - 1)
    near = np.argpartition(-cosines, k - 1, axis=1)[:, :k]
    sizes = np.bincount(first).astype(np.float64)
    chance = (sizes * (sizes - 1)).sum() / (len(known) * (len(known) - 1))
    return float((first[near] == first[asked, None]).mean()), float(chance)


def fit(vectors: NDArray[np.float32], method: str, size: int, seed: int = 0) -> Codebooks:
    """Codebooks of the content vectors [n, content] of all items of which something is known."""
    known = vectors[vectors.any(axis=1)]
    if method == RQVAE:
        from models.codes.rqvae import fit_rqvae  # torch takes seconds to import: only where it is used

        return fit_rqvae(known, size, seed=seed)
    return fit_kmeans(known, size, seed=seed)
