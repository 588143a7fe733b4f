"""One candidate for each architecture: trained, exported to a bundle, logged and registered in MLflow."""

import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path

import dagster as dg

from assets.engines.sql import markdown
from assets.resources import Home, Source, Training
from assets.state.lake import fingerprint
from assets.training.bundling import (
    baseline_code,
    candidate_code,
    load_training_data,
    write_baseline,
    write_candidate,
)
from assets.training.candidate import Candidate
from assets.training.found import found_settings
from assets.training.side_by_side import WORTH_A_PROCESS, Job, heard
from assets.training.versions import register
from assets.training.warm import Starts
from models.baselines import BASELINES, NotApplicableError
from models.bundle.bundle import bundle_hash, read_manifest
from models.cores import usable_cores
from models.mistakes import UserError
from models.networks import NETWORKS
from models.stages.learning import require_lightgbm
from models.stages.names import STAGED
from models.training.start import StartError

FITTED = ("baseline", "validation NDCG@10", "settings", "MB", "version", "seconds")


@dg.asset(
    pool="training",
    kinds={"numpy", "scipy", "mlflow"},
    code_version=fingerprint(*map(baseline_code, BASELINES))[:16],
    deps=["sequences", "items", "semantic_ids"],
    description="Popularity, Markov chain, transitions, item-kNN, others: what every candidate has to beat.",
)
def baselines(context: dg.AssetExecutionContext, home: Home, source: Source) -> dg.MaterializeResult[None]:
    lake, store, tracking = home.lake(), home.bundles(), home.tracking()
    data = load_training_data(lake, source.name)
    fitted, left_out, hashes = [], [], []
    for name in BASELINES:
        started = time.monotonic()
        made_from = fingerprint(name, *data.named(), baseline_code(name))
        try:
            folder = store.publish(name, made_from, partial(write_baseline, name=name, data=data))
        except NotApplicableError as why:
            store.withdraw(name)
            left_out.append(f"{name}: {why}")
            context.log.info("The baseline %s is left out: %s.", name, why)
            continue
        version, manifest = register(tracking, name, made_from, folder), read_manifest(folder)
        hashes.append(bundle_hash(folder))
        size = sum(path.stat().st_size for path in folder.iterdir()) / 1e6
        settings = ", ".join(f"{setting} {value}" for setting, value in manifest.config.items())
        figures = (f"{manifest.metrics['ndcg@10']:.4f}", settings, f"{size:.1f}", version)
        fitted.append((name, *figures, f"{time.monotonic() - started:.1f}"))
    return dg.MaterializeResult(
        metadata={
            "fitted": dg.MetadataValue.md(markdown(FITTED, fitted)),
            "left out": "; ".join(left_out) or "none",
            **{f"{name} validation NDCG@10": float(ndcg) for name, ndcg, *_ in fitted},
        },
        data_version=dg.DataVersion(fingerprint(*hashes)),
    )


def network_assets(specs: Sequence[dg.AssetSpec]) -> dg.AssetsDefinition:
    """One step that trains networks. Where one cannot be trained the others are, and then it fails."""

    @dg.multi_asset(name="networks", pool="training", can_subset=True, specs=specs)
    def networks(
        context: dg.AssetExecutionContext, home: Home, source: Source, training: Training
    ) -> Iterator[dg.MaterializeResult[None]]:
        if any(name in STAGED for name in training.candidates):
            require_lightgbm()  # before hours of training
        data = load_training_data(home.lake(), source.name)
        wanted = [spec.key.to_user_string() for spec in specs if spec.key in context.selected_asset_keys]
        for name in wanted:
            if name not in training.networks:
                untrained = {"trained": "no: it is not among NEXTPLAY_CANDIDATES"}
                yield dg.MaterializeResult(asset_key=name, metadata=untrained)
        named = [name for name in wanted if name in training.networks]
        found = found_settings(home, named, data, training, context.log)
        starts = Starts(home, data, training.warm_start, context.log.info)
        candidates = [
            Candidate(context, name, data, home, training, starts, found.get(name)) for name in named
        ]
        failures = []
        for made in _made(candidates, home, training.progress):
            if isinstance(made, Exception):
                failures.append(made)
            else:
                yield made
        if failures:
            raise _together(failures)

    return networks


def _made(
    candidates: Sequence[Candidate], home: Home, shown: bool
) -> Iterator[dg.MaterializeResult[None] | Exception]:
    """Each candidate as soon as it is ready; at last, trained from nothing, those whose start was no good."""
    again = []
    for one, made in _trained(candidates, home, shown):
        if isinstance(made, StartError):
            again.append(one.from_nothing(made))
        else:
            yield made
    for _, made in _trained(again, home, shown):
        yield made


def _trained(
    candidates: Sequence[Candidate], home: Home, shown: bool
) -> Iterator[tuple[Candidate, dg.MaterializeResult[None] | Exception]]:
    """Side by side where that is worth processes of their own."""
    new = [candidate for candidate in candidates if not candidate.known]
    at_once = min(len(new), *(usable_cores() // one.config.threads for one in new)) if new else 1
    small = sum(one.positions for one in new) < WORTH_A_PROCESS
    apart = [] if at_once < 2 or small or any(one.config.processes > 1 for one in new) else new
    for one in candidates:
        if one not in apart:
            one.begin()
            yield one, one.end(partial(_write_here, one=one, shown=shown))
    if apart:
        yield from _side_by_side(apart, at_once, home, shown)


def _write_here(folder: Path, one: Candidate, shown: bool) -> None:
    """Train in this process."""
    write_candidate(folder, one.name, one.data, one.config, one.hooks(shown), one.start)


def _side_by_side(
    candidates: Sequence[Candidate], at_once: int, home: Home, shown: bool
) -> Iterator[tuple[Candidate, dg.MaterializeResult[None] | Exception]]:
    """Train in processes of their own; what they say is shown here, as it is of a training in this one."""
    by_name = {one.name: one for one in candidates}
    folders = {one.name: one.checkpoints / "bundle" for one in candidates}
    for one in candidates:
        shutil.rmtree(folders[one.name], ignore_errors=True)  # of a killed run
        folders[one.name].mkdir(parents=True)
        one.begin()
    jobs = [
        Job(
            one.name, one.config.to_dict(), one.data.source, str(home.folder("lake")), home.lake_address,
            one.data.fingerprint, str(folders[one.name]), str(one.checkpoints), one.usual_epochs,
            start=str(one.start or ""),
        )
        for one in candidates
    ]  # fmt: skip
    with ExitStack() as stack:
        for one in candidates:
            stack.push(one.within)  # where all ends before it has
        hooks = {one.name: one.hooks(shown) for one in candidates}
        for name, error in stack.enter_context(closing(heard(jobs, at_once, hooks))):
            one = by_name[name]
            yield one, one.end(partial(_take_over, made=folders[name], error=error))


def _take_over(folder: Path, made: Path, error: Exception | None) -> None:
    """Move the files of a bundle that another process has made. Raises its error where it has failed."""
    if error:
        raise error
    for path in made.iterdir():
        path.replace(folder / path.name)
    made.rmdir()


def _together(failures: Sequence[Exception]) -> Exception:
    """What the step fails with. A bug comes before mistakes of a user: it is worth another try."""
    told = [failure for failure in failures if isinstance(failure, UserError)]
    if len(told) < len(failures):
        return next(failure for failure in failures if failure not in told)
    return type(told[0])(" ".join(map(str, told)))


networks = network_assets(
    [
        dg.AssetSpec(
            architecture,
            kinds={"pytorch", "onnx", "mlflow"},
            code_version=candidate_code(),
            deps=["sequences", "items", "semantic_ids"],
            description=(network.build.__doc__ or "").splitlines()[0],
            skippable=True,
        )
        for architecture, network in NETWORKS.items()
    ]
)
