"""Test items that leaked into training raise the test alone: no baseline gains as much there.

What is judged is the ratio of test to validation, by intervals over users: the lower end of the candidate's
against the upper end of that of all baselines together, so that no single one with next to nothing on
validation sets what is usual.
"""

from collections.abc import Sequence
from functools import reduce

import numpy as np

from models.evaluation.evidence import Evidence, Policy
from models.evaluation.metrics import per_user
from models.evaluation.rules.finding import Finding
from models.evaluation.stats import bootstrap_interval


def leaks(candidate: Evidence, baselines: Sequence[Evidence], policy: Policy) -> list[Finding]:
    """A finding where the candidate gained too much, and where that cannot be told."""
    name, validation = candidate.name, candidate.validation
    if validation is None:
        reason = f"What {name} reaches on validation is unknown, so nothing says whether test items leaked."
        return [Finding(True, reason, note=True)]
    if not np.isfinite(validation):
        reason = (
            f"{name} has no number on validation ({validation}): whether test items leaked cannot be told."
        )
        return [Finding(False, reason)]
    low, _ = _interval(per_user(policy.metric, candidate.ranks), candidate.people, policy)
    if low <= 0:
        return []
    usual, whose = usual_gain(baselines, policy)
    own = low / validation if validation > 0 else float("inf")
    if own <= policy.max_test_gain * usual:
        return []
    reason = (
        f"{name} is too good on test: {policy.metric.upper()} there is at least {own:.2f} times "
        f"that on validation, {whose} at most {usual:.2f} times: test items may have leaked."
    )
    return [Finding(False, reason)]


def usual_gain(baselines: Sequence[Evidence], policy: Policy) -> tuple[float, str]:
    """The upper end of the baselines' ratio of test to validation, pooled, and whose it is in words.

    Without any known ratio 1 is what is usual.
    """
    known = [b for b in baselines if b.error is None and len(b.ranks) and b.has_validation]
    total = sum(b.validation for b in known if b.validation is not None)
    users = reduce(np.intersect1d, (b.users for b in known)) if known else np.empty(0)
    if total <= 0 or not len(users):
        return 1.0, "where no baseline's validation is known and so"
    together, people = np.zeros(len(users)), None
    for baseline in known:
        order = np.argsort(baseline.users)
        rows = order[np.searchsorted(baseline.users[order], users)]
        together += per_user(policy.metric, baseline.ranks[rows])
        people = None if baseline.people is None else baseline.people[rows]
    _, high = _interval(together, people, policy)
    return high / total, "with the baselines together"


def _interval(values: np.ndarray, people: np.ndarray | None, policy: Policy) -> tuple[float, float]:
    return bootstrap_interval(
        values, confidence=policy.confidence, resamples=policy.resamples, seed=policy.seed, people=people
    )
