"""One network on its way from its MLflow run to its bundle."""

import json
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import dagster as dg

from assets.resources import Home, Training
from assets.shown.charts import markdown_image
from assets.shown.plots import learning_curve
from assets.shown.sparkline import sparkline
from assets.state.bundles import BundleStore
from assets.state.lake import fingerprint
from assets.training.bundling import CURVE_FILE, TrainingData, candidate_code
from assets.training.hooks import Hooks
from assets.training.versions import register
from assets.training.warm import Starts
from models.bundle.bundle import bundle_hash, read_manifest
from models.config import TrainConfig
from models.data import Split
from models.networks import default_config
from models.training.reports import EpochReport
from models.training.start import StartError, short

if TYPE_CHECKING:
    from assets.training.found import Found


class Candidate:
    """One network on its way from its MLflow run to its bundle."""

    def __init__(
        self,
        context: dg.AssetExecutionContext,
        architecture: str,
        data: TrainingData,
        home: Home,
        training: Training,
        starts: Starts,
        found: "Found | None" = None,
    ) -> None:
        self._log_event, self._info = context.log_event, context.log.info
        self._store, self._tracking = home.bundles(), home.tracking()
        self.name, self.data, self._found = architecture, data, found
        settings = found.before(training) if found else training
        self.config = training_config(architecture, data.split, settings, bool(data.items.attributes))
        self._checkpoints = home.folder("checkpoints")
        self._begin_from(starts.of(architecture, self.config))

    def _begin_from(self, start: Path | None) -> None:
        """A bundle, or nothing, whose weights the training starts from."""
        self.start = start
        self.made_from = fingerprint(
            self.name, *self.data.named(), self.config.to_dict(), candidate_code(),
            *([bundle_hash(start)] if start else []),
        )  # fmt: skip
        self.known = self._store.find(self.name, self.made_from) is not None
        self.checkpoints = self._checkpoints / f"{self.name}-{self.made_from[:16]}"
        self.checkpoints.mkdir(exist_ok=True)
        self.usual_epochs = None if start else _epochs_before(self._store, self.name)
        self._reports: list[EpochReport] = []
        self.within = ExitStack()

    def from_nothing(self, why: StartError) -> Self:
        """The same, as its start was no good."""
        self._info("%s is trained from nothing: of the weights of %s, %s.", self.name, self.start, why)
        self._begin_from(None)
        return self

    @property
    def positions(self) -> int:
        """That are trained on at most."""
        epochs = (short(self.config) if self.start else self.config).epochs
        return epochs * len(self.data.split.train.items)

    def hooks(self, shown: bool) -> Hooks:
        return Hooks(self.checkpoints, self.epoch, shown, self.usual_epochs)

    def begin(self) -> None:
        self._started = time.monotonic()
        self._run = self.within.enter_context(self._tracking.run(self.name, self.made_from))
        given = {"architecture": self.name, "source": self.data.source, **_flat(self.config.to_dict())}
        self._run.params(given | ({"started from": bundle_hash(self.start)} if self.start else {}))

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
                try:
                    folder = self._store.publish(self.name, self.made_from, write)
                except StartError as why:  # no failure: it is trained from nothing
                    self._run.tags({"nextplay.given_up": str(why)})
                    return why
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
                "started from": manifest.started_from or "nothing",
                "export error (largest difference of a logit)": manifest.export_error,
                "bundle": dg.MetadataValue.path(str(folder)),
                "bundle hash": bundle_hash(folder),
                "registered version": version,
                "settings": dg.MetadataValue.json(self.config.to_dict()),
                **({"search for settings": str(self._found)} if self._found else {}),
                "seconds": round(time.monotonic() - self._started, 1),
            },
            data_version=dg.DataVersion(bundle_hash(folder)),
        )


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
