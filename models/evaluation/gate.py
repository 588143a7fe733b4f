"""The gate: whether a candidate becomes the champion, decided from evidence alone.

A candidate is promoted when it beats every baseline, is not inferior to the champion on the same users,
covers enough of the catalogue, its exported form agrees with the trained one, and it is not better on test
than validation and the baselines let expect, as one would be that has seen the test items.

- *Beats* means that the paired bootstrap interval of the difference lies above 0.
- *Not inferior* means that it lies above -margin. The margin is the larger of `margin_floor` of the
  champion's metric and the difference that this very test detects with probability `power`: then an equal
  candidate passes with that probability, and one worse by the margin with (1 - confidence) / 2 at most.
- With few users the detectable difference is large, so `margin_ceiling` caps the margin: a young champion is
  kept rather than risked. Past `max_age_days` the cap is lifted: a stale champion then yields to an equal
  candidate however few the users.
- An equal candidate of any age is promoted, for it has seen newer data; only the very same bundle is not.
- A champion that cannot be evaluated cannot be served either, so it stands in nobody's way.

See Piaggio et al., "Reporting of noninferiority and equivalence randomized trials" (JAMA 2012).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from models.evaluation.evidence import (
    BY_A_PERSON,
    CHAMPION_ALREADY,
    Estimate,
    Evidence,
    Override,
    Policy,
    Verdict,
)
from models.evaluation.metrics import per_user
from models.evaluation.stats import bootstrap_interval, detectable_difference

__all__ = ["Estimate", "Evidence", "Override", "Policy", "Verdict", "choose", "decide"]

BY_IDS = "next_larger_id"  # the baseline that needs a word of warning where it is the best
ONLY_IDS = (
    f"Beware: {BY_IDS} knows nothing but that ids grow, so the order of the plays may only follow the ids "
    "and say nothing about people: the gate report shows how far it does."
)


@dataclass(frozen=True)
class _Finding:
    passed: bool
    reason: str
    estimates: tuple[Estimate, ...] = ()
    note: bool = False  # decides nothing, and comes after what does


def decide(
    candidate: Evidence,
    champion: Evidence | None,
    baselines: Sequence[Evidence],
    policy: Policy,
    override: Override | None = None,
) -> Verdict:
    """Whether `candidate` becomes champion; see the module for the rule.

    An override promotes a refused candidate, except one that cannot be evaluated or is the champion already.
    """
    keeps = champion.name if champion else None
    if candidate.error is not None:
        reason = f"The candidate {candidate.name} could not be evaluated: {candidate.error}"
        return Verdict(False, keeps, [reason], override=override)
    if len(candidate.ranks) == 0:
        reason = f"The candidate {candidate.name} was evaluated on no user at all: there is no evidence."
        return Verdict(False, keeps, [reason], override=override)
    if champion and _same_bundle(candidate, champion):
        reason = f"The candidate {candidate.name} {CHAMPION_ALREADY}, byte for byte: nothing to promote."
        return Verdict(False, keeps, [reason], override=override)

    sound = _soundness(candidate, policy)
    beaten = _against_baselines(candidate, baselines, policy)
    leaked = _test_against_validation(candidate, baselines, policy)
    champions = _against_champion(candidate, champion, policy)
    against = [f for f in (*sound, *beaten, *leaked, *champions) if not f.passed]
    speaks_for = [f for f in (*champions, *beaten, *sound) if f.passed]
    verdict = Verdict(
        not against,
        keeps if against else candidate.name,
        list(dict.fromkeys(f.reason for f in (*against, *sorted(speaks_for, key=lambda f: f.note)))),
        [estimate for finding in (*beaten, *champions) for estimate in finding.estimates],
    )
    return _overridden(verdict, candidate, override) if override else verdict


def choose(
    candidates: Sequence[Evidence],
    champion: Evidence | None,
    baselines: Sequence[Evidence],
    policy: Policy,
    override: Override | None = None,
) -> Verdict:
    """The verdict of a night: `decide` for one candidate, else a baseline where no network is champion.

    `candidates` come best on validation first, and the first that could be evaluated is the only one
    submitted, so that test users never choose among networks. Where it is refused, the best baseline becomes
    the first champion, or replaces one that is broken, or one that is itself a baseline and not better.
    """
    submitted = next((c for c in candidates if c.error is None), candidates[0] if candidates else None)
    if submitted:
        verdict = decide(submitted, champion, baselines, policy, override)
        skipped = candidates[: candidates.index(submitted)]
        verdict.reasons.extend(f"{c.name} was passed over: {c.error}" for c in skipped)
        verdict.reasons.extend(_better_on_test(submitted, candidates, policy))
    else:
        verdict = Verdict(False, champion.name if champion else None, ["No candidate was submitted."])
    return verdict if verdict.promote else _with_baseline(verdict, champion, baselines, policy)


def _better_on_test(submitted: Evidence, candidates: Sequence[Evidence], policy: Policy) -> Iterator[str]:
    """Why a candidate that is above the submitted one on the leaderboard was not submitted itself."""
    values = {c.name: float(per_user(policy.metric, c.ranks).mean()) for c in candidates if len(c.ranks)}
    best = max(values, key=lambda name: values[name], default=submitted.name)
    known = {c.name: c.validation for c in candidates if c.validation is not None}
    if submitted.name in known and best in known and values[best] > values[submitted.name]:
        yield (
            f"{submitted.name} was submitted, though {best} is above it on test ({policy.metric.upper()} "
            f"{values[best]:.4f} against {values[submitted.name]:.4f}): validation alone chooses among the "
            f"candidates, so that test users stay a fair judge, and there {submitted.name} has "
            f"{known[submitted.name]:.4f}, {best} {known[best]:.4f}."
        )


def _with_baseline(
    refused: Verdict, champion: Evidence | None, baselines: Sequence[Evidence], policy: Policy
) -> Verdict:
    usable = [b for b in baselines if b.error is None and len(b.ranks)]
    if not usable:
        return refused
    values = {b.name: float(per_user(policy.metric, b.ranks).mean()) for b in usable}
    best = max(usable, key=lambda b: values[b.name])
    value = values.pop(best.name)
    figures = f"{best.name} ({policy.metric.upper()} {value:.4f}"
    figures += "".join(f"; {name} {other:.4f}" for name, other in sorted(values.items())) + ")"
    if champion is not None and champion.error is not None:
        why = f"The champion before, {champion.name}, was broken: the best baseline, {figures}, stepped in."
    elif value == 0:
        nothing = (
            f"No baseline finds any held-out item ({policy.metric.upper()} 0.0000): no evidence for any."
        )
        return replace(refused, reasons=[nothing, *refused.reasons])
    elif champion is None:
        why = f"As the best baseline, {figures} became the first champion: no network had passed the gate."
    elif champion.name in {b.name for b in baselines} and champion.bundle_hash != best.bundle_hash:
        (finding,) = _against_champion(best, champion, policy)[-1:]
        if not finding.passed:
            return refused
        why = f"The champion before was a baseline, and a newer {best.name} may replace it. {finding.reason}"
    else:
        return refused
    if best.name == BY_IDS:
        why = f"{why} {ONLY_IDS}"
    return replace(refused, promote=True, winner=best.name, reasons=[why, *refused.reasons])


def _overridden(verdict: Verdict, candidate: Evidence, override: Override) -> Verdict:
    if verdict.promote:
        return replace(verdict, override=override)
    why = f"{BY_A_PERSON} {override.by}: {override.reason}"
    return replace(
        verdict, promote=True, winner=candidate.name, reasons=[why, *verdict.reasons], override=override
    )


def _soundness(candidate: Evidence, policy: Policy) -> list[_Finding]:
    """What is asked of a candidate whatever the others do."""
    users, error = len(candidate.ranks), candidate.export_error
    findings = [
        _Finding(
            candidate.coverage >= policy.min_coverage,
            f"The best items of {candidate.name} over all users cover {candidate.coverage:.1%} "
            f"of the catalogue; {policy.min_coverage:.1%} is asked for.",
        )
    ]
    if error is None:
        findings.append(
            _Finding(
                False, f"The exported form of {candidate.name} has not been compared with the trained one."
            )
        )
    else:
        findings.append(
            _Finding(
                error <= policy.max_export_error,  # False for NaN
                f"The exported form of {candidate.name} differs from the trained one by {error:.1e} at most; "
                f"{policy.max_export_error:.1e} is allowed.",
            )
        )
    if candidate.nan_users:
        findings.append(
            _Finding(
                False,
                f"{candidate.name} gave no number (NaN) for {candidate.nan_users:,} of {users:,} users.",
            )
        )
    if candidate.unknown_targets:
        findings.append(_Finding(True, _unknown(candidate.name, candidate), note=True))
    return findings


def _against_baselines(candidate: Evidence, baselines: Sequence[Evidence], policy: Policy) -> list[_Finding]:
    if not baselines:
        return [_Finding(False, "There is no baseline to compare it with, and beating each is asked for.")]
    findings = [_against_baseline(candidate, baseline, policy) for baseline in baselines]
    beaten = sorted((f for f in findings if f.passed), key=lambda finding: -finding.estimates[0].other_value)
    best, rest = beaten[:1], beaten[1:]
    return [*(f for f in findings if not f.passed), *best, *_in_one_sentence(candidate, rest)]


def _in_one_sentence(candidate: Evidence, beaten: Sequence[_Finding]) -> list[_Finding]:
    """Of the baselines that were beaten, all but the best; their figures stand in the estimates."""
    if len(beaten) < 2:
        return list(beaten)
    estimates = tuple(estimate for finding in beaten for estimate in finding.estimates)
    *names, last = [estimate.compared_with for estimate in estimates]
    reason = f"{candidate.name} beats {', '.join(names)} and {last} too: each interval lies above 0."
    return [_Finding(True, reason, estimates)]


def _against_baseline(candidate: Evidence, baseline: Evidence, policy: Policy) -> _Finding:
    if baseline.error is not None:
        return _Finding(False, f"The baseline {baseline.name} could not be evaluated: {baseline.error}")
    estimate = _compare(candidate, baseline, policy)
    if isinstance(estimate, str):
        return _Finding(False, estimate)
    passed = estimate.low > 0
    verb = "beats" if passed else "does not beat"
    where = "lies above 0" if passed else "does not lie above 0"
    return _Finding(
        passed, f"{candidate.name} {verb} {baseline.name}: {_figures(estimate, policy)} {where}.", (estimate,)
    )


def _test_against_validation(
    candidate: Evidence, baselines: Sequence[Evidence], policy: Policy
) -> list[_Finding]:
    """Test items that leaked into training raise the test alone: no baseline gains as much there."""
    usual = [gain for b in baselines if len(b.ranks) and (gain := _gain(b, policy))]
    own = _gain(candidate, policy, lowest=True)
    if not usual or not own or own <= policy.max_test_gain * max(usual):
        return []
    reason = (
        f"{candidate.name} is too good on test: {policy.metric.upper()} there is at least {own:.2f} times "
        f"that on validation, with baselines at most {max(usual):.2f} times: test items may have leaked."
    )
    return [_Finding(False, reason)]


def _gain(model: Evidence, policy: Policy, lowest: bool = False) -> float | None:
    """The metric on test, or the lower end of its interval, over that on validation, where both are known."""
    if not model.validation or not np.isfinite(model.validation):
        return None
    values = per_user(policy.metric, model.ranks)  # [users]
    on_test = values.mean()
    if lowest:
        on_test, _ = bootstrap_interval(
            values, confidence=policy.confidence, resamples=policy.resamples, seed=policy.seed
        )
    return float(on_test) / model.validation


def _against_champion(candidate: Evidence, champion: Evidence | None, policy: Policy) -> list[_Finding]:
    """Notes on the champion, and last the comparison with it."""
    if champion is None:
        reason = "There is no champion yet, so the baselines are all there is to beat."
        return [_Finding(True, reason, note=True)]
    if champion.error is not None:
        reason = f"The champion {champion.name} could not be evaluated, so it is no hurdle: {champion.error}"
        return [_Finding(True, reason, note=True)]
    estimate = _compare(candidate, champion, policy, margin=True)
    if isinstance(estimate, str):
        return [_Finding(False, estimate)]

    notes = []
    if _is_stale(champion, policy):
        notes.append(
            f"The champion {champion.name} is {champion.age_days:.0f} days old, more than "
            f"{policy.max_age_days:.0f}, so the margin may exceed {policy.margin_ceiling:.1%}."
        )
    if champion.nan_users:
        notes.append(
            f"The champion gave no number (NaN) for {champion.nan_users:,} users, who count as misses."
        )
    if champion.unknown_targets:
        notes.append(_unknown(f"The champion {champion.name}", champion))
    passed = estimate.low > -estimate.margin
    verb = "is not inferior" if passed else "may be inferior"
    where = "lies above" if passed else "does not lie above"
    reason = (
        f"{candidate.name} {verb} to the champion {champion.name}: {_figures(estimate, policy)} "
        f"{where} the margin of {-estimate.margin:.4f} "
        f"({_relative(estimate.margin, estimate)} of the champion; this test detects a difference of "
        f"{estimate.detectable_difference:.4f}, {_relative(estimate.detectable_difference, estimate)})."
    )
    return [*(_Finding(True, note, note=True) for note in notes), _Finding(passed, reason, (estimate,))]


def _compare(candidate: Evidence, other: Evidence, policy: Policy, margin: bool = False) -> Estimate | str:
    """The paired comparison on common users, or the sentence that says why there is none."""
    _, own, others = np.intersect1d(candidate.users, other.users, assume_unique=True, return_indices=True)
    users, larger = len(own), max(len(candidate.users), len(other.users))
    if larger < policy.min_users:  # whatever the other model is, so this is said once
        return (
            f"{larger:,} test users are too few to tell models apart: at least {policy.min_users:,} are "
            "needed, so no network can be promoted. A champion stays; without one the best baseline serves."
        )
    if users < max(policy.min_users, policy.min_common * larger):
        return (
            f"{candidate.name} cannot be compared with {other.name}: they share {users:,} of {larger:,} "
            f"test users, and {policy.min_users:,} and {policy.min_common:.0%} of them are needed."
        )
    own_values = per_user(policy.metric, candidate.ranks[own])  # [users]
    other_values = per_user(policy.metric, other.ranks[others])
    differences = own_values - other_values
    detectable = detectable_difference(differences, confidence=policy.confidence, power=policy.power)
    low, high = bootstrap_interval(
        differences, confidence=policy.confidence, resamples=policy.resamples, seed=policy.seed
    )
    other_value = float(other_values.mean())
    return Estimate(
        candidate=candidate.name,
        compared_with=other.name,
        metric=policy.metric,
        users=users,
        candidate_value=float(own_values.mean()),
        other_value=other_value,
        difference=float(differences.mean()),
        low=low,
        high=high,
        margin=_margin(other_value, detectable, _is_stale(other, policy), policy) if margin else 0.0,
        detectable_difference=detectable,
    )


def _margin(champion_value: float, detectable: float, stale: bool, policy: Policy) -> float:
    margin = max(policy.margin_floor * champion_value, detectable)
    return margin if stale else min(margin, policy.margin_ceiling * champion_value)


def _same_bundle(candidate: Evidence, champion: Evidence) -> bool:
    known = champion.error is None and candidate.bundle_hash is not None
    return known and candidate.bundle_hash == champion.bundle_hash


def _is_stale(champion: Evidence, policy: Policy) -> bool:
    return champion.age_days is not None and champion.age_days > policy.max_age_days


def _figures(estimate: Estimate, policy: Policy) -> str:
    return (
        f"{estimate.metric.upper()} {estimate.candidate_value:.4f} against {estimate.other_value:.4f} on "
        f"{estimate.users:,} users, a difference of {estimate.difference:+.4f} whose {policy.confidence:.0%} "
        f"interval ({estimate.low:+.4f} to {estimate.high:+.4f})"
    )


def _relative(value: float, estimate: Estimate) -> str:
    return f"{value / estimate.other_value:.1%}" if estimate.other_value else "of a metric of 0"


def _unknown(who: str, model: Evidence) -> str:
    return (
        f"{who} does not know the item that {model.unknown_targets:,} of {len(model.ranks):,} users "
        "took next; they count as misses."
    )
