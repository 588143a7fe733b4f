"""The gate: whether a candidate becomes the champion, decided from evidence alone.

A candidate is promoted when all of this holds; each rule has a file in `models/evaluation/rules`:

- *floor*: it beats every baseline: the paired bootstrap interval of the difference lies above 0. With few
  users plays of earlier nights count, too, unless tonight's alone put it surely below.
- *incumbents*: it is not inferior to the champion on the same users: that interval lies above -margin. The
  margin is the larger of `margin_floor` of the champion's metric and the difference that this very test
  detects with probability `power`: then an equal candidate passes with that probability, and one worse by
  the margin with (1 - confidence) / 2 at most. With few users the detectable difference is large, so
  `margin_ceiling` caps the margin: a young champion is kept rather than risked. Past `max_age_days` the cap
  is `stale_ceiling`: a stale champion yields to an equal candidate also with few users.
- *incumbents*: nor to the anchor, the best champion of late, so that the margins of many nights do not add
  up; unless it beats the champion with its interval, or takes the place of a fallen one.
- *soundness*: it shows enough of what so many users can be shown of the catalogue, has a number for
  everybody, and its exported form agrees with the trained one.
- *leak*: it is not better on test than validation and the baselines let expect.
- *collapse*: no group of users, and none of the items that the champion finds most surely, is given up.

A champion that a baseline beats with its interval falls: to a candidate that passes, or else to the best such
baseline. One that cannot be evaluated cannot be served either, so it stands in nobody's way; but
one that another release wrote is whole, and stays. An equal
candidate of any age is promoted, for it has seen newer data; only the very same bundle is not. Whatever has
to be chosen (the candidate that is submitted, the baseline that serves) is chosen on validation; test only
judges.

See Piaggio et al., "Reporting of noninferiority and equivalence randomized trials" (JAMA 2012).
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from models.evaluation.evidence import (
    BY_A_PERSON,
    CHAMPION_ALREADY,
    Estimate,
    Evidence,
    Override,
    Policy,
    Verdict,
)
from models.evaluation.rules.collapse import collapses
from models.evaluation.rules.finding import Finding, figures, metric_of
from models.evaluation.rules.floor import (
    BY_IDS,
    ONLY_IDS,
    Chosen,
    above_champion,
    against_baselines,
    best_baseline,
    with_figures,
)
from models.evaluation.rules.incumbents import (
    against_anchor,
    against_champion,
    anchor_yields,
    why_it_stays,
)
from models.evaluation.rules.leak import leaks
from models.evaluation.rules.soundness import all_users, can_serve, soundness

__all__ = [
    "BY_IDS", "Estimate", "Evidence", "Override", "Policy", "Verdict", "anchor_yields", "choose", "decide",
]  # fmt: skip


def decide(
    candidate: Evidence,
    champion: Evidence | None,
    baselines: Sequence[Evidence],
    policy: Policy,
    override: Override | None = None,
    anchor: Evidence | None = None,
) -> Verdict:
    """Whether `candidate` becomes champion; see the module for the rule.

    An override promotes a refused candidate, except one that cannot be evaluated or is the champion already.
    """
    keeps = champion.name if champion else None
    if (reason := _no_case(candidate, champion)) is not None:
        return Verdict(False, keeps, [reason], override=override)

    sound = [*soundness(candidate, policy), *all_users(candidate, baselines)]
    beaten = against_baselines(candidate, baselines, policy)
    leaked = leaks(candidate, baselines, policy)
    champions = against_champion(candidate, champion, policy)
    better = _better(champions) or bool(above_champion(champion, baselines, policy))
    anchors = against_anchor(candidate, champion, anchor, better, policy)
    served = _served_otherwise(champion, baselines, policy)
    witness = best_baseline([b for b in baselines if b is not served], policy)
    fallen = collapses(candidate, served, witness.model if witness else None, policy)
    against = [f for f in (*sound, *beaten, *leaked, *champions, *anchors, *fallen) if not f.passed]
    speaks_for = [f for f in (*champions, *anchors, *beaten, *sound, *fallen, *leaked) if f.passed]
    verdict = Verdict(
        not against,
        keeps if against else candidate.name,
        list(dict.fromkeys(f.reason for f in (*against, *sorted(speaks_for, key=lambda f: f.note)))),
        [estimate for finding in (*beaten, *anchors, *champions) for estimate in finding.estimates],
    )
    return _overridden(verdict, candidate, override) if override else verdict


def choose(
    candidates: Sequence[Evidence],
    champion: Evidence | None,
    baselines: Sequence[Evidence],
    policy: Policy,
    override: Override | None = None,
    anchor: Evidence | None = None,
) -> Verdict:
    """The verdict of a night: `decide` for one candidate, else a baseline where none of the others may serve.

    Of the candidates that could be evaluated the best on validation is the only one submitted, so that test
    users never choose among networks; those without a known figure come last, in the order given. Where it is
    refused, the best baseline becomes the first champion, or replaces one that is broken, one that it beats,
    or one that is itself a baseline and not better.

    Raises ValueError where two models of tonight have one name.
    """
    _one_name_each([*candidates, *baselines])
    candidates = sorted(candidates, key=_by_validation)
    submitted = next((c for c in candidates if c.error is None), candidates[0] if candidates else None)
    if submitted:
        verdict = decide(submitted, champion, baselines, policy, override, anchor)
        skipped = candidates[: candidates.index(submitted)]
        verdict.reasons.extend(f"{c.name} was passed over: {c.error}" for c in skipped)
        verdict.reasons.extend(_better_on_test(submitted, candidates, policy))
    else:
        verdict = Verdict(False, champion.name if champion else None, ["No candidate was submitted."])
        if override:
            verdict.reasons.append(f"{override.by} wanted to promote one all the same: {override.reason}")
    if champion is not None and champion.stays and not verdict.promote:
        return replace(verdict, reasons=list(dict.fromkeys([why_it_stays(champion), *verdict.reasons])))
    return verdict if verdict.promote else _with_baseline(verdict, champion, baselines, policy, anchor)


def _no_case(candidate: Evidence, champion: Evidence | None) -> str | None:
    """Why there is nothing to decide, which no override changes."""
    if candidate.error is not None:
        return f"The candidate {candidate.name} could not be evaluated: {candidate.error}"
    if len(candidate.ranks) == 0:
        return f"The candidate {candidate.name} was evaluated on no user at all: there is no evidence."
    if champion and _same_bundle(candidate, champion):
        return f"The candidate {candidate.name} {CHAMPION_ALREADY}, byte for byte: nothing to promote."
    return None


def _better(champions: Sequence[Finding]) -> bool:
    """Whether the candidate beats the champion with its interval."""
    return any(estimate.low > 0 for finding in champions for estimate in finding.estimates)


def _served_otherwise(
    champion: Evidence | None, baselines: Sequence[Evidence], policy: Policy
) -> Evidence | None:
    """What serves where the candidate does not: whose users must not lose."""
    if champion is not None and champion.error is None:
        return champion
    best = best_baseline(baselines, policy)
    return best.model if best else None


def _one_name_each(models: Sequence[Evidence]) -> None:
    names = [model.name for model in models]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(
                f"Two models of tonight are called {name}: a verdict would not say which it means."
            )


def _by_validation(candidate: Evidence) -> float:
    known = candidate.validation if candidate.has_validation else None
    return float("inf") if known is None else -known


def _better_on_test(submitted: Evidence, candidates: Sequence[Evidence], policy: Policy) -> Iterator[str]:
    """Why a candidate that is above the submitted one on the leaderboard was not submitted itself."""
    values = {c.name: metric_of(c, policy) for c in candidates if len(c.ranks)}
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
    refused: Verdict,
    champion: Evidence | None,
    baselines: Sequence[Evidence],
    policy: Policy,
    anchor: Evidence | None,
) -> Verdict:
    """The refusal, or the baseline that serves instead."""
    above = above_champion(champion, baselines, policy)
    best = best_baseline([b for b in baselines if b.name in above] if above else baselines, policy)
    if best is None:
        return _nothing_found(refused, champion, baselines, policy)
    shown, estimates = with_figures(best.model, baselines, policy), refused.estimates
    if champion is not None and champion.error is not None:
        why = f"The champion before, {champion.name}, was broken: the best baseline, {shown}, stepped in."
    elif champion is None:
        why = f"As the best baseline, {shown} became the first champion: no network had passed the gate."
    elif above:
        estimate = above[best.model.name]
        why = (
            f"The champion {champion.name} is below a baseline of tonight and falls: {best.model.name} beats "
            f"it: {figures(estimate, policy)} lies above 0, also corrected for the number of baselines."
        )
        estimates = [*estimates, estimate]
    elif champion.name in {b.name for b in baselines} and champion.bundle_hash != best.model.bundle_hash:
        finding = against_champion(best.model, champion, policy)[-1]
        if not finding.passed:
            return refused
        if fall := _creeps(best.model, champion, baselines, policy, anchor):
            return replace(refused, reasons=[*refused.reasons, fall.reason])
        newer = f"a newer {best.model.name} may replace it"
        why = f"The champion before was a baseline, and {newer}. {finding.reason}"
        estimates = [*estimates, *finding.estimates]
    else:
        return refused
    return _served(refused, best, why, estimates)


def _creeps(
    newer: Evidence,
    champion: Evidence,
    baselines: Sequence[Evidence],
    policy: Policy,
    anchor: Evidence | None,
) -> Finding | None:
    """What keeps a newer baseline out: many nights of small losses add up for baselines, too.

    An anchor that is a network is no measure here, for a baseline may never reach it, and has to be renewed.
    """
    if anchor is None or anchor.name not in {b.name for b in baselines}:
        return None
    better = _better(against_champion(newer, champion, policy))
    return next((f for f in against_anchor(newer, champion, anchor, better, policy) if not f.passed), None)


def _served(refused: Verdict, best: Chosen, why: str, estimates: list[Estimate]) -> Verdict:
    if best.model.name == BY_IDS:
        why = f"{why} {ONLY_IDS}"
    reasons = [why, *best.notes, *refused.reasons]
    return replace(refused, promote=True, winner=best.model.name, reasons=reasons, estimates=estimates)


def _nothing_found(
    refused: Verdict, champion: Evidence | None, baselines: Sequence[Evidence], policy: Policy
) -> Verdict:
    """A refusal without any baseline that could serve; says so where one that finds nothing would have."""
    if champion is None and any(can_serve(b, policy) for b in baselines):
        nothing = (
            f"No baseline finds any held-out item ({policy.metric.upper()} 0.0000): no evidence for any."
        )
        return replace(refused, reasons=[nothing, *refused.reasons])
    return refused


def _overridden(verdict: Verdict, candidate: Evidence, override: Override) -> Verdict:
    if verdict.promote:
        return replace(verdict, override=override)
    why = f"{BY_A_PERSON} {override.by}: {override.reason}"
    return replace(
        verdict, promote=True, winner=candidate.name, reasons=[why, *verdict.reasons], override=override
    )


def _same_bundle(candidate: Evidence, champion: Evidence) -> bool:
    known = champion.error is None and candidate.bundle_hash is not None
    return known and candidate.bundle_hash == champion.bundle_hash
