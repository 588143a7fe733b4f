"""A fitted baseline as a whole bundle."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from models.baselines.base import Baseline
from models.bundle.bundle import PADDING, GoldenRequest, ItemTable, Manifest, write_bundle
from models.data import Sequences
from models.evaluation.metrics import top_k

GOLDEN_LENGTHS = (1, 2, 5, 20)


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
