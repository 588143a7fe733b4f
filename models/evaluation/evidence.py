"""What the gate reads and what it answers: evidence and policy in, estimates and a verdict out."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from models.bundle.agreement import TOLERANCE
from models.evaluation.metrics import per_user
from models.evaluation.stats import CONFIDENCE, RESAMPLES, SEED


@dataclass(frozen=True, eq=False)
class Evidence:
    """What is known of one model on tonight's test users. Raises ValueError where it contradicts itself."""

    name: str  # as readers know it: the architecture
    ranks: NDArray[np.int32]  # [users], 1-based
    users: NDArray[np.generic]  # [users], ids, each once, aligned with `ranks`; any sequence is taken
    coverage: float = 0.0  # share of the catalogue in any user's top 10
    age_days: float | None = None  # since training; asked of a champion
    export_error: float | None = None  # largest difference of a logit, exported against trained
    bundle_hash: str | None = None
    nan_users: int = 0  # users for whom an item was scored NaN
    unknown_targets: int = 0  # users whose target the model does not know; their rank is the last
    validation: float | None = None  # the policy's metric on validation, where it is known
    error: str | None = None  # why the model could not be loaded or evaluated

    def __post_init__(self) -> None:
        object.__setattr__(self, "ranks", np.asarray(self.ranks))
        object.__setattr__(self, "users", np.asarray(self.users))
        if self.ranks.shape != self.users.shape or self.ranks.ndim != 1:
            raise ValueError(f"{self.name} has {self.ranks.size} ranks for {self.users.size} users.")
        if len(np.unique(self.users)) != len(self.users):
            raise ValueError(f"{self.name} names a user twice.")
        if np.any(self.ranks < 1):
            raise ValueError(f"{self.name} has a rank below 1.")

    @classmethod
    def broken(cls, name: str, error: str) -> "Evidence":
        """Of a model that could not be loaded or evaluated."""
        return cls(name, np.empty(0, dtype=np.int32), np.empty(0, dtype=np.str_), error=error)


@dataclass(frozen=True)
class Policy:
    """What is asked of a candidate. Raises ValueError for a value that makes no sense."""

    metric: str = "ndcg@10"
    margin_floor: float = 0.01  # of the champion's metric
    margin_ceiling: float = 0.05  # of the champion's metric, for a champion within its age
    confidence: float = CONFIDENCE  # of the two-sided interval
    power: float = 0.9  # chance that an equal candidate passes; 0.8 is asked for, the rest is reserve
    max_age_days: float = 30.0
    min_coverage: float = 0.05  # share of the catalogue
    max_export_error: float = TOLERANCE  # logits
    max_test_gain: float = 1.25  # of test over validation, as a multiple of the largest baseline's
    min_users: int = 100  # that two models share
    min_common: float = 0.5  # share of the larger user set that two models share
    resamples: int = RESAMPLES
    seed: int = SEED

    def __post_init__(self) -> None:
        per_user(self.metric, np.ones(1, dtype=np.int32))
        if not 0 <= self.margin_floor <= self.margin_ceiling:
            raise ValueError("The gate's margin_floor must lie between 0 and its margin_ceiling.")
        if not (0 < self.confidence < 1 and 0.5 <= self.power < 1):
            raise ValueError("The gate's confidence must lie between 0 and 1, its power between 0.5 and 1.")
        if self.min_users < 2 or self.resamples < 1:
            raise ValueError("The gate's min_users must be 2 at least and its resamples 1 at least.")


@dataclass(frozen=True)
class Override:
    """A person's decision to promote in spite of the evidence. Raises ValueError without reason or name."""

    reason: str
    by: str

    def __post_init__(self) -> None:
        if not self.reason.strip() or not self.by.strip():
            raise ValueError("An override needs a reason and the name of who gives it.")


@dataclass(frozen=True)
class Estimate:
    """A paired comparison on the users that both models share; differences are candidate minus other."""

    candidate: str
    compared_with: str
    metric: str
    users: int
    candidate_value: float
    other_value: float
    difference: float
    low: float
    high: float
    margin: float  # 0 against a baseline
    detectable_difference: float


@dataclass(frozen=True)
class Verdict:
    """The gate's answer. A refusal is a normal outcome."""

    promote: bool
    winner: str | None  # the champion from now on; None while there is none
    reasons: list[str]  # sentences by weight: against the candidate, then comparisons, conditions, notes
    estimates: list[Estimate] = field(default_factory=list)
    override: Override | None = None

    @property
    def why(self) -> str:
        """What decided, in a sentence: whom the winner beat and by how much, or what spoke against it."""
        own = [estimate for estimate in self.estimates if estimate.candidate == self.winner]
        before = [_beaten(e, "the champion before") for e in own if e.margin]
        baselines = sorted((e for e in own if not e.margin), key=lambda e: e.other_value)
        beaten = [*before, *(_beaten(e, "the best baseline") for e in baselines[-1:])]
        if not self.promote or self.reasons[0].startswith(BY_A_PERSON) or not baselines:
            return self.reasons[0]
        first = own[0]
        none = "" if before else "; there was no champion to compare it with"
        return (
            f"{first.metric.upper()} {first.candidate_value:.4f} on {first.users:,} test users, "
            f"{' and '.join(beaten)}{none} (in brackets {CONFIDENCE:.0%} intervals)."
        )


CHAMPION_ALREADY = "is the champion already"  # in the reason for which nothing is promoted
BY_A_PERSON = "Promoted all the same by"  # how the reason of an override begins


def _beaten(estimate: Estimate, role: str) -> str:
    return (
        f"{estimate.difference:+.4f} ({estimate.low:+.4f} to {estimate.high:+.4f}) against {role}, "
        f"{estimate.compared_with} with {estimate.other_value:.4f}"
    )
