"""Not inferior: to the champion, and to the anchor, the best champion of late.

The margin to the champion is granted anew every night, so many nights could add up; the anchor stays where it
is meanwhile, and the margin to it is therefore the most that is ever lost.
"""

from dataclasses import replace

from models.evaluation.evidence import Estimate, Evidence, Policy
from models.evaluation.rules.finding import Finding, compare, figures
from models.evaluation.rules.soundness import unknown_items


def against_champion(candidate: Evidence, champion: Evidence | None, policy: Policy) -> list[Finding]:
    """Notes on the champion, and last the comparison with it."""
    if champion is None:
        reason = "There is no champion yet, so the baselines are all there is to beat."
        return [Finding(True, reason, note=True)]
    if champion.stays:
        return [Finding(False, why_it_stays(champion))]
    if champion.error is not None:
        reason = f"The champion {champion.name} could not be evaluated, so it is no hurdle: {champion.error}"
        return [Finding(True, reason, note=True)]
    estimate = compare(candidate, champion, policy, "champion")
    if isinstance(estimate, str):
        return [Finding(False, estimate)]
    ceiling = policy.stale_ceiling if _is_stale(champion, policy) else policy.margin_ceiling
    return [*_notes(champion, policy), _not_inferior(estimate, ceiling, f"champion {champion.name}", policy)]


def why_it_stays(champion: Evidence) -> str:
    """Of a champion that another release wrote."""
    return (
        f"The champion {champion.name} is of another format, so it cannot be compared and stays: "
        f"{champion.error} A person can replace it: make promote."
    )


def against_anchor(
    candidate: Evidence,
    champion: Evidence | None,
    anchor: Evidence | None,
    better: bool,
    policy: Policy,
) -> list[Finding]:
    """The comparison with the anchor, where it is another model than the champion.

    `better` says that the candidate takes the place of something worse: then it need not reach the anchor.
    """
    if anchor is None or champion is None or champion.error is not None:
        return []
    if anchor.bundle_hash is not None and anchor.bundle_hash == champion.bundle_hash:
        return []
    if anchor.error is not None:
        reason = f"The anchor {anchor.name} could not be evaluated, so it is no hurdle: {anchor.error}"
        return [Finding(True, reason, note=True)]
    estimate = compare(candidate, anchor, policy, "anchor")
    if isinstance(estimate, str):
        return [Finding(False, estimate)]
    who = f"anchor {anchor.name}, the best champion of late,"
    finding = _not_inferior(estimate, policy.margin_ceiling, who, policy)
    if finding.passed or not better:
        return [finding]
    excused = f"{finding.reason} That does not keep it out: what serves now is worse than {candidate.name}."
    return [replace(finding, passed=True, reason=excused, note=True)]


def anchor_yields(serves: Evidence, anchor: Evidence | None, days: float, policy: Policy) -> bool:
    """Whether what serves from now on becomes the anchor; `days` are since the anchor's reign ended.

    It does where it beats the anchor with its interval, and where the anchor has had its days and is not
    above it any more: one that still is shows that champions have become worse, however old it may be.
    """
    if anchor is None or anchor.error is not None:
        return True
    estimate = compare(serves, anchor, policy, "anchor")
    if isinstance(estimate, str):
        return days > policy.anchor_days
    return estimate.low > 0 or (days > policy.anchor_days and estimate.difference >= 0)


def _not_inferior(estimate: Estimate, ceiling: float, whom: str, policy: Policy) -> Finding:
    value, detectable = estimate.other_value, estimate.detectable_difference
    estimate = replace(estimate, margin=min(max(policy.margin_floor * value, detectable), ceiling * value))
    passed = estimate.low > -estimate.margin
    verb = "is not inferior" if passed else "may be inferior"
    where = "lies above" if passed else "does not lie above"
    reason = (
        f"{estimate.candidate} {verb} to the {whom.removesuffix(',')}: "
        f"{figures(estimate, policy)} {where} the margin of {-estimate.margin:.4f} "
        f"({_relative(estimate.margin, estimate)} of the {estimate.role}; this test detects a difference of "
        f"{detectable:.4f}, {_relative(detectable, estimate)})."
    )
    return Finding(passed, reason, (estimate,))


def _notes(champion: Evidence, policy: Policy) -> list[Finding]:
    notes = []
    if _is_stale(champion, policy):
        notes.append(
            f"The champion {champion.name} is {champion.age_days:.0f} days old, more than "
            f"{policy.max_age_days:.0f}, so the margin may exceed {policy.margin_ceiling:.1%}, up to "
            f"{policy.stale_ceiling:.1%}."
        )
    if champion.nan_users:
        notes.append(
            f"The champion gave no number (NaN) for {champion.nan_users:,} users, who count as misses."
        )
    if champion.unknown_targets:
        notes.append(unknown_items(f"The champion {champion.name}", champion))
    return [Finding(True, note, note=True) for note in notes]


def _is_stale(champion: Evidence, policy: Policy) -> bool:
    return champion.age_days is not None and champion.age_days > policy.max_age_days


def _relative(value: float, estimate: Estimate) -> str:
    return f"{value / estimate.other_value:.1%}" if estimate.other_value else "of a metric of 0"
