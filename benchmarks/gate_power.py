"""How often the gate promotes an equal candidate, and one that is worse by its margin, by simulation.

The other rules are simulated in `gate_rules`; `python -m benchmarks.gate_page` writes the page.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from models.evaluation.gate import Evidence, Policy, Verdict, decide

USERS = (100, 300, 1_000, 3_000, 10_000, 30_000, 100_000)

# As measured on two GRU4Rec trainings and a Markov chain: see the report.
CHAMPION_NDCG, BASELINE_NDCG = 0.19, 0.165
SPREAD = 2.2  # standard deviation of the logarithm of a rank
SHARED_BY_TRAININGS, SHARED_BY_BASELINE = 0.945, 0.83  # correlations of the logarithms of ranks


@dataclass(frozen=True)
class Rates:
    """Shares of simulated candidates that were promoted; margins relative to the champion's NDCG@10."""

    margin: float
    worse: float
    equal: float


def expected_ndcg(location: float) -> float:
    """Mean NDCG@10 of ranks ceil(exp(location + SPREAD * z)), z standard normal."""
    below = [0.0, *(NormalDist(location, SPREAD).cdf(math.log(r)) for r in range(1, 11))]  # P(rank <= r)
    return sum((below[r] - below[r - 1]) / math.log2(1 + r) for r in range(1, 11))


@cache
def location_of(ndcg: float) -> float:
    """The location whose expected NDCG@10 is this."""
    return float(brentq(lambda m: expected_ndcg(m) - ndcg, -20, 20))


def draw_ranks(
    taste: NDArray[np.float64], ndcg: float, shared: float, rng: np.random.Generator
) -> NDArray[np.int32]:
    """Ranks of one model [users]: `shared` of each user's difficulty `taste` [users], the rest its own noise.

    Log-normal, with mean NDCG@10 `ndcg`; two models drawn with `shared` correlate by its square.
    """
    own = math.sqrt(1 - shared**2) * rng.normal(size=len(taste))
    ranks = np.ceil(np.exp(location_of(ndcg) + SPREAD * (shared * taste + own)))
    clipped: NDArray[np.int32] = np.clip(ranks, 1, 1 << 20).astype(np.int32)
    return clipped


def verdicts(
    users: int, pairs: int, deficit: float, policy: Policy, *, age_days: float = 1, seed: int
) -> list[Verdict]:
    """The gate's answers to candidates whose true NDCG@10 is `deficit` below the champion's."""
    rng = np.random.default_rng((seed, users))
    ids = np.arange(users)
    answers = []
    for _ in range(pairs):
        taste = rng.normal(size=users)
        shared = math.sqrt(SHARED_BY_TRAININGS)
        champion = draw_ranks(taste, CHAMPION_NDCG, shared, rng)
        candidate = draw_ranks(taste, CHAMPION_NDCG - deficit, shared, rng)
        baseline = draw_ranks(taste, BASELINE_NDCG, SHARED_BY_BASELINE / shared, rng)
        answers.append(
            decide(
                Evidence("candidate", candidate, ids, coverage=0.5, export_error=0.0),
                Evidence("champion", champion, ids, coverage=0.5, age_days=age_days),
                [Evidence("markov", baseline, ids)],
                policy,
            )
        )
    return answers


def rates(users: int, pairs: int, policy: Policy, *, age_days: float = 1, seed: int) -> Rates:
    """Promotions among equal candidates and among those worse by exactly the margin of this many users."""
    equal = verdicts(users, pairs, 0.0, policy, age_days=age_days, seed=seed)
    margin = float(np.mean([verdict.estimates[-1].margin for verdict in equal]))
    worse = verdicts(users, pairs, margin, policy, age_days=age_days, seed=seed + 1)
    return Rates(margin / CHAMPION_NDCG, _promoted(worse), _promoted(equal))


def few_enough(pairs: int, users: int) -> int:
    """Fewer repetitions where each takes long, so that the page is made within minutes."""
    return max(20, pairs // 5) if users >= 30_000 else pairs


def _promoted(answers: Sequence[Verdict]) -> float:
    return float(np.mean([verdict.promote for verdict in answers]))


def table(pairs: int, policy: Policy, seed: int) -> str:
    lines = [
        "| Test users | Margin | Worse: promoted | Equal: promoted "
        "| Stale: margin | Stale, worse: promoted | Stale, equal: promoted |",
        "| ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    print("\n".join(lines))
    for users in USERS:
        cells = [f"{users:,}"]
        for age_days in (1, policy.max_age_days + 1):
            part = rates(users, few_enough(pairs, users), policy, age_days=age_days, seed=seed)
            cells += [f"{part.margin:.1%}", f"{part.worse:.1%}", f"{part.equal:.1%}"]
        lines.append(f"| {' | '.join(cells)} |")
        print(lines[-1], flush=True)
    return "\n".join(lines)
