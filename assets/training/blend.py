"""One more candidate: a network blended with what counting knows beside it."""

import time
from functools import partial
from pathlib import Path

import dagster as dg

from assets.resources import Home, Source, Training
from assets.state.bundles import BundleStore
from assets.state.lake import fingerprint
from assets.training.blending import code_of, write_blend
from assets.training.bundling import load_training_data
from assets.training.versions import register
from models.baselines import BASELINES
from models.blend.learning import NoBlendError
from models.blend.scorer import BLEND, WEIGHTS
from models.bundle.bundle import bundle_hash, read_manifest
from models.networks import NETWORKS

TRIED_NETWORKS = 2  # at most, the best on validation, where one is blended: each costs as much again
AUTO, ALL, NONE = "auto", "all", "no"  # what NEXTPLAY_BLEND may be beside "one": which networks are blended


@dg.asset(
    pool="training",
    kinds={"numpy", "scipy", "mlflow"},
    code_version=code_of(BLEND),
    deps=["baselines", *NETWORKS, "sequences", "items"],
    description="A network blended with the baselines that help it, by weights learned on validation.",
)
def blend(home: Home, source: Source, training: Training) -> dg.MaterializeResult[None]:
    store, started = home.bundles(), time.monotonic()
    if why := unwanted(training):
        return _none(store, why)
    data = load_training_data(home.lake(), source.name)
    networks = blended_networks(store, training)
    baselines = {name: store.current(name) for name in BASELINES if store.has(name)}
    members = [bundle_hash(folder) for some in (*networks, baselines) for folder in some.values()]
    made_from = fingerprint(BLEND, *data.named(), code_of(BLEND), *members)
    write = partial(write_blend, networks=networks, baselines=baselines, data=data)
    try:
        folder = store.publish(BLEND, made_from, write)
    except NoBlendError as why:
        return _none(store, str(why))
    version, manifest = register(home.tracking(), BLEND, made_from, folder), read_manifest(folder)
    return dg.MaterializeResult(
        metadata={
            "blended": "yes",
            "weights": dg.MetadataValue.json(manifest.config[WEIGHTS]),
            "validation NDCG@10": manifest.metrics["ndcg@10"],
            "bundle": dg.MetadataValue.path(str(folder)),
            "bundle hash": bundle_hash(folder),
            "registered version": version,
            "seconds": round(time.monotonic() - started, 1),
        },
        data_version=dg.DataVersion(bundle_hash(folder)),
    )


def blended_networks(store: BundleStore, training: Training) -> list[dict[str, Path]]:
    """The current bundles of the networks to blend, best on validation first: all, or one by one a few."""
    folders = {name: store.current(name) for name in training.networks}
    reached = {name: read_manifest(folder).metrics["ndcg@10"] for name, folder in folders.items()}
    best = {name: folders[name] for name in sorted(folders, key=lambda name: (-reached[name], name))}
    return [best] if training.blend == ALL else [{name: best[name]} for name in list(best)[:TRIED_NETWORKS]]


def blended(store: BundleStore, training: Training) -> list[str]:
    """The name of the blend, where there is one; see `Training.candidates`."""
    return [BLEND] if not unwanted(training) and store.has(BLEND) else []


def unwanted(training: Training) -> str:
    """Why the settings ask for no blend: empty where they do. Who names the candidates gets just those."""
    if training.blend == NONE:
        return "NEXTPLAY_BLEND=no"
    if training.blend == AUTO and set(training.candidates) != set(Training().candidates):
        return "NEXTPLAY_CANDIDATES names other networks; NEXTPLAY_BLEND=one adds it"
    return ""


def _none(store: BundleStore, why: str) -> dg.MaterializeResult[None]:
    """There is no blend from now on."""
    store.withdraw(BLEND)
    return dg.MaterializeResult(metadata={"blended": f"no: {why}"}, data_version=dg.DataVersion(why))
