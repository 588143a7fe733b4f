"""Bundles as registered versions in MLflow."""

import tempfile
from pathlib import Path

from assets.tracking.pyfunc import write_model
from assets.tracking.tracking import Tracking
from models.bundle.bundle import bundle_hash, read_manifest

TWIN_TAG = "nextplay.twin"  # of a refit's run: the hash of the bundle that was judged in its place


def register(tracking: Tracking, name: str, made_from: str, folder: Path, twin: str | None = None) -> str:
    """The registered version of a bundle; logged first where that has not been done.

    `twin` is the version of the judged bundle, where this one is its refit.
    """
    digest = bundle_hash(folder)
    version = tracking.version_of(digest)
    if version is not None:
        return version
    manifest = read_manifest(folder)
    with tracking.run(name, made_from) as run:
        run.tags({"nextplay.data": manifest.data_fingerprint, "nextplay.code": manifest.code_version})
        if twin is None:
            run.metrics({f"validation {metric}": value for metric, value in manifest.metrics.items()})
        else:
            run.tags({TWIN_TAG: manifest.twin})
        with tempfile.TemporaryDirectory() as made:
            write_model(Path(made, "model"), folder)
            run.model(Path(made, "model"))
    told = f"validation NDCG@10 {manifest.metrics['ndcg@10']:.4f}"
    if twin is not None:
        told = f"refit of version {twin} on {manifest.trained_on}"
    return tracking.register(run.run_id, digest, f"{manifest.architecture}, {told}")
