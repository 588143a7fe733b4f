"""The winner trained once more, on everything known: what serves in the place of the bundle that was judged.

The judged bundle, its twin, has not learned from the validation and test plays, which are the newest. The
refit has: with the twin's settings, for as many epochs as were best for the twin, or on from its weights.
"""

from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from assets.formats.timestamps import units_a_second
from assets.state.code import KEEPERS
from assets.training.architectures import code_of
from assets.training.bundling import TrainingData, full_epochs, start_from, train_network
from assets.training.hooks import NO_HOOKS, Hooks
from assets.training.members import members_of, refit_apart, worth_processes
from assets.training.side_by_side import Apart
from models.baselines import BASELINES
from models.baselines.bundles import baseline_bundle
from models.blend.bundles import blend_bundle
from models.blend.scorer import BLEND, MEMBERS_FOLDER
from models.bundle.bundle import EVERYTHING, bundle_hash, read_manifest
from models.bundle.code import code_version
from models.config import TrainConfig
from models.mistakes import UserError
from models.prior import PRIOR
from models.stages.bundles import staged_of, stages_bundle, stages_in
from models.stages.item_facts import ItemFacts, vectors_of
from models.stages.names import RANKER_FILE, STAGED
from models.training.start import REFIT_RATE_SHARE, StartError, short
from models.writing import Origin

APART = ("assets.training.side_by_side", "assets.training.members")  # give the same bytes


class RefitError(UserError):
    """A refit could not be trained; the message says why."""


@cache
def refit_code(name: str) -> str:
    """The version of the code that refits a model and writes its bundle."""
    apart = (*KEEPERS, *APART, "models", "assets.training.bundling")
    own = code_version(__name__, without=apart, statements=False)
    return f"{code_of(name)}-{own}"


def write_refit(
    folder: Path,
    twin: Path,
    data: TrainingData,
    hooks: Hooks = NO_HOOKS,
    *,
    warm: bool = False,
    apart: Apart | None = None,
) -> None:
    """Train a judged bundle's model on everything (`load_everything`) and write its bundle.

    With `warm`, networks go on from the weights of the twin, see `starts_warm`. The members of a model that
    has some are trained side by side, where `apart` says how. Its manifest has the metrics of the twin, for
    there is no play left to judge it by. Raises RefitError and BundleError.
    """
    judged = read_manifest(twin)
    name = judged.architecture
    if judged.data_fingerprint != data.fingerprint:
        raise RefitError(f"{twin.name} was made from other tables than the current ones.")
    digest, until = bundle_hash(twin), newest_day(data.facts.times)
    origin = replace(
        data.origin(refit_code(name)),
        split=judged.split,
        trained_on=EVERYTHING,
        trained_until=until,
        twin=digest,
    )
    if name in BASELINES:
        fitted = BASELINES[name].load(twin).refit(data.split.train, data.facts)
        baseline_bundle(folder, fitted, data.items, origin, judged.metrics)
        return
    if warm:
        origin = replace(origin, started_from=digest, warm_nights=judged.warm_nights + 1)
    if name != BLEND and name not in STAGED:
        _write_network(folder, twin, data, origin, hooks)
        return
    _write_members(folder, twin, data, hooks, warm, apart)
    write = _write_blend if name == BLEND else _write_staged
    write(folder, twin, data, origin)


def _write_network(folder: Path, twin: Path, data: TrainingData, origin: Origin, hooks: Hooks) -> None:
    from models.training.export import export_network  # torch takes seconds to import: only where it is used
    from models.training.steps import TrainingError

    judged = read_manifest(twin)
    config = TrainConfig.from_dict(judged.config)
    start, settings = None, config.with_changes(exact_epochs=full_epochs(twin))
    if origin.started_from:
        start, settings = start_from(twin, data.items), short(config, REFIT_RATE_SHARE)
        settings = settings.with_changes(exact_epochs=settings.epochs)
    try:
        trained = train_network(judged.architecture, data, settings, hooks, start)
    except (TrainingError, StartError) as error:
        raise RefitError(str(error)) from error
    shown = trained if start is None else replace(trained, config=config)
    export_network(folder, shown, data.items, origin, judged.metrics)


def _write_members(
    folder: Path, twin: Path, data: TrainingData, hooks: Hooks, warm: bool, apart: Apart | None
) -> None:
    """Refit every member, in processes of their own where that is worth it."""
    names = members_of(read_manifest(twin))
    if apart is not None and worth_processes(twin, names, data, warm, apart):
        refit_apart(names, folder, twin, data, hooks, warm, apart)
        return
    for name in names:
        member = Path(MEMBERS_FOLDER, name)
        write_refit(folder / member, twin / member, data, hooks.of(name), warm=warm)


def _write_blend(folder: Path, twin: Path, data: TrainingData, origin: Origin) -> None:
    """Every member has been refitted; the weights stay."""
    judged = read_manifest(twin)
    config = {name: value for name, value in judged.config.items() if name != PRIOR}  # the member's is new
    blend_bundle(folder, config, data.items, origin, judged.metrics)


def _write_staged(folder: Path, twin: Path, data: TrainingData, origin: Origin) -> None:
    """The first stage, the counts and the facts are made anew; the ranker stays."""
    judged = read_manifest(twin)
    config = judged.config
    facts = ItemFacts.of(data.split.train, data.facts, vectors_of(data.items))
    ranker = (twin / RANKER_FILE).read_text(encoding="utf-8")
    staged = staged_of(stages_in(folder, config, facts, origin.exclude_seen), config, ranker, data.items)
    stages_bundle(folder, judged.architecture, config, staged, ranker, data.items, origin, judged.metrics)


def newest_day(times: NDArray[np.int64] | None) -> str:
    """The UTC day of the newest play; empty for data without times, or whose times only count."""
    newest = int(times.max(initial=0)) if times is not None else 0
    unit = units_a_second(newest)
    return datetime.fromtimestamp(newest / unit, UTC).date().isoformat() if unit else ""
