"""The ranker: LambdaMART over what was retrieved, by LightGBM.

Burges, "From RankNet to LambdaRank to LambdaMART: An Overview", 2010; Ke et al., NeurIPS 2017.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.data import Holdout
from models.mistakes import UserError
from models.stages.features import FEATURES
from models.stages.scorer import Stages

TO_RANK = 200  # items that the ranker looks at
SHARES = (1.0, 0.01)  # of the first stage's score, to which the trees add; the last only orders ties
BLOCK = 256  # users looked at at once
VALIDATION_PLAYS = 5_000  # at most, on which the number of trees is chosen
MOST_TREES, PATIENCE = 300, 30
SETTINGS: dict[str, Any] = {
    "objective": "lambdarank",
    "metric": "ndcg",
    "eval_at": [10],
    "lambdarank_truncation_level": 20,
    "learning_rate": 0.05,
    "num_leaves": 15,
    "max_depth": 6,
    "min_data_in_leaf": 100,
    "min_sum_hessian_in_leaf": 0.1,
    "num_threads": 1,
    "deterministic": True,
    "force_row_wise": True,
    "verbosity": -1,
}


class RankerError(UserError):
    """A ranker cannot be trained; the message says why, and what to do."""


@dataclass(frozen=True, eq=False)
class Examples:
    """What was retrieved for each play whose item was among it."""

    features: NDArray[np.float32]  # [rows, features]
    played: NDArray[np.bool_]  # [rows]
    sizes: NDArray[np.int64]  # [plays], rows of each


def require_lightgbm() -> None:
    """Raises RankerError where it is not installed, or a library of the system that it needs is missing."""
    try:
        import lightgbm  # noqa: F401
    except (ImportError, OSError) as error:
        raise RankerError(
            f"LightGBM, which trains the ranker, cannot be loaded ({error}): run pip install -e '.[stages]', "
            "on a slim image apt-get install libgomp1 too, or take two_stage and sasrec_ranked out of "
            "NEXTPLAY_CANDIDATES."
        ) from error


def examples(stages: Stages, plays: Holdout) -> Examples:
    """What the ranker learns from. Plays of items that were not retrieved teach nothing and are left out."""
    seen, played, sizes = [np.zeros((0, len(FEATURES)), np.float32)], [np.zeros(0, np.bool_)], []
    for start in range(0, len(plays), BLOCK):
        part = plays.rows(np.arange(start, min(start + BLOCK, len(plays))))
        histories = [part.histories.user(row) for row in range(len(part))]
        _, best, given = stages.look(histories, part.moment)
        hit = best == part.targets[:, None]  # [users, k]
        there = (best != 0) & hit.any(axis=1, keepdims=True)
        seen.append(given[there])
        played.append(hit[there])
        sizes.extend(there.sum(axis=1)[there.any(axis=1)].tolist())
    return Examples(np.concatenate(seen), np.concatenate(played), np.array(sizes, dtype=np.int64))


def some_plays(validation: Holdout) -> Holdout:
    """At most VALIDATION_PLAYS of them, evenly spaced."""
    n = min(len(validation), VALIDATION_PLAYS)
    return validation.rows(np.linspace(0, len(validation) - 1, n).astype(np.int64))


def learn(teaching: Examples, validation: Examples, seed: int) -> tuple[str, float]:
    """The trees as LightGBM's text, and the share of the first stage's score that they add to.

    As many trees, and the one of SHARES, as rank the validation plays best. Raises RankerError where there is
    nothing to learn from, or LightGBM is missing.
    """
    require_lightgbm()
    if not len(teaching.sizes):
        raise RankerError(
            "A ranker has nothing to learn from: none of the plays kept for it was among what the first "
            "stage retrieved. Give it more data, or take it out of NEXTPLAY_CANDIDATES."
        )
    tried = SHARES if len(validation.sizes) else SHARES[:1]
    made = [(*_boosted(teaching, validation, seed, share), share) for share in tried]
    _, text, share = max(made, key=lambda one: one[0])
    return text, share


def _boosted(teaching: Examples, validation: Examples, seed: int, share: float) -> tuple[float, str]:
    """NDCG@10 on validation, among what was retrieved, and the trees' text."""
    import lightgbm

    def data(of: Examples, reference: Any = None) -> Any:
        return lightgbm.Dataset(
            of.features, label=of.played, group=of.sizes, init_score=share * of.features[:, 0],
            feature_name=[name.replace(" ", "_") for name in FEATURES], reference=reference,
            params=SETTINGS,
        )  # fmt: skip

    train, stop = data(teaching), len(validation.sizes) > 0
    booster = lightgbm.train(
        {**SETTINGS, "seed": seed}, train, MOST_TREES,
        valid_sets=[data(validation, train)] if stop else None,
        callbacks=[lightgbm.early_stopping(PATIENCE, verbose=False)] if stop else None,
    )  # fmt: skip
    reached = booster.best_score["valid_0"]["ndcg@10"] if stop else 0.0
    return reached, booster.model_to_string(num_iteration=booster.best_iteration if stop else None)
