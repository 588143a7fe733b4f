"""A model that takes part in the comparison."""

from dataclasses import dataclass
from pathlib import Path

from assets.state.lake import fingerprint
from models.answering import answering
from models.bundle.bundle import ItemTable, bundle_hash, read_items, read_manifest
from models.evaluation.translate import TranslatedScorer
from models.opening import open_scorer
from models.scorer import Scorer


@dataclass(frozen=True)
class Entrant:
    """A model on the leaderboard. `role` is candidate, baseline, champion or optimum."""

    model: str
    role: str
    architecture: str
    scorer: Scorer
    bundle_hash: str
    validation_ndcg: float
    export_error: float = 0.0
    procedure: str = ""  # names the code and the split that made it


def open_bundle(folder: Path, model: str, role: str, items: ItemTable, *, serves: bool = False) -> Entrant:
    """A bundle that answers in the vocabulary of `items`; raises BundleError.

    One that `serves` answers as at the endpoint: not with what nobody plays any more.
    """
    manifest, scorer = read_manifest(folder), open_scorer(folder)
    theirs = read_items(folder)
    if serves:
        scorer = answering(scorer, theirs, manifest)
    if theirs.ids != items.ids:
        scorer = TranslatedScorer(scorer, theirs, items)
    validation = manifest.metrics.get("ndcg@10", float("nan"))
    procedure = fingerprint(manifest.code_version, manifest.source, manifest.split, manifest.exclude_seen)
    return Entrant(
        model,
        role,
        manifest.architecture,
        scorer,
        bundle_hash(folder),
        validation,
        manifest.export_error,
        procedure,
    )
