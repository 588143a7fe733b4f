"""The bundle of a blend: members that are there already, and weights learned on the validation plays."""

import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from assets.state.code import KEEPERS
from assets.state.lake import fingerprint
from assets.training.bundling import (
    TrainingData,
    baseline_code,
    candidate_code,
    write_baseline,
    write_candidate,
)
from assets.training.hooks import Hooks
from models.baselines import BASELINES
from models.blend.bundles import blend_bundle
from models.blend.learning import learn_best
from models.blend.scorer import BLEND, MEMBERS_FOLDER, WEIGHTS
from models.bundle.bundle import read_manifest
from models.bundle.code import code_version
from models.config import TrainConfig
from models.evaluation.metrics import summary
from models.opening import open_scorer

NETWORKS = "networks"  # in the config of a blend: the settings of each of its networks
STARTS = "starts"  # and the bundles (hash) whose weights the training of some of them started from
TRIED = "tried"  # and the baselines that could have been members


@cache
def code_of(architecture: str) -> str:
    """The version of the code that makes a bundle of this architecture."""
    if architecture == BLEND:
        apart = (*KEEPERS, "assets.training.bundling", "models.stages")
        own = code_version("models.blend", __name__, without=apart, statements=False)
        return fingerprint(own, candidate_code(), *map(baseline_code, BASELINES))[:16]
    return baseline_code(architecture) if architecture in BASELINES else candidate_code()


def write_blend(
    folder: Path, networks: Sequence[Mapping[str, Path]], baselines: Mapping[str, Path], data: TrainingData
) -> None:
    """Learn which of these bundles help, with which weights, and write the blend's bundle.

    Each of `networks` is tried, no network stands in two of them, and the blend that is best on validation
    is written. Raises NoBlendError where no blend is surely better than its networks, and BundleError.
    """
    opened = [{name: open_scorer(bundle) for name, bundle in some.items()} for some in networks]
    counting = {name: open_scorer(bundle) for name, bundle in baselines.items()}
    learned = learn_best(opened, counting, data.split.validation)
    used = next(some for some in networks if next(iter(some)) in learned.weights)
    bundles = {**used, **baselines}
    for name in learned.weights:
        shutil.copytree(bundles[name], folder / MEMBERS_FOLDER / name)
    judged = {name: read_manifest(bundle) for name, bundle in used.items()}
    config: dict[str, Any] = {
        WEIGHTS: learned.weights,
        NETWORKS: {name: manifest.config for name, manifest in judged.items()},
        TRIED: sorted(baselines),
    }
    if starts := {name: m.started_from for name, m in judged.items() if m.started_from}:
        config[STARTS] = starts
    blend_bundle(folder, config, data.items, data.origin(code_of(BLEND)), summary(learned.ranks))


def blend_again(
    folder: Path,
    data: TrainingData,
    config: Mapping[str, Any],
    start: Callable[[str], Path],
    *,
    progress: bool = False,
) -> None:
    """The bundle of a blend from the tables: its members are trained and fitted anew. `start` gives the
    bundle of a hash."""
    with tempfile.TemporaryDirectory() as aside:
        networks = {name: Path(aside, name) for name in config[NETWORKS]}
        baselines = {name: Path(aside, name) for name in config[TRIED]}
        for name, member in networks.items():
            settings = TrainConfig.from_dict(config[NETWORKS][name])
            digest = config.get(STARTS, {}).get(name)
            begun = start(digest) if digest else None
            write_candidate(member, name, data, settings, Hooks(progress=progress), begun)
        for name, member in baselines.items():
            write_baseline(member, name, data)
        write_blend(folder, [networks], baselines, data)
