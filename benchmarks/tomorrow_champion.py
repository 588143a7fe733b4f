"""Which model a night would have promoted before each cut, by the gate on the validation plays."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assets.evaluation.earlier_ranks import play_ids
from assets.training.blending import NETWORKS
from assets.training.bundling import TrainingData
from models.baselines import BASELINES
from models.blend.learning import learn
from models.blend.scorer import BLEND
from models.bundle.bundle import read_manifest
from models.evaluation.evidence import Evidence, Policy
from models.evaluation.gate import choose
from models.evaluation.metrics import coverage, evaluate
from models.evaluation.slices import all_slices
from models.opening import open_scorer

LISTED = 10


def chosen(folders: dict[str, Path], data: TrainingData) -> dict[str, Any]:
    """The champion among bundles as judged, by name, and why. Test plays are not looked at."""
    found = {name: _evidence(name, folders, data) for name in folders}
    candidates = [one for name, one in found.items() if name not in BASELINES]
    baselines = [one for name, one in found.items() if name in BASELINES]
    verdict = choose(candidates, None, baselines, Policy())
    return {"champion": verdict.winner, "why": verdict.reasons[0]}


def _evidence(name: str, folders: dict[str, Path], data: TrainingData) -> Evidence:
    held, manifest = data.split.validation, read_manifest(folders[name])
    result = evaluate(open_scorer(folders[name]), held, k=LISTED)
    ranks = _fair_ranks(folders, data) if name == BLEND else result.ranks
    users = held.users.astype(np.str_)
    return Evidence(
        name=name,
        ranks=ranks,
        users=play_ids(users, held.histories.lengths),
        people=users if len(np.unique(users)) < len(users) else None,
        coverage=coverage(result.items, data.items.n_items),
        export_error=manifest.export_error,
        validation=manifest.metrics["ndcg@10"],
        n_items=data.items.n_items,
        groups=all_slices(
            held.histories, held.targets, data.split.train.lengths[held.users], data.split.train,
            data.items.counts, None, None,
        ),
    )  # fmt: skip


def _fair_ranks(folders: dict[str, Path], data: TrainingData) -> NDArray[np.int32]:
    """Of the blend on validation, where each user is judged by weights that were learned on others."""
    return learn(dict(_members(folders)), data.split.validation).ranks


def _members(folders: dict[str, Path]) -> Iterator[tuple[str, Any]]:
    yield from ((name, open_scorer(folders[name])) for name in read_manifest(folders[BLEND]).config[NETWORKS])
    yield from ((name, open_scorer(folders[name])) for name in BASELINES if name in folders)
