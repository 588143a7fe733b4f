"""A mean may hold while some are given up: groups of users, and users whom nobody named.

- *Groups*: on no group of users may the candidate lose more than `max_group_loss` of the champion's metric,
  with p below 1 - confidence after Holm's correction for all groups. Groups of fewer than `min_group` users,
  or of less than `min_group_share` of all, are left out.
- *Sure hits*: of the items that the champion puts on the first `sure` places, the candidate may rank no more
  than `max_lost_hits` where nobody looks: beyond `lost`, or the first hundredth of a large catalogue. Of two
  sound networks on real data one so loses 0 to 3 % of the other's. Models of different kinds lose more, but
  then the better one gains more of that sort than it loses, and is let in.
- *Agreed hits*: of those sure hits that the best other baseline has in its list, it may lose no more than
  `max_lost_agreed`, whatever it gains, where it is like the champion otherwise: it loses no more than
  `max_unlike` of what the champion ranks below its surest hits. On real data networks lose 0 to 2 % of a
  network's, 0 to 11 % of a baseline's.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import sqrt
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from models.evaluation.evidence import LISTED, Evidence, Policy
from models.evaluation.metrics import per_user
from models.evaluation.rules.finding import Finding
from models.evaluation.slices import Comparison, Slice, compare, holm
from models.evaluation.stats import bootstrap_interval


def collapses(
    candidate: Evidence, reference: Evidence | None, witness: Evidence | None, policy: Policy
) -> list[Finding]:
    """What the candidate gives up of what `reference` does well: the champion, else the best baseline.

    `witness` is the best baseline beside it: what both find is easy to find.
    """
    if reference is None or reference.error is not None or not len(reference.ranks):
        return []
    users, own, others = np.intersect1d(
        candidate.users, reference.users, assume_unique=True, return_indices=True
    )
    if len(own) < policy.min_users:
        return []
    ranks, before = candidate.ranks[own], reference.ranks[others]
    people = None if candidate.people is None else candidate.people[own]
    groups = [Slice(g.kind, g.label, g.users[own]) for g in candidate.groups]
    unseen = max(policy.lost, policy.lost_share * (candidate.n_items or 0))  # beyond this rank nobody looks
    lost = ranks > unseen  # [users]
    hits = _Hits(candidate.name, reference.name, before <= policy.sure, lost, people)
    gained = (ranks <= policy.sure) & (before > unseen)
    found = [
        *_groups(candidate.name, reference.name, groups, ranks, before, people, policy),
        *_sure_hits(hits, gained, policy),
    ]
    less_sure = (before > policy.sure) & (before <= LISTED)
    if witness is not None and (lost & less_sure).sum() <= policy.max_unlike * less_sure.sum():
        listed = witness.users[witness.ranks <= LISTED]
        agreed = replace(hits, sure=hits.sure & np.isin(users, listed))
        found += _agreed_hits(agreed, witness.name, policy)
    return found


def _groups(
    name: str,
    other: str,
    groups: Sequence[Slice],
    ranks: np.ndarray,
    before: np.ndarray,
    people: np.ndarray | None,
    policy: Policy,
) -> list[Finding]:
    everybody = np.arange(len(ranks)) if people is None else people  # [plays]
    least = max(policy.min_group, policy.min_group_share * len(np.unique(everybody)))
    large = [group for group in groups if len(np.unique(everybody[group.users])) >= least]
    if not large:
        return []
    own, theirs = per_user(policy.metric, ranks), per_user(policy.metric, before)
    results = [
        compare(
            own[g.users], theirs[g.users],
            seed=policy.seed, people=None if people is None else people[g.users],
        )
        for g in large
    ]  # fmt: skip
    corrected = holm([result.p for result in results])
    fallen = [
        _fallen(name, other, group, result, p, policy)
        for group, result, p in zip(large, results, corrected, strict=True)
        if p < 1 - policy.confidence and -result.difference > policy.max_group_loss * result.other
    ]
    if fallen:
        return [Finding(False, reason) for reason in fallen]
    reason = (
        f"On none of {len(large)} groups of users does {name} lose more than {policy.max_group_loss:.0%} of "
        f"{other}'s {policy.metric.upper()}."
    )
    return [Finding(True, reason)]


def _fallen(name: str, other: str, group: Slice, result: Comparison, p: float, policy: Policy) -> str:
    return (
        f"{name} collapses for the users of “{group.kind}: {group.label}”: {policy.metric.upper()} "
        f"{result.own:.4f} against {other}'s {result.other:.4f} on {result.users:,} users, a loss of "
        f"{-result.difference / result.other:.0%} (p {p:.1g} after Holm); "
        f"{policy.max_group_loss:.0%} is allowed."
    )


@dataclass(frozen=True, eq=False)
class _Hits:
    """What the reference finds most surely, and which items the candidate ranks where nobody looks."""

    name: str
    other: str
    sure: NDArray[np.bool_]  # [users]
    lost: NDArray[np.bool_]  # [users]
    people: NDArray[np.generic] | None = None  # [users], whose each is, where somebody has several plays

    @property
    def asked(self) -> str:
        return "users whose next" if self.people is None else "plays whose"

    @property
    def gone(self) -> int:
        return int((self.sure & self.lost).sum())

    def exceed(self, allowed: float, policy: Policy) -> bool:
        """Whether more of them than allowed are lost, chance among users aside."""
        if not self.gone:
            return False
        hits = int(self.sure.sum())
        users = hits if self.people is None else len(np.unique(self.people[self.sure]))
        return _least_share(self.gone / hits, users, policy.confidence) > allowed

    def told(self, whom: str) -> str:
        return (
            f"{self.name} gives up {self.gone:,} of the {int(self.sure.sum()):,} {self.asked} item "
            f"{whom}: it ranks the item where nobody looks ({self.gone / self.sure.sum():.0%}"
        )


def _sure_hits(hits: _Hits, gained: NDArray[np.bool_], policy: Policy) -> list[Finding]:
    if not hits.exceed(policy.max_lost_hits, policy):
        return []
    net = (hits.sure & hits.lost).astype(np.float64) - gained  # [users]
    low, _ = bootstrap_interval(
        net,
        confidence=policy.confidence,
        resamples=policy.resamples,
        seed=policy.seed,
        people=hits.people,
    )
    if low <= 0:
        return []
    reason = (
        f"{hits.told(f'{hits.other} put among the first {policy.sure}')}; {policy.max_lost_hits:.0%} is "
        f"allowed), and finds as surely only {int(gained.sum()):,} that {hits.other} ranked there."
    )
    return [Finding(False, reason)]


def _agreed_hits(hits: _Hits, witness: str, policy: Policy) -> list[Finding]:
    if not hits.exceed(policy.max_lost_agreed, policy):
        return []
    whom = f"{hits.other} put among the first {policy.sure} and {witness} among the first {LISTED}"
    return [Finding(False, f"{hits.told(whom)}; {policy.max_lost_agreed:.0%} is allowed).")]


def _least_share(share: float, of: int, confidence: float) -> float:
    """The lower end of Wilson's interval of a share among so many users (Wilson, JASA 1927)."""
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    spread = z * sqrt(share * (1 - share) / of + z * z / (4 * of * of))
    return (share + z * z / (2 * of) - spread) / (1 + z * z / of)
