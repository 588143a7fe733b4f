"""Bundles from the tables: whoever has the same tables, settings and code makes the same bytes again."""

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from assets.sequences.loading import (
    TABLES,
    ages,
    excludes_seen,
    load_codes,
    load_items,
    load_sequences,
    load_split,
    load_times,
)
from assets.state.code import KEEPERS
from assets.state.lake import Lake, TableVersion, fingerprint
from assets.training.hooks import NO_HOOKS, Hooks
from models.baselines import BASELINES, Facts
from models.baselines.bundles import baseline_bundle
from models.bundle.bundle import (
    PADDING,
    WEIGHTS_FILE,
    BundleError,
    ItemTable,
    Manifest,
    bundle_hash,
    read_items,
    read_manifest,
)
from models.bundle.code import code_version
from models.config import ConfigError, TrainConfig
from models.content.vectors import content_vectors
from models.data import Split, everything
from models.evaluation.metrics import rank_targets, summary
from models.training.start import Start, StartError, short
from models.writing import Origin

if TYPE_CHECKING:
    from models.training.train import Trained

CURVE_FILE = "curve.json"


@dataclass(frozen=True, eq=False)
class TrainingData:
    """All that a bundle is made from but settings and code."""

    split: Split
    items: ItemTable
    facts: Facts
    fingerprint: str  # of the sequences and the item vocabulary
    source: str  # name of the source, as it stands in the manifest

    def named(self) -> tuple[str, str, str]:
        """What of these data stands in a manifest: bundles that differ in it are two."""
        return self.fingerprint, self.source, self.split.name

    def origin(self, code: str) -> Origin:
        """What the manifest of a bundle that this code makes says of these data."""
        return Origin(self.fingerprint, code, self.source, self.split.name, self.split.exclude_seen)


def data_fingerprint(lake: Lake) -> str:
    """Names the sequences and the item vocabulary that a bundle is made from, by what is in them.

    So tables that other code made, with the same rows, train nothing anew.
    """
    exclude_seen = excludes_seen(lake.current("split"))
    sequences, items = lake.current("sequences"), lake.current("items")
    codes = lake.current("semantic_ids") if lake.has("semantic_ids") else None
    return _data_fingerprint(sequences, items, _new_items(lake, items.fingerprint), exclude_seen, codes)


def _data_fingerprint(
    sequences: TableVersion,
    items: TableVersion,
    new: TableVersion | None,
    exclude_seen: bool,
    codes: TableVersion | None,
) -> str:
    seen = [] if exclude_seen else ["seen items are answers"]
    offered = [new.content_hash] if new and new.rows else []
    coded = [codes.content_hash] if codes else []
    return fingerprint(sequences.content_hash, items.content_hash, *offered, *seen, *coded)


def _new_items(lake: Lake, made_from: str) -> TableVersion | None:
    """The version of that table that was made in one step with others."""
    return next((v for v in lake.versions("new_items") if v.fingerprint == made_from), None)


@cache
def candidate_code() -> str:
    """The version of the code that trains and exports a network: networks, losses, training, data."""
    return code_version("models.training", __name__, without=(*KEEPERS, "models.baselines"), statements=False)


@cache
def baseline_code(name: str) -> str:
    """The version of the code that fits a baseline and writes its bundle."""
    return code_version(
        BASELINES[name].__module__,
        __name__,
        without=(
            *KEEPERS,
            "models.training",
            "models.networks",
            "models.losses",
            "models.baselines.__init__",
        ),
        statements=False,
    )


def input_tables(lake: Lake, manifest: Manifest) -> dict[str, str]:
    """The versions (fingerprints) of the tables that a bundle was made from, as far as they are kept."""
    wanted = manifest.data_fingerprint
    items = {version.fingerprint: version for version in lake.versions("items")}
    allowing = {v.fingerprint for v in lake.versions("split") if not excludes_seen(v)}
    for version in lake.versions("sequences"):
        made_from = version.fingerprint  # the tables of one step share it
        if made_from not in items:
            continue
        # Older manifests name the tables by what they were made from, not by what is in them: such
        # champions are still drawn on, for drift, for retention and for a rollback.
        by_origin = fingerprint(made_from, items[made_from].fingerprint)
        new = _new_items(lake, made_from)
        seen = made_from not in allowing
        for codes in (None, *lake.versions("semantic_ids")):
            by_content = _data_fingerprint(version, items[made_from], new, seen, codes)
            if wanted in (by_content, by_origin):
                found = {table: made_from for table in TABLES if new or table != "new_items"}
                return found | ({"semantic_ids": codes.fingerprint} if codes else {})
    return {}


def load_training_data(lake: Lake, source: str) -> TrainingData:
    """From the current tables; raises LakeError."""
    split, items, times = load_split(lake), load_items(lake), load_times(lake)
    trained, unit = (times.train, times.units_a_second) if times else (None, None)
    facts = Facts(items.ids, trained, split.exclude_seen, items, unit)
    split = replace(split, codes=load_codes(lake, items))
    return TrainingData(split, items, facts, data_fingerprint(lake), source)


def load_everything(lake: Lake, source: str) -> TrainingData:
    """As `load_training_data`, but all plays are there to train on, and count; raises LakeError."""
    (sequences, _), items, times = load_sequences(lake), load_items(lake), load_times(lake)
    known = everything(sequences, excludes_seen(lake.current("split")))
    plays, unit = (times.plays, times.units_a_second) if times else (None, None)
    old = None if plays is None else ages(plays)
    played_ms = times.since_1970_ms if times and old is not None else None
    known = replace(known, ages=old, codes=load_codes(lake, items), played_ms=played_ms)
    facts = Facts(items.ids, plays, known.exclude_seen, items, unit)
    counted = replace(items, counts=sequences.counts())
    return TrainingData(known, counted, facts, data_fingerprint(lake), source)


def write_baseline(folder: Path, name: str, data: TrainingData) -> None:
    """Fit a baseline and write its bundle; raises NotApplicableError."""
    fitted = BASELINES[name].fit(data.split.train, data.split.validation, data.facts)
    metrics = summary(rank_targets(fitted, data.split.validation))
    baseline_bundle(folder, fitted, data.items, data.origin(baseline_code(name)), metrics)


def write_candidate(
    folder: Path,
    name: str,
    data: TrainingData,
    config: TrainConfig,
    hooks: Hooks = NO_HOOKS,
    start: Path | None = None,
) -> None:
    """Train a network and write its bundle, learning curve included.

    With a `start`, a bundle, its weights are what the training goes on from, for fewer epochs; the config is
    that of a training from nothing all the same. Raises TrainingError, StartError, ConfigError, BundleError.
    """
    from models.training.export import export_network  # torch takes seconds to import: only where it is used

    if config.network.time_buckets:
        raise ConfigError(
            f"time_buckets={config.network.time_buckets} makes a network that cannot be served, because the "
            "endpoint does not know when the items of a history were played: leave it at 0 (docs/models.md)."
        )
    origin = data.origin(candidate_code())
    if start is None:
        trained = train_network(name, data, config, hooks)
    else:
        trained = train_network(name, data, short(config), hooks, start_from(start, data.items))
        nights = read_manifest(start).warm_nights + 1
        origin = replace(origin, started_from=bundle_hash(start), warm_nights=nights)
    export_network(folder, replace(trained, config=config), data.items, origin)
    curve = [{"epoch": r.epoch, "loss": r.loss, "ndcg": r.ndcg} for r in trained.curve]
    (folder / CURVE_FILE).write_text(json.dumps(curve))


def start_from(bundle: Path, items: ItemTable) -> Start:
    """The weights of a bundle for a network of these items, carried over by id; raises BundleError."""
    row = read_items(bundle).index()
    rows = [PADDING, *(row.get(item, -1) for item in items.ids[1:])]
    return Start(str(bundle / WEIGHTS_FILE), np.array(rows, dtype=np.int64), bundle_hash(bundle))


def full_epochs(folder: Path) -> int:
    """For how many epochs a network like a bundle's is trained from nothing on data that are not judged.

    They are those that were best for it, or as many as the settings name exactly; for one that had a start,
    whose own are few, all. Raises BundleError.
    """
    manifest = read_manifest(folder)
    if manifest.started_from:
        return int(manifest.config["epochs"])
    return int(manifest.config.get("exact_epochs", 0)) or best_epoch(folder)


def best_epoch(folder: Path) -> int:
    """The epoch that was best on validation; raises BundleError where the curve cannot be read."""
    try:
        curve = [(point["ndcg"], -point["epoch"]) for point in json.loads((folder / CURVE_FILE).read_text())]
        return -int(max(curve)[1])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BundleError(f"{folder} has no readable {CURVE_FILE} ({error}).") from error


def train_network(
    name: str,
    data: TrainingData,
    config: TrainConfig,
    hooks: Hooks = NO_HOOKS,
    start: Start | None = None,
) -> "Trained":
    """Train in this process or in several, as the config says; raises TrainingError and StartError."""
    from models.training.launch import train_in_processes
    from models.training.train import train

    split = replace(data.split, content=content_vectors(data.items)) if config.content else data.split
    if config.processes > 1:
        if start is not None:
            raise StartError("several processes train it")
        with _folder(hooks.checkpoints) as work:
            return train_in_processes(name, split, config, folder=work, on_epoch=hooks.on_epoch)
    return train(
        name, split, config, checkpoint_folder=hooks.checkpoints, on_epoch=hooks.on_epoch,
        progress=hooks.progress, usual_epochs=hooks.usual_epochs, start=start,
    )  # fmt: skip


@contextmanager
def _folder(given: Path | None) -> Iterator[Path]:
    """The folder that was given, or one that is gone afterwards."""
    if given is not None:
        yield given
        return
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)
