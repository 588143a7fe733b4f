"""Candidates of several stages: a network retrieves, a ranker of trees puts its best items in order."""

import time
from functools import partial

import dagster as dg

from assets.resources import Home, Source, Training
from assets.state.lake import fingerprint
from assets.training.bundling import load_training_data
from assets.training.staging import staged_code, write_staged
from assets.training.versions import register
from models.bundle.bundle import bundle_hash, read_manifest
from models.stages.names import COUNTING, STAGED


def staged(name: str) -> dg.AssetsDefinition:
    """The asset of one of them."""
    first = STAGED[name]

    @dg.asset(
        name=name,
        pool="training",
        kinds={"lightgbm", "numpy", "mlflow"},
        code_version=staged_code(),
        deps=[first, "baselines", "sequences", "items"],
        description=f"What {first} retrieves, put in order by a ranker (LambdaMART) and by rules.",
    )
    def made(home: Home, source: Source, training: Training) -> dg.MaterializeResult[None]:
        if name not in training.candidates:
            return dg.MaterializeResult(metadata={"trained": "no: it is not among NEXTPLAY_CANDIDATES"})
        store, started = home.bundles(), time.monotonic()
        data = load_training_data(home.lake(), source.name)
        parts = {part: store.current(part) for part in (first, *filter(store.has, COUNTING))}
        rules = training.rules.to_dict()
        hashes = [bundle_hash(folder) for folder in parts.values()]
        made_from = fingerprint(name, *data.named(), staged_code(), rules, training.seed, *hashes)
        write = partial(
            write_staged, name=name, parts=parts, data=data, rules=rules, seed=training.seed,
            progress=training.progress,
        )  # fmt: skip
        folder = store.publish(name, made_from, write)
        version, manifest = register(home.tracking(), name, made_from, folder), read_manifest(folder)
        return dg.MaterializeResult(
            metadata={
                "validation NDCG@10": manifest.metrics["ndcg@10"],
                "first stage": f"{first}, alone {read_manifest(parts[first]).metrics['ndcg@10']:.4f}",
                "settings": dg.MetadataValue.json(manifest.config),
                "bundle": dg.MetadataValue.path(str(folder)),
                "bundle hash": bundle_hash(folder),
                "registered version": version,
                "seconds": round(time.monotonic() - started, 1),
            },
            data_version=dg.DataVersion(bundle_hash(folder)),
        )

    return made


two_stage, sasrec_ranked = (staged(name) for name in STAGED)
