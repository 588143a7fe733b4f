"""A blend as a whole bundle."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from models.blend.scorer import BLEND, MEMBERS_FOLDER, WEIGHTS, Blend
from models.bundle.bundle import ItemTable, Manifest, read_manifest
from models.opening import open_scorer
from models.writing import GOLDEN_ITEMS, Origin, write_model


def blend_bundle(
    folder: Path,
    config: Mapping[str, Any],
    items: ItemTable,
    origin: Origin,
    metrics: Mapping[str, float],
    k: int = GOLDEN_ITEMS,
) -> Manifest:
    """Make the whole bundle of a blend from a folder that holds the bundles of its members already.

    `config` holds their weights. Raises BundleError for a member that is missing or broken.
    """
    folders = {name: folder / MEMBERS_FOLDER / name for name in config[WEIGHTS]}
    manifests = [read_manifest(member) for member in folders.values()]
    blend = Blend.of({name: open_scorer(member) for name, member in folders.items()}, config[WEIGHTS])
    return write_model(
        folder, blend, items, origin,
        architecture=BLEND,
        max_length=max(manifest.max_length for manifest in manifests),
        config=config,
        metrics=metrics,
        export_error=max(manifest.export_error for manifest in manifests),
        k=k,
    )  # fmt: skip
