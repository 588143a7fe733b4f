"""Writes what a bundle holds, whatever its architecture: what `models.opening` opens."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from models.bundle.bundle import PADDING, TRAINING_PART, GoldenRequest, ItemTable, Manifest, write_bundle
from models.data import Sequences
from models.evaluation.metrics import top_k
from models.scorer import Scorer

GOLDEN_LENGTHS = (1, 2, 3, 5, 8, 13, 21, 34)
GOLDEN_ITEMS = 10


@dataclass(frozen=True)
class Origin:
    """Where a model comes from, as its manifest says it."""

    data_fingerprint: str
    code_version: str
    source: str
    split: str
    exclude_seen: bool = True
    trained_on: str = TRAINING_PART
    trained_until: str = ""
    twin: str = ""
    started_from: str = ""
    warm_nights: int = 0


def write_model(
    folder: Path,
    scorer: Scorer,
    items: ItemTable,
    origin: Origin,
    *,
    architecture: str,
    max_length: int,
    config: Mapping[str, Any],
    metrics: Mapping[str, float],
    export_error: float = 0.0,
    k: int = GOLDEN_ITEMS,
) -> Manifest:
    """Write manifest, item table and golden requests with their best `k` items; weights are the caller's.

    `metrics` are those on validation.
    """
    manifest = Manifest(
        architecture=architecture,
        n_items=items.n_items,
        max_length=max_length,
        vocabulary_hash=items.vocabulary_hash(),
        **asdict(origin),
        config=dict(config),
        metrics=dict(metrics),
        export_error=export_error,
    )
    write_bundle(folder, manifest, items, list(_golden_requests(scorer, items, k, origin.exclude_seen)))
    return manifest


def _golden_requests(scorer: Scorer, items: ItemTable, k: int, exclude_seen: bool) -> Iterator[GoldenRequest]:
    """Histories drawn by popularity, and what the model recommends after each.

    Where seen items are answers, a history may hold one more than once.
    """
    rng = np.random.default_rng(0)
    weights = np.maximum(items.counts[1:], 1) / np.maximum(items.counts[1:], 1).sum()  # [n_items]
    longest = max(1, items.n_items - k)  # leaves something to recommend
    for length in sorted({min(length, longest) for length in GOLDEN_LENGTHS}):
        history = (1 + rng.choice(items.n_items, size=length, replace=not exclude_seen, p=weights)).tolist()
        users = Sequences.from_lists([history], items.n_items)
        best, scores = top_k(scorer, users, k, exclude_seen=exclude_seen)  # [1, k] each
        real = best[0] != PADDING
        yield GoldenRequest(history, best[0][real].tolist(), scores[0][real].tolist())
