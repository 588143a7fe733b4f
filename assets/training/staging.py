"""The bundle of a staged model: a network that is there already, and a ranker that learns beside it."""

import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from assets.state.code import KEEPERS
from assets.state.lake import fingerprint
from assets.training.bundling import (
    TrainingData,
    baseline_code,
    candidate_code,
    full_epochs,
    train_network,
    write_baseline,
    write_candidate,
)
from assets.training.hooks import Hooks
from models.baselines import BASELINES
from models.bundle.bundle import read_manifest
from models.bundle.code import code_version
from models.config import TrainConfig
from models.evaluation.metrics import rank_targets, summary
from models.stages.bundles import staged_of, stages_bundle, stages_in
from models.stages.item_facts import ItemFacts, vectors_of
from models.stages.learning import TO_RANK, RankerError, examples, learn, some_plays
from models.stages.names import (
    COUNTED,
    COUNTING,
    FIRST,
    MEMBERS_FOLDER,
    NETWORK,
    RETRIEVED,
    RULES,
    SEED,
    SHARE,
    STAGED,
    member_names,
)
from models.stages.scorer import Stages
from models.stages.slices import Slices, slices

STARTED_FROM = "started_from"  # in a config: the bundle (hash) whose weights its network started from


@cache
def staged_code() -> str:
    """The version of the code that makes the bundle of a staged model."""
    apart = ("assets.training.bundling", "models.baselines", "models.opening")  # counted by themselves
    own = code_version("models.stages", __name__, without=(*KEEPERS, *apart), statements=False)
    return fingerprint(own, candidate_code(), *map(baseline_code, COUNTING))[:16]


def write_staged(
    folder: Path,
    name: str,
    parts: Mapping[str, Path],
    data: TrainingData,
    rules: Mapping[str, Any],
    seed: int,
    *,
    progress: bool = False,
) -> None:
    """Train the ranker beside the bundles of these parts, the first stage and what counts; write the bundle.

    Raises RankerError and BundleError.
    """
    first = STAGED[name]
    for part in parts:
        shutil.copytree(parts[part], folder / MEMBERS_FOLDER / part)
    config: dict[str, Any] = {
        FIRST: first,
        NETWORK: read_manifest(parts[first]).config,
        COUNTED: [part for part in COUNTING if part in parts],
        RETRIEVED: min(TO_RANK, data.items.n_items),
        RULES: dict(rules),
        SEED: seed,
    }
    if started_from := read_manifest(parts[first]).started_from:
        config[STARTED_FROM] = started_from
    vectors = vectors_of(data.items)
    facts = ItemFacts.of(data.split.train, data.facts, vectors)
    stages = stages_in(folder, config, facts, data.split.exclude_seen)
    try:
        apart = slices(data.split, data.facts)
    except ValueError as error:
        raise RankerError(f"A ranker has nothing to learn from: {error}.") from None
    taught = examples(_teachers(stages, apart, first, parts, data, progress), apart.plays)
    ranker, config[SHARE] = learn(taught, examples(stages, some_plays(data.split.validation)), seed)
    staged = staged_of(stages, config, ranker, data.items)
    metrics = summary(rank_targets(staged, data.split.validation))
    stages_bundle(folder, name, config, staged, ranker, data.items, data.origin(staged_code()), metrics)


def _teachers(
    stages: Stages, apart: Slices, first: str, parts: Mapping[str, Path], data: TrainingData, progress: bool
) -> Stages:
    """The same stages, made without the plays that the ranker learns from."""
    from models.training.scoring import NetworkScorer  # torch takes seconds to import

    judged = TrainConfig.from_dict(read_manifest(parts[first]).config)
    settings = judged.with_changes(exact_epochs=full_epochs(parts[first]))
    trained = train_network(first, replace(data, split=apart.before), settings, Hooks(progress=progress))
    return replace(
        stages,
        first=NetworkScorer(trained.network),
        counting={
            name: BASELINES[name].load(parts[name]).refit(apart.before.train, apart.facts)
            for name in stages.counting
        },
        facts=ItemFacts.of(apart.before.train, apart.facts, stages.facts.vectors),
    )


def staged_again(
    folder: Path,
    name: str,
    data: TrainingData,
    config: Mapping[str, Any],
    start: Callable[[str], Path],
    *,
    progress: bool = False,
) -> None:
    """The bundle of a staged model from the tables: its parts are made anew. `start` gives the bundle of a
    hash."""
    with tempfile.TemporaryDirectory() as aside:
        parts = {part: Path(aside, part) for part in member_names(config)}
        for part, made in parts.items():
            if part in BASELINES:
                write_baseline(made, part, data)
            else:
                settings = TrainConfig.from_dict(config[NETWORK])
                begun = start(config[STARTED_FROM]) if STARTED_FROM in config else None
                write_candidate(made, part, data, settings, Hooks(progress=progress), begun)
        write_staged(folder, name, parts, data, config[RULES], config[SEED], progress=progress)
