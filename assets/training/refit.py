"""The winner trained once more, on everything known: what serves in the place of the bundle that was judged.

The judged bundle, its twin, has not learned from the validation and test plays, which are the newest. The
refit has: with the twin's settings, for as many epochs as were best for the twin.
"""

import itertools
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from assets.formats.timestamps import units_a_second
from assets.state.code import KEEPERS
from assets.training.architectures import code_of
from assets.training.bundling import TrainingData, best_epoch, train_network
from models.baselines import BASELINES
from models.baselines.bundles import baseline_bundle
from models.blend.bundles import blend_bundle
from models.blend.scorer import BLEND, MEMBERS_FOLDER, member_names
from models.bundle.bundle import EVERYTHING, bundle_hash, read_manifest
from models.bundle.code import code_version
from models.config import TrainConfig
from models.mistakes import UserError
from models.prior import PRIOR
from models.stages.bundles import staged_of, stages_bundle, stages_in
from models.stages.item_facts import ItemFacts, vectors_of
from models.stages.names import RANKER_FILE, STAGED
from models.stages.names import member_names as staged_members
from models.writing import Origin

if TYPE_CHECKING:
    from models.training.reports import EpochReport


class RefitError(UserError):
    """A refit could not be trained; the message says why."""


@cache
def refit_code(name: str) -> str:
    """The version of the code that refits a model and writes its bundle."""
    own = code_version(__name__, without=(*KEEPERS, "models", "assets.training.bundling"), statements=False)
    return f"{code_of(name)}-{own}"


def write_refit(
    folder: Path,
    twin: Path,
    data: TrainingData,
    *,
    checkpoints: Path | None = None,
    on_epoch: Callable[["EpochReport"], None] | None = None,
    progress: bool = False,
) -> None:
    """Train a judged bundle's model on everything (`load_everything`) and write its bundle.

    Its manifest has the metrics of the twin, for there is no play left to judge it by. Raises RefitError
    and BundleError.
    """
    judged = read_manifest(twin)
    name = judged.architecture
    if judged.data_fingerprint != data.fingerprint:
        raise RefitError(f"{twin.name} was made from other tables than the current ones.")
    made = replace(data.origin(refit_code(name)), split=judged.split)
    origin = replace(
        made, trained_on=EVERYTHING, trained_until=newest_day(data.facts.times), twin=bundle_hash(twin)
    )
    if name == BLEND:
        _write_blend(folder, twin, data, origin, checkpoints, on_epoch, progress)
        return
    if name in STAGED:
        _write_staged(folder, twin, data, origin, checkpoints, on_epoch, progress)
        return
    if name in BASELINES:
        fitted = BASELINES[name].load(twin).refit(data.split.train, data.facts)
        baseline_bundle(folder, fitted, data.items, origin, judged.metrics)
        return
    _write_network(folder, twin, data, origin, checkpoints, on_epoch, progress)


def _write_network(
    folder: Path,
    twin: Path,
    data: TrainingData,
    origin: Origin,
    checkpoints: Path | None,
    on_epoch: Callable[["EpochReport"], None] | None,
    progress: bool,
) -> None:
    from models.training.export import export_network  # torch takes seconds to import: only where it is used
    from models.training.train import TrainingError

    judged = read_manifest(twin)
    config = TrainConfig.from_dict(judged.config).with_changes(exact_epochs=best_epoch(twin))
    try:
        trained = train_network(
            judged.architecture, data, config,
            checkpoints=checkpoints, on_epoch=on_epoch, progress=progress,
        )  # fmt: skip
    except TrainingError as error:
        raise RefitError(str(error)) from error
    export_network(folder, trained, data.items, origin, judged.metrics)


def _write_blend(
    folder: Path,
    twin: Path,
    data: TrainingData,
    origin: Origin,
    checkpoints: Path | None,
    on_epoch: Callable[["EpochReport"], None] | None,
    progress: bool,
) -> None:
    """Every member is refitted; the weights stay."""
    judged = read_manifest(twin)
    names = sorted(itertools.chain(*member_names(judged.config)))
    _write_members(names, folder, twin, data, checkpoints, on_epoch, progress)
    config = {name: value for name, value in judged.config.items() if name != PRIOR}  # the member's is new
    blend_bundle(folder, config, data.items, origin, judged.metrics)


def _write_staged(
    folder: Path,
    twin: Path,
    data: TrainingData,
    origin: Origin,
    checkpoints: Path | None,
    on_epoch: Callable[["EpochReport"], None] | None,
    progress: bool,
) -> None:
    """The first stage, the counts and the facts are made anew; the ranker stays."""
    judged = read_manifest(twin)
    names, config = staged_members(judged.config), judged.config
    _write_members(names, folder, twin, data, checkpoints, on_epoch, progress)
    facts = ItemFacts.of(data.split.train, data.facts, vectors_of(data.items))
    ranker = (twin / RANKER_FILE).read_text(encoding="utf-8")
    staged = staged_of(stages_in(folder, config, facts, origin.exclude_seen), config, ranker, data.items)
    stages_bundle(folder, judged.architecture, config, staged, ranker, data.items, origin, judged.metrics)


def _write_members(
    names: Iterable[str],
    folder: Path,
    twin: Path,
    data: TrainingData,
    checkpoints: Path | None,
    on_epoch: Callable[["EpochReport"], None] | None,
    progress: bool,
) -> None:
    for name in names:
        member = Path(MEMBERS_FOLDER, name)
        member_checkpoints = checkpoints / name if checkpoints else None
        write_refit(
            folder / member, twin / member, data,
            checkpoints=member_checkpoints, on_epoch=on_epoch, progress=progress,
        )  # fmt: skip


def newest_day(times: NDArray[np.int64] | None) -> str:
    """The UTC day of the newest play; empty for data without times, or whose times only count."""
    newest = int(times.max(initial=0)) if times is not None else 0
    unit = units_a_second(newest)
    return datetime.fromtimestamp(newest / unit, UTC).date().isoformat() if unit else ""
