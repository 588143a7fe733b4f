"""What is asked of a model whatever the others do: numbers for everybody, a true export, a broad offer."""

from collections.abc import Sequence

import numpy as np

from models.evaluation.evidence import Evidence, Policy
from models.evaluation.rules.finding import Finding


def soundness(candidate: Evidence, policy: Policy) -> list[Finding]:
    """Coverage, the exported form, NaN; and a note on items that the candidate does not know."""
    return [_coverage(candidate, policy), _export(candidate, policy), *_numbers(candidate)]


def all_users(candidate: Evidence, others: Sequence[Evidence]) -> list[Finding]:
    """A finding where another model of tonight was asked for users that the candidate was not."""
    for other in others:
        missing = len(np.setdiff1d(other.users, candidate.users, assume_unique=True))
        if missing:
            return [
                Finding(
                    False,
                    f"{candidate.name} was not asked for {missing:,} of the {len(other.users):,} "
                    f"{other.unit} of {other.name}: all models are judged on the same {other.unit}.",
                )
            ]
    return []


def covers_enough(model: Evidence, policy: Policy) -> bool:
    """Whether the best items of all users are as many different ones as is asked for."""
    return model.covered >= policy.min_coverage


def breadth(model: Evidence) -> str:
    """How much a model shows, as `covers 4.5% of the catalogue, 60.0% of what ... can be shown`."""
    told = f"{model.coverage:.1%} of the catalogue"
    if model.coverable < 1:
        told += f", {model.covered:.1%} of what {len(model.users):,} {model.unit} can be shown"
    return told


def unknown_items(who: str, model: Evidence) -> str:
    return (
        f"{who} does not know the item that {model.unknown_targets:,} of {len(model.ranks):,} users "
        "took next; they count as misses."
        if model.people is None
        else f"{who} does not know the item of {model.unknown_targets:,} of {len(model.ranks):,} test plays; "
        "they count as misses."
    )


def can_serve(model: Evidence, policy: Policy) -> bool:
    """Whether a baseline could be evaluated, gives numbers alone, and is not belied by its export."""
    error = model.export_error
    exported = error is None or error <= policy.max_export_error  # False for NaN
    return model.error is None and len(model.ranks) > 0 and not model.nan_users and exported


def _coverage(candidate: Evidence, policy: Policy) -> Finding:
    return Finding(
        covers_enough(candidate, policy),
        f"The best items of {candidate.name} over all users cover {breadth(candidate)}; "
        f"{policy.min_coverage:.1%} {'of that ' if candidate.coverable < 1 else ''}is asked for.",
    )


def _export(candidate: Evidence, policy: Policy) -> Finding:
    error = candidate.export_error
    if error is None:
        return Finding(
            False, f"The exported form of {candidate.name} has not been compared with the trained one."
        )
    return Finding(
        error <= policy.max_export_error,  # False for NaN
        f"The exported form of {candidate.name} differs from the trained one by {error:.1e} at most; "
        f"{policy.max_export_error:.1e} is allowed.",
    )


def _numbers(candidate: Evidence) -> list[Finding]:
    found = []
    if candidate.nan_users:
        found.append(
            Finding(
                False,
                f"{candidate.name} gave no number (NaN) for {candidate.nan_users:,} of "
                f"{len(candidate.ranks):,} {candidate.unit}.",
            )
        )
    if candidate.unknown_targets:
        found.append(Finding(True, unknown_items(candidate.name, candidate), note=True))
    return found
