"""What a rule found, and the paired comparison that most of them stand on."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.evaluation.evidence import Estimate, Evidence, Policy
from models.evaluation.metrics import per_user
from models.evaluation.stats import bootstrap_interval, detectable_difference


@dataclass(frozen=True)
class Finding:
    """One sentence for the verdict, whether it speaks for the candidate, and the figures behind it."""

    passed: bool
    reason: str
    estimates: tuple[Estimate, ...] = ()
    note: bool = False  # decides nothing, and comes after what does


@dataclass(frozen=True, eq=False)
class Pairs:
    """Two models on the same plays. Where a person has several, `people` says whose each is."""

    own: NDArray[np.int32]  # [plays], ranks
    other: NDArray[np.int32]  # [plays]
    people: NDArray[np.generic] | None  # [plays]; None: each play is another person's
    pooled: bool = False  # plays of earlier nights are among them

    @property
    def users(self) -> int:
        return len(self.own) if self.people is None else len(np.unique(self.people))


def paired(model: Evidence, other: Evidence, policy: Policy) -> Pairs:
    """The plays that both models ranked; with few users tonight those of earlier nights, too."""
    own, others = _common(model, other)
    if model.earlier is None or other.earlier is None or model.n_people >= policy.pool_below:
        people = None if model.people is None else model.people[own]
        return Pairs(model.ranks[own], other.ranks[others], people)
    before, before_other = _common(model.earlier, other.earlier)
    parts = (model.whose[own], model.earlier.whose[before])
    return Pairs(
        np.concatenate([model.ranks[own], model.earlier.ranks[before]]),
        np.concatenate([other.ranks[others], other.earlier.ranks[before_other]]),
        np.concatenate([part.astype(str) for part in parts]),
        pooled=True,
    )


def compare(model: Evidence, other: Evidence, policy: Policy, role: str) -> Estimate | str:
    """The paired comparison without a margin, or the sentence that says why there is none."""
    tonight, _ = _common(model, other)
    users = len(tonight) if model.people is None else len(np.unique(model.people[tonight]))
    larger = max(model.n_people, other.n_people)
    if larger < policy.min_users:  # whatever the other model is, so this is said once
        return (
            f"{larger:,} test users are too few to tell models apart: at least {policy.min_users:,} are "
            "needed, so no network can be promoted. A champion stays; without one the best baseline serves."
        )
    if users < max(policy.min_users, policy.min_common * larger):
        return (
            f"{model.name} cannot be compared with {other.name}: they share {users:,} of {larger:,} "
            f"test users, and {policy.min_users:,} and {policy.min_common:.0%} of them are needed."
        )
    pairs = paired(model, other, policy)
    own_values = per_user(policy.metric, pairs.own)  # [plays]
    other_values = per_user(policy.metric, pairs.other)
    differences = own_values - other_values
    low, high = bootstrap_interval(
        differences,
        confidence=policy.confidence,
        resamples=policy.resamples,
        seed=policy.seed,
        people=pairs.people,
    )
    return Estimate(
        candidate=model.name,
        compared_with=other.name,
        metric=policy.metric,
        users=pairs.users,
        candidate_value=float(own_values.mean()),
        other_value=float(other_values.mean()),
        difference=float(differences.mean()),
        low=low,
        high=high,
        margin=0.0,
        detectable_difference=detectable_difference(
            differences, confidence=policy.confidence, power=policy.power, people=pairs.people
        ),
        role=role,
        plays=len(differences),
        pooled=pairs.pooled,
    )


def figures(estimate: Estimate, policy: Policy) -> str:
    """The comparison in words, without what follows from it."""
    on = f"{estimate.users:,} users"
    if estimate.plays > estimate.users:
        on = f"{estimate.plays:,} plays of {on}" + (", earlier nights' included" if estimate.pooled else "")
    return (
        f"{estimate.metric.upper()} {estimate.candidate_value:.4f} against {estimate.other_value:.4f} on "
        f"{on}, a difference of {estimate.difference:+.4f} whose "
        f"{policy.confidence:.0%} interval ({estimate.low:+.4f} to {estimate.high:+.4f})"
    )


def metric_of(model: Evidence, policy: Policy) -> float:
    """The policy's metric on test; NaN without users."""
    return float(per_user(policy.metric, model.ranks).mean()) if len(model.ranks) else float("nan")


def _common(model: Evidence, other: Evidence) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where the users of both stand in each, [common] both."""
    _, own, others = np.intersect1d(model.users, other.users, assume_unique=True, return_indices=True)
    return own, others
