"""One candidate for each architecture: trained, exported to a bundle, logged and registered in MLflow."""

import json
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
    baseline_code,
    candidate_code,
    load_training_data,
    write_baseline,
    write_candidate,
)
from assets.training.versions import register
from models.baselines import BASELINES, NotApplicableError
from models.bundle.bundle import bundle_hash, read_manifest
from models.config import TrainConfig
from models.data import Split
from models.networks import NETWORKS, default_config

if TYPE_CHECKING:
    from models.training.train import EpochReport

FITTED = ("baseline", "validation NDCG@10", "settings", "MB", "version", "seconds")


@dg.asset(
    pool="training",
    kinds={"numpy", "scipy", "mlflow"},
    code_version=fingerprint(*map(baseline_code, BASELINES))[:16],
    deps=["sequences", "items"],
    description="Popularity, a Markov chain, item-kNN, EASE and others: what every candidate has to beat.",
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


def candidate_asset(architecture: str) -> dg.AssetsDefinition:
    """The asset that trains one registered network."""

    @dg.asset(
        pool="training",
        name=architecture,
        kinds={"pytorch", "onnx", "mlflow"},
        code_version=candidate_code(),
        deps=["sequences", "items"],
        description=(NETWORKS[architecture].build.__doc__ or "").splitlines()[0],
    )
    def candidate(
        context: dg.AssetExecutionContext, home: Home, source: Source, training: Training
    ) -> dg.MaterializeResult[None]:
        if architecture not in training.candidates:
            return dg.MaterializeResult(metadata={"trained": "no: it is not among NEXTPLAY_CANDIDATES"})
        lake, store, tracking = home.lake(), home.bundles(), home.tracking()
        started = time.monotonic()
        data = load_training_data(lake, source.name)
        config = training_config(architecture, data.split, training)
        made_from = fingerprint(
            architecture, data.fingerprint, config.to_dict(), candidate_code(), source.name
        )
        known = store.find(architecture, made_from) is not None
        checkpoints = home.folder("checkpoints", f"{architecture}-{made_from[:16]}")
        with tracking.run(architecture, made_from) as run:
            run.params({"architecture": architecture, "source": source.name, **_flat(config.to_dict())})

            reports: list[EpochReport] = []

            def log_epoch(report: "EpochReport") -> None:
                run.metrics({"train loss": report.loss, "validation ndcg@10": report.ndcg}, step=report.epoch)
                reports.append(report)
                context.log_event(epoch_event(context.asset_key, reports))

            def write(folder: Path) -> None:
                write_candidate(
                    folder, architecture, data, config,
                    checkpoints=checkpoints, on_epoch=log_epoch, progress=training.progress,
                    usual_epochs=_epochs_before(store, architecture),
                )  # fmt: skip

            folder = store.publish(architecture, made_from, write)
        version = register(tracking, architecture, made_from, folder)
        manifest = read_manifest(folder)
        curve = json.loads((folder / CURVE_FILE).read_text())
        drawn = learning_curve(curve, "ndcg", "validation NDCG@10")
        return dg.MaterializeResult(
            metadata={
                "validation NDCG@10": manifest.metrics["ndcg@10"],
                "epochs": len(curve),
                "learning curve": dg.MetadataValue.md(
                    markdown_image(drawn, f"Learning curve of {architecture}")
                ),
                "trained in this run": not known,
                "export error (largest difference of a logit)": manifest.export_error,
                "bundle": dg.MetadataValue.path(str(folder)),
                "bundle hash": bundle_hash(folder),
                "registered version": version,
                "settings": dg.MetadataValue.json(config.to_dict()),
                "seconds": round(time.monotonic() - started, 1),
            },
            data_version=dg.DataVersion(bundle_hash(folder)),
        )

    return candidate


def epoch_event(asset: dg.AssetKey, reports: Sequence["EpochReport"]) -> dg.AssetObservation:
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


def training_config(architecture: str, split: Split, training: Training) -> TrainConfig:
    """The defaults for data of this size with the run's changes."""
    config = default_config(architecture, split.train)
    return config.with_changes(seed=training.seed, threads=training.threads, **training.changes)


def _flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in values.items():
        flat |= _flat(value, f"{name}.") if isinstance(value, dict) else {prefix + name: value}
    return flat


candidate_assets: Sequence[dg.AssetsDefinition] = [candidate_asset(name) for name in NETWORKS]
