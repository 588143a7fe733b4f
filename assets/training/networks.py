"""One candidate for each architecture: trained, exported to a bundle, logged and registered in MLflow."""

import json
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from typing import Any

import dagster as dg

from assets.engines.sql import markdown
from assets.resources import Home, Source, Training
from assets.shown.charts import markdown_image
from assets.shown.plots import learning_curve
from assets.shown.sparkline import sparkline
from assets.state.bundles import BundleStore
from assets.state.lake import fingerprint
from assets.training.bundling import (
    CURVE_FILE,
    TrainingData,
    baseline_code,
    candidate_code,
    load_training_data,
    write_baseline,
    write_candidate,
)
from assets.training.side_by_side import DONE, EPOCH, ERROR, LOOK, Job, trained
from assets.training.versions import register
from models.baselines import BASELINES, NotApplicableError
from models.bundle.bundle import bundle_hash, read_manifest
from models.config import TrainConfig
from models.cores import usable_cores
from models.data import Split
from models.mistakes import UserError
from models.networks import NETWORKS, default_config
from models.stages.learning import require_lightgbm
from models.stages.names import STAGED
from models.training.progress import Bars, Look
from models.training.reports import EpochReport

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


WORTH_A_PROCESS = 1_000_000  # positions in all: some 20 s of training, where a process takes 3 s to begin


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
        candidates = [
            Candidate(context, name, data, home, training) for name in wanted if name in training.networks
        ]
        failures = []
        for made in _trained(candidates, home, training.progress):
            if isinstance(made, Exception):
                failures.append(made)
            else:
                yield made
        if failures:
            raise _together(failures)

    return networks


class Candidate:
    """One network on its way from its MLflow run to its bundle."""

    def __init__(
        self,
        context: dg.AssetExecutionContext,
        architecture: str,
        data: TrainingData,
        home: Home,
        training: Training,
    ) -> None:
        self._log_event = context.log_event
        self._store, self._tracking = home.bundles(), home.tracking()
        self.name, self.data = architecture, data
        self.config = training_config(architecture, data.split, training, bool(data.items.attributes))
        self.made_from = fingerprint(
            architecture, data.fingerprint, self.config.to_dict(), candidate_code(), data.source
        )
        self.known = self._store.find(architecture, self.made_from) is not None
        self.checkpoints = home.folder("checkpoints", f"{architecture}-{self.made_from[:16]}")
        self.usual_epochs = _epochs_before(self._store, architecture)
        self._reports: list[EpochReport] = []
        self.within = ExitStack()

    @property
    def positions(self) -> int:
        """That are trained on at most."""
        return self.config.epochs * len(self.data.split.train.items)

    def begin(self) -> None:
        self._started = time.monotonic()
        self._run = self.within.enter_context(self._tracking.run(self.name, self.made_from))
        given = {"architecture": self.name, "source": self.data.source, **_flat(self.config.to_dict())}
        self._run.params(given)

    def epoch(self, report: EpochReport) -> None:
        """An epoch is done: MLflow and Dagster show it."""
        figures = {"train loss": report.loss, "validation ndcg@10": report.ndcg}
        self._run.metrics(figures, step=report.epoch)
        self._reports.append(report)
        self._log_event(epoch_event(dg.AssetKey(self.name), self._reports))

    def end(self, write: Callable[[Path], None]) -> dg.MaterializeResult[None] | Exception:
        """What came of it, once `write` has left the bundle in a folder; an exception where it has not."""
        try:
            with self.within:
                folder = self._store.publish(self.name, self.made_from, write)
            version = register(self._tracking, self.name, self.made_from, folder)
        except Exception as error:
            return error
        return self._result(folder, version)

    def _result(self, folder: Path, version: str) -> dg.MaterializeResult[None]:
        manifest = read_manifest(folder)
        curve = json.loads((folder / CURVE_FILE).read_text())
        drawn = learning_curve(curve, "ndcg", "validation NDCG@10")
        return dg.MaterializeResult(
            asset_key=self.name,
            metadata={
                "validation NDCG@10": manifest.metrics["ndcg@10"],
                "epochs": len(curve),
                "learning curve": dg.MetadataValue.md(
                    markdown_image(drawn, f"Learning curve of {self.name}")
                ),
                "trained in this run": not self.known,
                "export error (largest difference of a logit)": manifest.export_error,
                "bundle": dg.MetadataValue.path(str(folder)),
                "bundle hash": bundle_hash(folder),
                "registered version": version,
                "settings": dg.MetadataValue.json(self.config.to_dict()),
                "seconds": round(time.monotonic() - self._started, 1),
            },
            data_version=dg.DataVersion(bundle_hash(folder)),
        )


def _trained(
    candidates: Sequence[Candidate], home: Home, shown: bool
) -> Iterator[dg.MaterializeResult[None] | Exception]:
    """Each candidate as soon as it is ready: side by side where that is worth processes of their own."""
    new = [candidate for candidate in candidates if not candidate.known]
    at_once = min(len(new), *(usable_cores() // one.config.threads for one in new)) if new else 1
    small = sum(one.positions for one in new) < WORTH_A_PROCESS
    apart = [] if at_once < 2 or small or any(one.config.processes > 1 for one in new) else new
    for one in candidates:
        if one not in apart:
            one.begin()
            yield one.end(partial(_write_here, one=one, shown=shown))
    if apart:
        yield from _side_by_side(apart, at_once, home, shown)


def _write_here(folder: Path, one: Candidate, shown: bool) -> None:
    """Train in this process."""
    write_candidate(
        folder, one.name, one.data, one.config, checkpoints=one.checkpoints, on_epoch=one.epoch,
        progress=shown, usual_epochs=one.usual_epochs,
    )  # fmt: skip


def _side_by_side(
    candidates: Sequence[Candidate], at_once: int, home: Home, shown: bool
) -> Iterator[dg.MaterializeResult[None] | Exception]:
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
        )
        for one in candidates
    ]  # fmt: skip
    with ExitStack() as stack:
        bars = Bars()
        stack.callback(bars.close)
        for one in candidates:
            stack.push(one.within)  # where all ends before it has
        for name, kind, what in stack.enter_context(closing(trained(jobs, at_once))):
            if kind == EPOCH:
                by_name[name].epoch(EpochReport(**what))
            elif kind == LOOK and shown:
                bars.show(Look(**what))
            elif kind in (DONE, ERROR):
                yield by_name[name].end(partial(_take_over, made=folders[name], error=what))


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


def epoch_event(asset: dg.AssetKey, reports: Sequence[EpochReport]) -> dg.AssetObservation:
    """What Dagster shows of the last epoch while the training goes on, with the curve so far."""
    report, curve = reports[-1], sparkline([report.ndcg for report in reports])
    return dg.AssetObservation(
        asset,
        description=f"Epoch {report.epoch}: validation NDCG@10 {report.ndcg:.4f}, so far {curve}",
        metadata={
            "epoch": report.epoch,
            "validation NDCG@10 of the epoch": report.ndcg,
            "validation NDCG@10 so far": curve,
            "train loss": report.loss,
            "seconds of training": round(report.seconds, 1),
        },
    )


def _epochs_before(store: BundleStore, architecture: str) -> int | None:
    """How many epochs the training of the current bundle took; None where there is none."""
    if not store.has(architecture):
        return None
    try:
        return len(json.loads((store.current(architecture) / CURVE_FILE).read_text()))
    except (OSError, ValueError):
        return None


def training_config(
    architecture: str, split: Split, training: Training, described: bool = False
) -> TrainConfig:
    """The defaults for data of this size with the run's changes.

    `described` says whether the catalogue knows more of the items than ids and titles.
    """
    config = default_config(architecture, split.train, described)
    return config.with_changes(seed=training.seed, threads=training.threads, **training.changes)


def _flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in values.items():
        flat |= _flat(value, f"{name}.") if isinstance(value, dict) else {prefix + name: value}
    return flat


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
