"""Figures that betray a fault of data, training or evaluation, each beside what is expected of it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from assets.evaluation.reporting.comparisons import Compared, stated_p
from assets.evaluation.reporting.evidence import Model, RunEvidence
from models.evaluation.evidence import Policy
from models.evaluation.exposure import overlap
from models.evaluation.rules.leak import leaks, usual_gain

LIKE_POPULARITY = 0.9  # share of popularity's list in the candidate's; more is hardly another model
SIGNIFICANT = 0.05  # after Holm's correction


@dataclass(frozen=True)
class Check:
    """One question with what was found; `suspicious` asks a person to look."""

    question: str
    found: str
    expected: str
    suspicious: bool
    nothing_to_do: bool = False  # whatever was found: it is about a candidate that does not serve


def checks(run: RunEvidence, slices: Sequence[Compared]) -> list[Check]:
    """Every check that the evidence allows; `slices` are the candidate's, against each model of reference."""
    found = [*_order(run), *_held_out(run)]
    if run.submitted:
        candidate = run.submitted
        found += [*_like_popularity(run, candidate), *_test_against_validation(run, candidate)]
        found += [*_above_optimum(run, candidate), *_worst_slice(run, candidate, slices)]
    return found


def _order(run: RunEvidence) -> Iterator[Check]:
    figures = {figure.name: figure for figure in run.audit}
    gain = figures.get("gain_from_order")
    if gain is not None:
        yield Check(
            "Does the order of the histories tell anything?",
            f"A Markov chain's validation NDCG@10 is {figures['markov_real_order'].value:.4f} on the real "
            f"order and {figures['markov_shuffled_order'].value:.4f} on a shuffled one: a difference of "
            f"{gain.value:+.4f} ({gain.low:+.4f} to {gain.high:+.4f}).",
            "an interval above 0; else the order is lost, or never was there",
            gain.low <= 0,
        )


def _held_out(run: RunEvidence) -> Iterator[Check]:
    user = np.repeat(np.arange(len(run.histories)), run.histories.lengths)  # [interactions]
    leaked = len(np.unique(user[run.histories.items == run.targets[user]]))
    yield Check(
        "Are the test items unseen?",
        f"{leaked:,} of {len(run.targets):,} test items stand in their own user's history.",
        "0; else the split leaks" if run.exclude_seen else "any number: what was played before is an answer",
        run.exclude_seen and leaked > 0,
    )


def _like_popularity(run: RunEvidence, candidate: Model) -> Iterator[Check]:
    popularity = run.named("popularity")
    if popularity is None:
        return
    share = overlap(candidate.lists, popularity.lists)
    yield Check(
        "Is the candidate more than popularity?",
        f"{share:.1%} of its top 10 stand in popularity's top 10 for the same user; its lists cover "
        f"{candidate.row['coverage_at_10']:.1%} of the catalogue, popularity's "
        f"{popularity.row['coverage_at_10']:.1%}{_room(run)}.",
        f"less than {LIKE_POPULARITY:.0%} in common; else it ignores the history",
        not share < LIKE_POPULARITY,
    )


def _room(run: RunEvidence) -> str:
    return f"; the lists have room for {run.coverable:.1%} of it" if run.coverable < 1 else ""


def _test_against_validation(run: RunEvidence, candidate: Model) -> Iterator[Check]:
    """The gate's own rule, in figures."""
    validation = candidate.row["validation_ndcg_at_10"]
    plays, people = run.plays, run.people
    own = candidate.evidence(plays, people)
    baselines = [model.evidence(plays, people) for model in run.with_role("baseline")]
    if not baselines:
        return
    usual, _ = usual_gain(baselines, Policy())
    ratio = f", {candidate.row['ndcg_at_10'] / validation:.2f} times as much" if validation > 0 else ""
    yield Check(
        "Does the test agree with validation?",
        f"{candidate.name} has NDCG@10 {candidate.row['ndcg_at_10']:.4f} on test and "
        f"{validation:.4f} on validation{ratio}; the baselines together at most {usual:.2f} times.",
        f"the lower end at most {Policy.max_test_gain:.2f} times what the baselines have at most; else test "
        "items may have leaked",
        any(not finding.passed for finding in leaks(own, baselines, Policy())),
    )


def _above_optimum(run: RunEvidence, candidate: Model) -> Iterator[Check]:
    optimum = next(iter(run.with_role("optimum")), None)
    if optimum is not None:
        value, best = candidate.row["ndcg_at_10"], optimum.row["ndcg_at_10"]
        yield Check(
            "Is it possible at all?",
            f"The candidate's NDCG@10 is {value:.4f}; the best that any model can reach on this sample is "
            f"{best:.4f} (up to {optimum.row['ndcg_at_10_high']:.4f} by chance).",
            "not above the optimum; else something leaks",
            value > optimum.row["ndcg_at_10_high"],
        )


def _serves(run: RunEvidence, candidate: Model) -> bool:
    """Whether the candidate is champion from now on, or was before."""
    if run.verdict.promote:
        return run.verdict.winner == candidate.name
    champion = run.champion
    return champion is not None and champion.row["bundle_hash"] == candidate.row["bundle_hash"]


def _worst_slice(run: RunEvidence, candidate: Model, slices: Sequence[Compared]) -> Iterator[Check]:
    serves = _serves(run, candidate)
    for other in dict.fromkeys(compared.other.name for compared in slices):
        of_other = [s for s in slices if s.other.name == other and s.result.users > 1]
        if not of_other:
            continue
        worse = [s for s in of_other if s.result.difference < 0 and s.corrected_p < SIGNIFICANT]
        worst = min(worse or of_other, key=lambda s: s.result.difference)
        r = worst.result
        question, verb = f"Is any group worse off with {candidate.name}", "are"
        if not serves:
            question, verb = (
                f"Would any group be worse off with {candidate.name}, which was refused,",
                "would be",
            )
        yield Check(
            f"{question} than with {worst.other.label}?",
            f"{len(worse)} of {len(of_other)} slices {verb}. The worst is “{worst.kind}: {worst.label}”: "
            f"NDCG@10 {r.own:.4f} against {r.other:.4f}, a difference of {r.difference:+.4f} "
            f"({r.low:+.4f} to {r.high:+.4f}) on {r.users:,} users, "
            f"p {stated_p(worst.corrected_p)} after Holm.",
            f"no slice that is worse with p below {SIGNIFICANT} after Holm",
            bool(worse),
            nothing_to_do=not serves,
        )
