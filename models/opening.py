"""Opens what a bundle holds, whatever its architecture."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from models.baselines import BASELINES, Content, NewReleases
from models.blend.scorer import BLEND, Blend
from models.bundle.agreement import agree
from models.bundle.bundle import BundleError, bundle_hash, read_golden, read_items, read_manifest
from models.codes.scorer import TIGER, TigerScorer
from models.scorer import OnnxScorer, Scorer
from models.stages.names import STAGED
from models.stages.scorer import Staged


def open_scorer(folder: Path, threads: int = 1) -> Scorer:
    """The scorer of a bundle; raises BundleError where the bundle is broken or of unknown architecture."""

    architecture = read_manifest(folder).architecture
    if architecture == BLEND:
        return Blend.load(folder, partial(open_scorer, threads=threads))
    if architecture in STAGED:
        return Staged.load(folder, partial(open_scorer, threads=threads))
    if architecture in BASELINES:
        load: Callable[[Path], Scorer] = BASELINES[architecture].load
        return load(folder)
    return (TigerScorer if architecture == TIGER else OnnxScorer).load(folder, threads)


def knows_content(scorer: Scorer) -> bool:
    """Whether it says something of an item that nobody has played."""
    if isinstance(scorer, Blend):
        return any(map(knows_content, [*scorer.networks.values(), *scorer.baselines.values()]))
    if isinstance(scorer, Staged):
        return scorer.first.knows_content
    return isinstance(scorer, Content | NewReleases) or (
        isinstance(scorer, OnnxScorer) and scorer.knows_content
    )


def check_golden(folder: Path) -> None:
    """Raises BundleError where the bundle is broken or does not give the golden answers that it came with."""
    scorer = open_scorer(folder)
    for golden in read_golden(folder):
        if not golden.history:
            continue
        scores = scorer.score([np.asarray(golden.history, dtype=np.int64)])[0]  # [n_items + 1]
        if max(golden.items, default=0) >= len(scores) or not agree(scores[golden.items], golden.scores):
            raise BundleError(f"{folder.name} does not give the answers that the trained model gave.")


def check_sound(folder: Path, digest: str) -> None:
    """Raises BundleError where a bundle is gone, is not what `digest` names, or does not answer as it did."""
    if not folder.is_dir():
        raise BundleError(f"the bundle {folder.name} is gone.")
    if bundle_hash(folder) != digest:
        raise BundleError(f"the bundle {folder.name} is damaged: its content is not what was promoted.")
    read_items(folder)
    try:
        check_golden(folder)
    except (ArithmeticError, LookupError, TypeError, ValueError) as error:  # of numbers that make no model
        raise BundleError(f"the bundle {folder.name} cannot answer ({error}).") from error
