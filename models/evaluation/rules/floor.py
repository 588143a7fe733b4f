"""The floor: a candidate beats every baseline, and a champion that a baseline beats is one no longer."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from models.evaluation.evidence import Estimate, Evidence, Policy
from models.evaluation.rules.finding import Finding, compare, figures, metric_of
from models.evaluation.rules.soundness import breadth, can_serve, covers_enough

BY_IDS = "next_larger_id"  # the baseline that needs a word of warning where it is the best
ONLY_IDS = (
    f"Beware: {BY_IDS} knows nothing but that ids grow, so the order of the plays may only follow the ids "
    "and say nothing about people: the gate report shows how far it does."
)


@dataclass(frozen=True)
class Chosen:
    """The baseline that would serve, and what a reader should know of the choice."""

    model: Evidence
    notes: tuple[str, ...] = ()


def against_baselines(candidate: Evidence, baselines: Sequence[Evidence], policy: Policy) -> list[Finding]:
    """A finding a baseline, those that speak against the candidate first."""
    if not baselines:
        return [Finding(False, "There is no baseline to compare it with, and beating each is asked for.")]
    findings = [_against_baseline(candidate, baseline, policy) for baseline in baselines]
    beaten = sorted((f for f in findings if f.passed), key=lambda finding: -finding.estimates[0].other_value)
    best, rest = beaten[:1], beaten[1:]
    return [*(f for f in findings if not f.passed), *best, *_in_one_sentence(candidate, rest)]


def above_champion(
    champion: Evidence | None, baselines: Sequence[Evidence], policy: Policy
) -> dict[str, Estimate]:
    """The baselines that beat the champion with their interval, by name.

    The interval is corrected for the number of baselines (Bonferroni), for any of many is above by chance.
    """
    if champion is None or champion.error is not None:
        return {}
    others = [b for b in baselines if can_serve(b, policy) and not _same_bundle(b, champion)]
    strict = replace(policy, confidence=1 - (1 - policy.confidence) / max(len(others), 1))
    found = {}
    for baseline in others:
        estimate = compare(baseline, champion, strict, "champion")
        if isinstance(estimate, Estimate) and estimate.low > 0:
            shown = compare(baseline, champion, policy, "champion")
            found[baseline.name] = shown if isinstance(shown, Estimate) else estimate
    return found


def best_baseline(baselines: Sequence[Evidence], policy: Policy) -> Chosen | None:
    """The baseline to serve of some: the best on validation that shows enough of the catalogue.

    One that shows less serves only where it beats the best of those that show enough, with its interval, or
    where there are none. Where validation is unknown for all, test has to choose: the last resort. None
    where none can serve or finds anything.
    """
    usable = [b for b in baselines if can_serve(b, policy) and metric_of(b, policy) > 0]
    if not usable:
        return None
    best, notes = _on_validation(usable, policy)
    broad = [b for b in usable if covers_enough(b, policy)]
    if best in broad:
        return Chosen(best, tuple(notes))
    shown = f"The best items of {best.name} over all users cover {breadth(best)}"
    shown += f", less than {policy.min_coverage:.1%}"
    if not broad:
        return Chosen(best, (*notes, f"{shown}, which is asked of a network; no baseline shows more."))
    other, _ = _on_validation(broad, policy)
    estimate = compare(best, other, policy, "baseline")
    if isinstance(estimate, Estimate) and estimate.low > 0:
        told = f"{shown}. It serves all the same, for it beats {other.name}, the best that shows enough: "
        return Chosen(best, (*notes, f"{told}{figures(estimate, policy)} lies above 0."))
    told = (
        f"{shown}. {other.name}, the best that shows enough, takes its place: {best.name} does not beat it."
    )
    return Chosen(other, (*notes, told))


def with_figures(best: Evidence, baselines: Sequence[Evidence], policy: Policy) -> str:
    """The chosen baseline with its metric on test, and those of the others."""
    values = {b.name: metric_of(b, policy) for b in baselines if can_serve(b, policy)}
    value = values.pop(best.name)
    told = f"{best.name} ({policy.metric.upper()} {value:.4f}"
    return told + "".join(f"; {name} {other:.4f}" for name, other in sorted(values.items())) + ")"


def _on_validation(usable: Sequence[Evidence], policy: Policy) -> tuple[Evidence, list[str]]:
    known = [b for b in usable if b.has_validation]
    on_test = max(usable, key=lambda b: metric_of(b, policy))
    if not known:
        if len(usable) == 1:
            return on_test, []
        return on_test, ["Validation of the baselines is unknown, so test had to choose among them."]
    best = max(known, key=lambda b: b.validation or 0.0)
    if best is on_test:
        return best, []
    return best, [
        f"{best.name} is the best baseline on validation, which alone chooses "
        f"({policy.metric.upper()} {best.validation:.4f}), though {on_test.name} is above it on test."
    ]


def _same_bundle(baseline: Evidence, champion: Evidence) -> bool:
    return baseline.bundle_hash is not None and baseline.bundle_hash == champion.bundle_hash


def _in_one_sentence(candidate: Evidence, beaten: Sequence[Finding]) -> list[Finding]:
    """Of the baselines that were beaten, all but the best; their figures stand in the estimates."""
    if len(beaten) < 2:
        return list(beaten)
    estimates = tuple(estimate for finding in beaten for estimate in finding.estimates)
    *names, last = [estimate.compared_with for estimate in estimates]
    reason = f"{candidate.name} beats {', '.join(names)} and {last} too: each interval lies above 0."
    return [Finding(True, reason, estimates)]


def _against_baseline(candidate: Evidence, baseline: Evidence, policy: Policy) -> Finding:
    if baseline.error is not None:
        return Finding(False, f"The baseline {baseline.name} could not be evaluated: {baseline.error}")
    if baseline.nan_users:
        return Finding(
            False,
            f"The baseline {baseline.name} is no measure: it gave no number (NaN) for "
            f"{baseline.nan_users:,} of {len(baseline.ranks):,} {baseline.unit}.",
        )
    estimate = compare(candidate, baseline, policy, "baseline")
    if isinstance(estimate, str):
        return Finding(False, estimate)
    if estimate.pooled and (tonight := _surely_below_tonight(candidate, baseline, policy)):
        return Finding(
            False,
            f"{candidate.name} is below {baseline.name} on tonight's plays, whatever earlier nights' say: "
            f"{figures(tonight, policy)} lies below 0.",
            (tonight,),
        )
    passed = estimate.low > 0
    verb = "beats" if passed else "does not beat"
    where = "lies above 0" if passed else "does not lie above 0"
    return Finding(
        passed, f"{candidate.name} {verb} {baseline.name}: {figures(estimate, policy)} {where}.", (estimate,)
    )


def _surely_below_tonight(candidate: Evidence, baseline: Evidence, policy: Policy) -> Estimate | None:
    """So that good nights of a recipe do not carry one on which its training went wrong."""
    alone = compare(replace(candidate, earlier=None), baseline, policy, "baseline")
    return alone if isinstance(alone, Estimate) and alone.high < 0 else None
