"""Whether a refit may serve in the place of the bundle that was judged: the two side by side."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from models.bundle.bundle import PADDING
from models.data import Holdout
from models.evaluation.evidence import LISTED
from models.evaluation.metrics import coverage, evaluate, per_user
from models.evaluation.stats import SEED, bootstrap_interval
from models.opening import check_golden, open_scorer

MIN_OVERLAP = 0.2  # of the refit's top 10 with its twin's
KEPT_COVERAGE = 0.75  # of its twin's
TRIED_USERS = 10_000  # at most


@dataclass(frozen=True)
class Trial:
    """A refit beside its twin, on the same histories and their test plays; why it must not serve, if so."""

    users: int
    overlap: float  # of the two top 10, mean share over the users
    coverage: float  # share of the catalogue in any user's top 10
    twin_coverage: float
    ndcg: float  # NDCG@10 on plays that the refit has learned from and its twin has not
    twin_ndcg: float
    faults: tuple[str, ...] = ()


def try_refit(refit: Path, twin: Path, test: Holdout, min_coverage: float) -> Trial:
    """Compare a refit with its twin; raises BundleError where it does not give its golden answers.

    Test plays show no quality here, for the refit knows them. So they show a collapse: a model that has
    learned something ranks what it has learned from no worse than one that has not. Asked for are no NaN, a
    top 10 that shares at least `MIN_OVERLAP` with the twin's, at least `KEPT_COVERAGE` of its coverage, and
    `min_coverage` of what so many lists could show where the twin has that.
    """
    check_golden(refit)
    if not len(test):
        return Trial(0, 0.0, 0.0, 0.0, 0.0, 0.0, ("there is no test play to try it on",))
    some = test.rows(np.linspace(0, len(test) - 1, min(len(test), TRIED_USERS)).astype(np.int64))
    new, old = (evaluate(open_scorer(folder), some, k=LISTED) for folder in (refit, twin))
    n_items = some.histories.n_items
    covered, before = coverage(new.items, n_items), coverage(old.items, n_items)
    same = (new.items[:, :, None] == old.items[:, None, :]) & (old.items > PADDING)[:, None, :]
    overlap = float(same.sum() / max(1, (old.items > PADDING).sum()))
    gain = per_user("ndcg@10", new.ranks) - per_user("ndcg@10", old.ranks)  # [plays]
    ndcg, twin_ndcg = (float(per_user("ndcg@10", found.ranks).mean()) for found in (new, old))
    least = min_coverage * min(1.0, LISTED * len(some) / n_items)
    asked = max(KEPT_COVERAGE * before, least if before >= least else 0.0)
    faults = []
    if new.nan_users:
        faults.append(f"it gave no number (NaN) for {new.nan_users:,} of {len(some):,} users")
    if overlap < MIN_OVERLAP:
        faults.append(f"its top 10 shares {overlap:.1%} with its twin's, and {MIN_OVERLAP:.0%} are asked for")
    if covered < asked:
        faults.append(
            f"it shows {covered:.1%} of the catalogue, its twin {before:.1%}: {asked:.1%} are asked for"
        )
    if bootstrap_interval(gain, seed=SEED, people=some.people)[1] < 0:
        faults.append(
            f"its NDCG@10 on plays that it has learned from is {ndcg:.4f}, surely below the {twin_ndcg:.4f} "
            "of its twin, which has not"
        )
    return Trial(len(some), overlap, covered, before, ndcg, twin_ndcg, tuple(faults))
