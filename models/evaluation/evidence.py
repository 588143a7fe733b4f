"""What the gate reads and what it answers: evidence and policy in, estimates and a verdict out."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from models.bundle.agreement import TOLERANCE
from models.evaluation.metrics import per_user
from models.evaluation.slices import Slice
from models.evaluation.stats import CONFIDENCE, RESAMPLES, SEED

LISTED = 10  # items of a list that coverage looks at


@dataclass(frozen=True, eq=False)
class Evidence:
    """What is known of one model on tonight's test plays. Raises ValueError where it contradicts itself."""

    name: str  # as readers know it: the architecture
    ranks: NDArray[np.int32]  # [users], 1-based; where users have several plays, [plays]
    users: NDArray[np.generic]  # [users], ids, each once; where users have several plays, those of the plays
    coverage: float = 0.0  # share of the catalogue in any user's top 10
    age_days: float | None = None  # since training; asked of a champion
    export_error: float | None = None  # largest difference of a logit, exported against trained
    bundle_hash: str | None = None
    nan_users: int = 0  # users for whom an item was scored NaN
    unknown_targets: int = 0  # users whose target the model does not know; their rank is the last
    validation: float | None = None  # the policy's metric on validation; NaN: the model has none
    error: str | None = None  # why the model could not be loaded or evaluated
    n_items: int | None = None  # of the catalogue; None: as if the lists could show all of it
    groups: Sequence[Slice] = ()  # of `users`, in their order: nobody may collapse
    people: NDArray[np.generic] | None = None  # [users], whose play each row is; None: each another's
    stays: bool = False  # with an error: it is whole, and another release can read it
    earlier: "Evidence | None" = None  # the same recipe on earlier nights' plays; `users` name plays there

    def __post_init__(self) -> None:
        object.__setattr__(self, "ranks", np.asarray(self.ranks))
        object.__setattr__(self, "users", np.asarray(self.users))
        if self.ranks.shape != self.users.shape or self.ranks.ndim != 1:
            raise ValueError(f"{self.name} has {self.ranks.size} ranks for {self.users.size} users.")
        if len(np.unique(self.users)) != len(self.users):
            raise ValueError(f"{self.name} names a user twice.")
        if np.any(self.ranks < 1):
            raise ValueError(f"{self.name} has a rank below 1.")
        if self.people is not None:
            object.__setattr__(self, "people", np.asarray(self.people))
        for rows in (group.users for group in self.groups):
            if rows.shape != self.users.shape:
                raise ValueError(f"{self.name} has groups of {rows.size} users for {self.users.size} users.")
        if self.people is not None and self.people.shape != self.users.shape:
            raise ValueError(f"{self.name} names {self.people.size} people for {self.users.size} plays.")

    @property
    def whose(self) -> NDArray[np.generic]:
        """Whose each play is, [users]."""
        return self.users if self.people is None else self.people

    @cached_property
    def n_people(self) -> int:
        """How many users there are: no more than plays."""
        return len(self.users) if self.people is None else len(np.unique(self.people))

    @property
    def unit(self) -> str:
        """What the rows are, in words."""
        return "users" if self.people is None else "plays"

    @property
    def coverable(self) -> float:
        """Share of the catalogue that the lists of so many users could show, if no two were alike."""
        return min(1.0, LISTED * len(self.users) / self.n_items) if self.n_items else 1.0

    @property
    def covered(self) -> float:
        """Share of what could be covered; 0 without users."""
        return self.coverage / self.coverable if self.coverable else 0.0

    @property
    def has_validation(self) -> bool:
        """Whether validation came to a number."""
        return self.validation is not None and bool(np.isfinite(self.validation))

    @classmethod
    def broken(cls, name: str, error: str) -> "Evidence":
        """Of a model that could not be loaded or evaluated."""
        return cls(name, np.empty(0, dtype=np.int32), np.empty(0, dtype=np.str_), error=error)

    @classmethod
    def of_another_release(cls, name: str, error: str) -> "Evidence":
        """Of a champion that only another release can read: it serves on, and nothing takes its place."""
        return replace(cls.broken(name, error), stays=True)


@dataclass(frozen=True)
class Policy:
    """What is asked of a candidate. Raises ValueError for a value that makes no sense."""

    metric: str = "ndcg@10"
    margin_floor: float = 0.01  # of the champion's metric
    margin_ceiling: float = 0.05  # of the champion's metric, for a champion within its age; the anchor's, too
    stale_ceiling: float = 0.15  # of the champion's metric, for a champion past its age
    confidence: float = CONFIDENCE  # of the two-sided interval
    power: float = 0.9  # chance that an equal candidate passes; 0.8 is asked for, the rest is reserve
    max_age_days: float = 30.0
    anchor_days: float = 30.0  # that the best champion stays the anchor after its reign
    min_coverage: float = 0.05  # share of what the lists of the test users could show of the catalogue
    max_export_error: float = TOLERANCE  # logits
    max_test_gain: float = 1.25  # of test over validation, as a multiple of the baselines'
    max_group_loss: float = 0.5  # of the champion's metric on a group of users
    min_group: int = 100  # users of a group that is looked at
    min_group_share: float = 0.02  # of the users
    max_lost_hits: float = 0.1  # share of the champion's surest hits that a candidate may give up
    max_lost_agreed: float = 0.15  # and of those that a baseline finds, too
    max_unlike: float = 0.3  # share of the champion's less sure hits that an otherwise like candidate loses
    sure: int = 3  # ranks of the surest hits
    lost: int = 50  # beyond this rank nobody looks
    lost_share: float = 0.01  # of the catalogue; nor beyond this share of a large one
    min_users: int = 20  # that two models share; see docs/benchmarks/gate.md
    min_fair_users: int = 100  # whose plays a champion has not learned from: then these are the test
    pool_below: int = 1_000  # test users; with fewer, plays of earlier nights count, too
    min_common: float = 0.5  # share of the larger user set that two models share
    resamples: int = RESAMPLES
    seed: int = SEED

    def __post_init__(self) -> None:
        per_user(self.metric, np.ones(1, dtype=np.int32))
        if not 0 <= self.margin_floor <= self.margin_ceiling:
            raise ValueError("The gate's margin_floor must lie between 0 and its margin_ceiling.")
        if self.stale_ceiling < self.margin_ceiling:
            raise ValueError("The gate's stale_ceiling must be no smaller than its margin_ceiling.")
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
    role: str = ""  # of the other: baseline, champion or anchor; empty in verdicts of earlier versions
    plays: int = 0  # more than the users where they have several; 0 in verdicts of earlier versions
    pooled: bool = False  # plays of earlier nights are among them

    @property
    def of_champion(self) -> bool:
        """Whether the champion is what it is compared with."""
        return self.role == "champion" or (not self.role and self.margin > 0)


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
        own = [e for e in self.estimates if e.candidate == self.winner and e.role != "anchor"]
        before = [_beaten(e, "the champion before") for e in own if e.of_champion]
        baselines = sorted((e for e in own if not e.of_champion), key=lambda e: e.other_value)
        beaten = [*before, *(_beaten(e, "the best baseline") for e in baselines[-1:])]
        if not self.promote or self.reasons[0].startswith(BY_A_PERSON) or not baselines:
            return self.reasons[0]
        known = next((e for e in baselines[:-1] if e.compared_with == MEASURE), None)
        if known is not None:
            beaten[-1] += f"; {known.compared_with} has {known.other_value:.4f}"
        first = own[0]
        none = "" if before else "; there was no champion to compare it with"
        return (
            f"{first.metric.upper()} {first.candidate_value:.4f} on {first.users:,} test users, "
            f"{' and '.join(beaten)}{none} (in brackets {CONFIDENCE:.0%} intervals)."
        )


MEASURE = "popularity"  # stands beside the best baseline: what a ranking without a model comes to
CHAMPION_ALREADY = "is the champion already"  # in the reason for which nothing is promoted
BY_A_PERSON = "Promoted all the same by"  # how the reason of an override begins


def _beaten(estimate: Estimate, role: str) -> str:
    return (
        f"{estimate.difference:+.4f} ({estimate.low:+.4f} to {estimate.high:+.4f}) against {role}, "
        f"{estimate.compared_with} with {estimate.other_value:.4f}"
    )
