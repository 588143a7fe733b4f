"""Stages and their ranker as a whole bundle."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from models.bundle.bundle import ItemTable, Manifest, read_manifest
from models.opening import open_scorer
from models.stages.features import FEATURES
from models.stages.item_facts import ItemFacts
from models.stages.names import COUNTED, MEMBERS_FOLDER, RANKER_FILE, RETRIEVED, RULES, SHARE, member_names
from models.stages.reranking import Rules
from models.stages.scorer import Staged, Stages, labels_of
from models.stages.trees import Trees
from models.writing import GOLDEN_ITEMS, Origin, write_model


def stages_in(folder: Path, config: Mapping[str, Any], facts: ItemFacts, exclude_seen: bool) -> Stages:
    """Those whose parts lie in a folder. Raises BundleError for one that is missing or broken."""
    first, *counting = (open_scorer(folder / MEMBERS_FOLDER / name) for name in member_names(config))
    return Stages(
        first, dict(zip(config[COUNTED], counting, strict=True)), facts, config[RETRIEVED], exclude_seen
    )


def staged_of(stages: Stages, config: Mapping[str, Any], ranker: str, items: ItemTable) -> Staged:
    """The stages with a ranker, of LightGBM's text."""
    rules = Rules.of(config[RULES])
    trees = Trees.parse(ranker, len(FEATURES))
    return Staged(stages, trees, config[SHARE], rules, labels_of(items, rules))


def stages_bundle(
    folder: Path,
    architecture: str,
    config: Mapping[str, Any],
    staged: Staged,
    ranker: str,
    items: ItemTable,
    origin: Origin,
    metrics: Mapping[str, float],
    k: int = GOLDEN_ITEMS,
) -> Manifest:
    """Make the whole bundle from a folder that holds those of the parts; `ranker` is LightGBM's text."""
    (folder / RANKER_FILE).write_text(ranker, encoding="utf-8")
    staged.stages.facts.save(folder)
    parts = [read_manifest(folder / MEMBERS_FOLDER / name) for name in member_names(config)]
    return write_model(
        folder, staged, items, origin,
        architecture=architecture,
        max_length=max(part.max_length for part in parts),
        config=config,
        metrics=metrics,
        export_error=parts[0].export_error,
        k=k,
    )  # fmt: skip
