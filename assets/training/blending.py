"""The bundle of a blend: members that are there already, and weights learned on the validation plays."""

import shutil
import tempfile
from collections.abc import Collection, Mapping
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from assets.formats.timestamps import units_a_second
from assets.state.code import KEEPERS
from assets.state.lake import fingerprint
from assets.training.bundling import (
    TrainingData,
    baseline_code,
    candidate_code,
    write_baseline,
    write_candidate,
)
from models.baselines import BASELINES, RecentPopularity
from models.blend.bundles import blend_bundle
from models.blend.learning import learn
from models.blend.prior import PRIOR, Prior
from models.blend.scorer import BLEND, MEMBERS_FOLDER, WEIGHTS
from models.bundle.bundle import read_manifest
from models.bundle.code import code_version
from models.config import TrainConfig
from models.data import answers
from models.evaluation.metrics import summary
from models.opening import open_scorer

NETWORKS = "networks"  # in the config of a blend: the settings of each of its networks
TRIED = "tried"  # and the baselines that could have been members


@cache
def code_of(architecture: str) -> str:
    """The version of the code that makes a bundle of this architecture."""
    if architecture == BLEND:
        own = code_version(
            "models.blend", __name__, without=(*KEEPERS, "assets.training.bundling"), statements=False
        )
        return fingerprint(own, candidate_code(), *map(baseline_code, BASELINES))[:16]
    return baseline_code(architecture) if architecture in BASELINES else candidate_code()


def write_blend(
    folder: Path, networks: Mapping[str, Path], baselines: Mapping[str, Path], data: TrainingData
) -> None:
    """Learn which of these bundles help, with which weights, and write the blend's bundle.

    Raises NoBlendError where no blend is surely better than its network, and BundleError.
    """
    bundles = {**networks, **baselines}
    members = {name: open_scorer(bundle) for name, bundle in bundles.items()}
    learned = learn(members, data.split.validation)
    for name in learned.weights:
        shutil.copytree(bundles[name], folder / MEMBERS_FOLDER / name)
    config = {
        WEIGHTS: learned.weights,
        NETWORKS: {name: read_manifest(bundle).config for name, bundle in networks.items()},
        TRIED: sorted(baselines),
        **prior_of(folder, learned.weights, data),
    }
    blend_bundle(folder, config, data.items, data.origin(code_of(BLEND)), summary(learned.ranks))


def prior_of(folder: Path, members: Collection[str], data: TrainingData) -> dict[str, Any]:
    """For the config of a blend: what its recent popularity stands for; nothing without it or a clock."""
    name, times = RecentPopularity.architecture, data.facts.times
    unit = units_a_second(int(times.max(initial=0))) if times is not None else None
    if name not in members or times is None or unit is None:
        return {}
    half_life = RecentPopularity.load(folder / MEMBERS_FOLDER / name).half_life * max(int(np.ptp(times)), 1)
    weights = 0.5 ** ((times.max() - times) / half_life)  # [interactions]
    wanted = answers(data.split.train, data.facts.exclude_seen)
    plays = float(weights.sum() if wanted is None else weights[wanted].sum())
    prior = Prior(int(times.max() * 1000 // unit), half_life * 1000 / unit, round(plays, 3))
    return {PRIOR: asdict(prior)}


def blend_again(
    folder: Path, data: TrainingData, config: Mapping[str, Any], *, progress: bool = False
) -> None:
    """The bundle of a blend from the tables alone: its members are trained and fitted anew."""
    with tempfile.TemporaryDirectory() as aside:
        networks = {name: Path(aside, name) for name in config[NETWORKS]}
        baselines = {name: Path(aside, name) for name in config[TRIED]}
        for name, member in networks.items():
            settings = TrainConfig.from_dict(config[NETWORKS][name])
            write_candidate(member, name, data, settings, progress=progress)
        for name, member in baselines.items():
            write_baseline(member, name, data)
        write_blend(folder, networks, baselines, data)
