"""A fitted baseline as a whole bundle."""

from collections.abc import Mapping
from pathlib import Path

from models.baselines.base import Baseline
from models.bundle.bundle import ItemTable, Manifest
from models.writing import GOLDEN_ITEMS, Origin, write_model


def baseline_bundle(
    folder: Path,
    baseline: Baseline,
    items: ItemTable,
    origin: Origin,
    metrics: Mapping[str, float],
    k: int = GOLDEN_ITEMS,
) -> Manifest:
    """Write the whole bundle of a fitted baseline."""
    manifest = write_model(
        folder, baseline, items, origin, architecture=baseline.architecture, max_length=baseline.max_length,
        config=baseline.config(), metrics=metrics, k=k,
    )  # fmt: skip
    baseline.save(folder)
    return manifest
