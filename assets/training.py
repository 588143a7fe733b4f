"""One candidate an architecture: trained, exported to a bundle, logged and registered in MLflow."""

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg

from assets.io.lake import Lake, fingerprint
from assets.io.tracking import RunHandle, Tracking
from assets.plots import curve_plot
from assets.resources import Home, Source, Training
from assets.sequences import TABLES, load_items, load_split
from models.baselines import BASELINES, baseline_bundle
from models.bundle import bundle_hash, read_manifest
from models.code import code_version
from models.config import TrainConfig
from models.data import Split
from models.evaluation.metrics import rank_targets, summary
from models.networks import NETWORKS, default_config

if TYPE_CHECKING:
    from models.train import Trained

CURVE_FILE = "curve.json"


def data_fingerprint(lake: Lake) -> str:
    """Names the sequences and the item vocabulary that a bundle is made from."""
    return _data_fingerprint(lake.current("sequences").fingerprint, lake.current("items").fingerprint)


def _data_fingerprint(sequences: str, items: str) -> str:
    return fingerprint(sequences, items)


def input_tables(lake: Lake, bundle: Path) -> dict[str, str]:
    """The versions (fingerprints) of the tables that a bundle was made from, as far as they are kept."""
    wanted = read_manifest(bundle).data_fingerprint
    for version in lake.versions("sequences"):
        made_from = version.fingerprint  # the tables of one step share it
        if _data_fingerprint(made_from, made_from) == wanted:
            return dict.fromkeys(TABLES, made_from)
    return {}


@dg.asset(
    group_name="models",
    kinds={"numpy", "mlflow"},
    deps=["sequences", "items"],
    description="Popularity and a Markov chain with back-off: what every candidate has to beat.",
)
def baselines(home: Home, source: Source) -> dg.MaterializeResult[None]:
    lake, store, tracking = home.lake(), home.bundles(), home.tracking()
    split, items, data = load_split(lake), load_items(lake), data_fingerprint(lake)
    metadata: dict[str, Any] = {}
    for name, baseline in BASELINES.items():
        made_from = fingerprint(name, data, code_version())

        def write(folder: Path, name: str = name, baseline: Any = baseline) -> None:
            fitted = baseline.fit(split.train, split.validation)
            metrics = summary(rank_targets(fitted, split.validation))
            baseline_bundle(
                folder, fitted, items, data_fingerprint=data, code_version=code_version(),
                source=source.name, split=split.name, metrics=metrics,
            )  # fmt: skip

        folder = store.publish(name, made_from, write)
        version = _track(tracking, name, made_from, folder)
        metadata[f"{name} validation NDCG@10"] = read_manifest(folder).metrics["ndcg@10"]
        metadata[f"{name} version"] = version
    return dg.MaterializeResult(metadata=metadata)


def candidate_asset(architecture: str) -> dg.AssetsDefinition:
    """The asset that trains one registered network."""

    @dg.asset(
        name=architecture,
        group_name="models",
        kinds={"pytorch", "onnx", "mlflow"},
        deps=["sequences", "items"],
        description=(NETWORKS[architecture].build.__doc__ or "").splitlines()[0],
    )
    def candidate(home: Home, source: Source, training: Training) -> dg.MaterializeResult[None]:
        lake, store, tracking = home.lake(), home.bundles(), home.tracking()
        started = time.monotonic()
        split, data = load_split(lake), data_fingerprint(lake)
        config = training_config(architecture, split, training)
        made_from = fingerprint(architecture, data, config.to_dict(), code_version(), source.name)
        known = store.find(architecture, made_from) is not None
        checkpoints = home.folder("checkpoints", f"{architecture}-{made_from[:16]}")
        with tracking.run(architecture, made_from) as run:
            run.params({"architecture": architecture, "source": source.name, **_flat(config.to_dict())})

            def write(folder: Path) -> None:
                trained = _train(architecture, split, config, checkpoints, run, training.progress)
                _export(folder, trained, lake, source.name, split.name)

            folder = store.publish(architecture, made_from, write)
        version = _track(tracking, architecture, made_from, folder)
        manifest = read_manifest(folder)
        curve = json.loads((folder / CURVE_FILE).read_text())
        return dg.MaterializeResult(
            metadata={
                "validation NDCG@10": manifest.metrics["ndcg@10"],
                "epochs": len(curve),
                "learning curve": dg.MetadataValue.md(curve_plot(curve, architecture)),
                "trained in this run": not known,
                "export error (largest difference of a logit)": manifest.export_error,
                "bundle": dg.MetadataValue.path(str(folder)),
                "bundle hash": bundle_hash(folder),
                "registered version": version,
                "settings": dg.MetadataValue.json(config.to_dict()),
                "seconds": round(time.monotonic() - started, 1),
            }
        )

    return candidate


def training_config(architecture: str, split: Split, training: Training) -> TrainConfig:
    """The defaults for data of this size with the run's changes."""
    train = split.train
    config = default_config(architecture, len(train), train.n_items, len(train.items))
    return config.with_changes(seed=training.seed, threads=training.threads, **training.changes)


def _train(
    architecture: str, split: Split, config: TrainConfig, checkpoints: Path, run: RunHandle, progress: bool
) -> "Trained":
    from models.train import EpochReport, train  # torch takes seconds to import: only where it is used

    def log_epoch(report: EpochReport) -> None:
        run.metrics({"train loss": report.loss, "validation ndcg@10": report.ndcg}, step=report.epoch)

    return train(
        architecture, split, config, checkpoint_folder=checkpoints, on_epoch=log_epoch, progress=progress
    )


def _export(folder: Path, trained: "Trained", lake: Lake, source: str, split: str) -> None:
    from models.export import export_bundle

    export_bundle(
        folder,
        trained,
        load_items(lake),
        data_fingerprint=data_fingerprint(lake),
        code_version=code_version(),
        source=source,
        split_name=split,
        metrics=trained.metrics,
    )
    curve = [{"epoch": r.epoch, "loss": r.loss, "ndcg": r.ndcg} for r in trained.curve]
    (folder / CURVE_FILE).write_text(json.dumps(curve))


def _track(tracking: Tracking, name: str, made_from: str, folder: Path) -> str:
    """The registered version of a bundle; logged first where that has not been done."""
    digest = bundle_hash(folder)
    version = tracking.version_of(digest)
    if version is not None:
        return version
    manifest = read_manifest(folder)
    with tracking.run(name, made_from) as run:
        run.tags({"nextplay.data": manifest.data_fingerprint, "nextplay.code": manifest.code_version})
        run.metrics({f"validation {metric}": value for metric, value in manifest.metrics.items()})
        run.bundle(folder)
    return tracking.register(
        run.run_id, digest, f"{name}, validation NDCG@10 {manifest.metrics['ndcg@10']:.4f}"
    )


def _flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in values.items():
        flat |= _flat(value, f"{name}.") if isinstance(value, dict) else {prefix + name: value}
    return flat


candidate_assets: Sequence[dg.AssetsDefinition] = [candidate_asset(name) for name in NETWORKS]
