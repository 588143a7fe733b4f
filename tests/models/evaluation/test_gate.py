"""The gate's verdict on one candidate, a case a row."""

import re
from dataclasses import asdict, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.evaluation.gate import Evidence, Override, Policy, choose, decide
from models.evaluation.metrics import per_user
from models.evaluation.slices import Slice
from tests.support.evidence import (
    BAD,
    BASELINES,
    CHAMPION,
    GOOD,
    IDS,
    MARKOV,
    MUCH_WORSE,
    POLICY,
    POPULARITY,
    SAME_BUT_NOISE,
    USERS,
    evidence,
    ranks_like,
    told,
)

# name: candidate, champion, baselines, promoted, what the reader must find
CASES = {
    "first run": (evidence(), None, BASELINES, True, ["no champion yet", "beats markov", "beats popularity"]),
    "equal": (
        evidence(ranks=SAME_BUT_NOISE),
        CHAMPION,
        BASELINES,
        True,
        ["not inferior to the champion champion-sasrec", r"this test detects a difference of 0\.0\d+"],
    ),
    "same ranks, another bundle": (evidence(), CHAMPION, BASELINES, True, [r"\+0\.0000", "not inferior"]),
    "better": (
        evidence(),
        evidence("old", MUCH_WORSE, age_days=3.0),
        BASELINES,
        True,
        [r"not inferior to the champion old", r"a difference of \+0\.0409"],
    ),
    "worse than the champion": (
        evidence(ranks=MUCH_WORSE),
        CHAMPION,
        [POPULARITY],
        False,
        [
            "may be inferior to the champion",
            r"difference of -0\.0409",
            r"margin of -0\.0098",
            r"4\.9% of the champion",
        ],
    ),
    "worse than a baseline": (
        evidence(ranks=BAD),
        None,
        [MARKOV],
        False,
        ["does not beat markov", r"NDCG@10 0\.\d+ against 0\.\d+", "95% interval", "does not lie above 0"],
    ),
    "level with one of two baselines": (
        evidence(ranks=MARKOV.ranks),
        None,
        BASELINES,
        False,
        ["does not beat markov", "beats popularity"],
    ),
    "no baseline": (evidence(), CHAMPION, [], False, ["no baseline to compare it with"]),
    "broken baseline": (
        evidence(),
        CHAMPION,
        [Evidence.broken("markov", "weights missing")],
        False,
        ["baseline markov could not be evaluated: weights missing"],
    ),
    "identical bundle": (
        evidence(bundle_hash="x"),
        replace(CHAMPION, bundle_hash="x", age_days=400.0),
        BASELINES,
        False,
        ["champion already, byte for byte"],
    ),
    "broken champion": (
        evidence(),
        Evidence.broken("champion-sasrec", "model.onnx cannot be loaded"),
        BASELINES,
        True,
        ["champion-sasrec could not be evaluated, so it is no hurdle: model.onnx cannot be loaded"],
    ),
    "broken champion, bad candidate": (
        evidence(ranks=BAD),
        Evidence.broken("champion-sasrec", "gone"),
        [MARKOV],
        False,
        ["does not beat markov", "no hurdle: gone"],
    ),
    "broken candidate": (
        Evidence.broken("sasrec", "the loss became NaN"),
        CHAMPION,
        BASELINES,
        False,
        ["candidate sasrec could not be evaluated: the loss became NaN"],
    ),
    "empty candidate": (
        evidence(ranks=np.empty(0, dtype=np.int32)),
        CHAMPION,
        BASELINES,
        False,
        ["on no user at all"],
    ),
    "empty champion": (
        evidence(),
        evidence("old", np.empty(0, dtype=np.int32)),
        BASELINES,
        False,
        ["cannot be compared with old", "share 0 of 2,000"],
    ),
    "NaN scores": (evidence(nan_users=7), CHAMPION, BASELINES, False, [r"NaN\) for 7 of 2,000 users"]),
    "NaN scores of the champion": (
        evidence(),
        replace(CHAMPION, nan_users=7),
        BASELINES,
        True,
        [r"The champion gave no number \(NaN\) for 7 users"],
    ),
    "items unknown to the champion": (
        evidence(),
        replace(CHAMPION, unknown_targets=120),
        BASELINES,
        True,
        ["champion champion-sasrec does not know the item that 120 of 2,000 users took next", "misses"],
    ),
    "items unknown to the candidate": (
        evidence(unknown_targets=3),
        CHAMPION,
        BASELINES,
        True,
        ["sasrec does not know the item that 3 of 2,000 users took next"],
    ),
    "user sets that overlap": (
        evidence(),
        evidence("old", GOOD[400:], users=IDS[400:]),
        BASELINES,
        True,
        ["not inferior to the champion old", "on 1,600 users"],
    ),
    "user sets that hardly overlap": (
        evidence(),
        evidence("old", GOOD[1800:], users=IDS[1800:]),
        BASELINES,
        False,
        ["cannot be compared with old", "share 200 of 2,000 test users", "50% of them are needed"],
    ),
    "too few users": (
        evidence(ranks=GOOD[:15]),
        None,
        [evidence("markov", BAD[:15])],
        False,
        ["15 test users are too few to tell models apart: at least 20 are needed, so no network"],
    ),
    "narrow coverage": (
        evidence(coverage=0.012),
        CHAMPION,
        BASELINES,
        False,
        [r"cover 1\.2% of the catalogue; 5\.0% is asked for"],
    ),
    "test items that leaked": (
        evidence(validation=float(per_user("ndcg@10", GOOD).mean()) / 2),
        CHAMPION,
        [replace(b, validation=float(per_user("ndcg@10", b.ranks).mean())) for b in BASELINES],
        False,
        ["sasrec is too good on test: NDCG@10 there is at least", "test items may have leaked"],
    ),
    "a test that is easier for all": (
        evidence(validation=float(per_user("ndcg@10", GOOD).mean()) / 2),
        CHAMPION,
        [replace(b, validation=float(per_user("ndcg@10", b.ranks).mean()) / 2) for b in BASELINES],
        True,
        ["sasrec beats"],
    ),
    "export disagrees": (
        evidence(export_error=0.2),
        CHAMPION,
        BASELINES,
        False,
        [r"differs from the trained one by 2\.0e-01 at most; 1\.0e-03 is allowed"],
    ),
    "export disagrees beyond numbers": (
        evidence(export_error=float("nan")),
        CHAMPION,
        BASELINES,
        False,
        ["by nan at most"],
    ),
    "export not compared": (
        evidence(export_error=None),
        CHAMPION,
        BASELINES,
        False,
        ["has not been compared with the trained one"],
    ),
}


@pytest.mark.parametrize(
    ("candidate", "champion", "baselines", "promote", "sentences"), CASES.values(), ids=CASES.keys()
)
def test_verdict(
    candidate: Evidence,
    champion: Evidence | None,
    baselines: list[Evidence],
    promote: bool,
    sentences: list[str],
) -> None:
    verdict = decide(candidate, champion, baselines, POLICY)
    assert verdict.promote is promote, told(verdict)
    assert verdict.winner == (candidate.name if promote else champion and champion.name)
    for sentence in sentences:
        assert re.search(sentence, told(verdict)), told(verdict)
    assert all(reason.endswith((".", "missing", "loaded", "gone", "NaN")) for reason in verdict.reasons)
    assert decide(candidate, champion, baselines, POLICY) == verdict  # pure


def test_what_speaks_against_the_candidate_comes_first() -> None:
    verdict = decide(evidence(ranks=MARKOV.ranks, coverage=0.0), None, BASELINES, POLICY)
    assert ["cover" in verdict.reasons[0], "does not beat" in verdict.reasons[1]] == [True, True]


def test_comparisons_come_before_conditions_and_notes() -> None:
    """The champion, the best baseline, the others; then that coverage is fine, last what decides nothing."""
    stale = replace(CHAMPION, age_days=31.0, unknown_targets=5)
    reasons = decide(evidence(ranks=SAME_BUT_NOISE, unknown_targets=3), stale, BASELINES, POLICY).reasons
    marks = ["to the champion", "beats markov", "beats popularity", "cover", "exported form", "31 days"]
    assert [mark in reason for mark, reason in zip(marks, reasons, strict=False)] == [True] * 6
    assert [reason.split(" the item")[0][-8:] for reason in reasons[6:8]] == ["not know", "not know"]
    assert ["on validation is unknown" in reason for reason in reasons[8:]] == [True]


def test_why_names_whom_the_winner_beat_and_by_how_much() -> None:
    half = np.where(np.arange(USERS) < 1_000, 1, 3).astype(np.int32)  # NDCG 0.75, of rank 3 alone 0.5
    thirds, tens = np.full(USERS, 3, dtype=np.int32), np.full(USERS, 10, dtype=np.int32)
    baselines = [evidence("popularity", tens), evidence("markov", thirds)]
    first = decide(evidence(ranks=half), None, baselines, POLICY)
    assert re.fullmatch(
        r"NDCG@10 0\.7500 on 2,000 test users, \+0\.2500 \(\+0\.2\d+ to \+0\.2\d+\) against the best "
        r"baseline, markov with 0\.5000; popularity has 0\.2891; there was no champion to compare it with "
        r"\(in brackets 95% intervals\)\.",
        first.why,
    ), first.why
    second = decide(evidence(ranks=half), evidence("old", thirds, age_days=3.0), baselines, POLICY)
    assert re.search(
        r"\+0\.2500 \(.*?\) against the champion before, old with 0\.5000 and \+0\.2500 \(.*?\) against "
        r"the best baseline, markov with 0\.5000; popularity has 0\.2891 \(in brackets",
        second.why,
    ), second.why
    alone = decide(evidence(ranks=half), None, baselines[:1], POLICY)
    assert "the best baseline, popularity with 0.2891; there was no champion" in alone.why


def test_why_of_a_refusal_a_person_or_a_baseline_is_their_own_first_reason() -> None:
    override = Override("the old one shows withdrawn games", "Ada")
    refused = decide(evidence(ranks=MUCH_WORSE), CHAMPION, BASELINES, POLICY)
    assert refused.why == refused.reasons[0] and "may be inferior" in refused.why
    by_hand = decide(evidence(ranks=MUCH_WORSE), CHAMPION, BASELINES, POLICY, override)
    assert by_hand.why == "Promoted all the same by Ada: the old one shows withdrawn games"
    baseline = choose([evidence("sasrec", BAD)], None, BASELINES, POLICY)
    assert re.fullmatch(
        r"As the best baseline, markov \(NDCG@10 0\.\d{4}; popularity 0\.\d{4}\) became the first "
        r"champion: no network had passed the gate\.",
        baseline.why,
    )
    assert choose([], CHAMPION, BASELINES, POLICY).why == "No candidate was submitted."


def test_estimates_by_hand() -> None:
    """1,000 users of rank 1 and 1,000 of rank 3 against 2,000 of rank 3: NDCG 0.75 and 0.5."""
    half = np.where(np.arange(USERS) < 1_000, 1, 3).astype(np.int32)
    thirds = np.full(USERS, 3, dtype=np.int32)
    verdict = decide(evidence(ranks=half), evidence("old", thirds), [evidence("markov", thirds)], POLICY)
    against_markov, against_old = verdict.estimates
    assert (against_markov.compared_with, against_old.compared_with) == ("markov", "old")
    assert against_old.candidate_value == pytest.approx(0.75)
    assert against_old.other_value == pytest.approx(0.5)
    assert against_old.difference == pytest.approx(0.25)
    detectable = (1.959964 + 1.281552) * 0.25 / np.sqrt(1_999)  # values 0.5 and 0 have deviation 0.25
    assert against_old.detectable_difference == pytest.approx(detectable, rel=1e-5)
    assert against_old.margin == pytest.approx(detectable, rel=1e-5)  # 3.6% of 0.5
    assert against_markov.margin == 0
    assert against_old.low < 0.25 < against_old.high
    assert asdict(verdict)["estimates"][1]["users"] == USERS


@pytest.mark.parametrize(
    ("share", "age_days", "margin"),
    [(0.0, 3.0, "floor"), (0.02, 3.0, "detectable"), (1.0, 3.0, "ceiling"), (1.0, 31.0, "detectable")],
)
def test_margin_is_the_detectable_difference_between_floor_and_ceiling(
    share: float, age_days: float, margin: str
) -> None:
    candidate = evidence(ranks=ranks_like(4, seed=3, of=GOOD, share=share))
    estimate = decide(candidate, replace(CHAMPION, age_days=age_days), [POPULARITY], POLICY).estimates[-1]
    expected = {
        "floor": 0.01 * estimate.other_value,
        "ceiling": 0.05 * estimate.other_value,
        "detectable": estimate.detectable_difference,
    }
    assert estimate.margin == pytest.approx(expected[margin])


def test_a_champion_past_its_age_yields_to_an_equal_candidate() -> None:
    """One that too few users, or too different ones, could not show to be equal before."""
    candidate = evidence(ranks=ranks_like(4, seed=4, of=GOOD))
    young = decide(candidate, replace(CHAMPION, age_days=30.0), [POPULARITY], POLICY)
    stale = decide(candidate, replace(CHAMPION, age_days=31.0), [POPULARITY], POLICY)
    assert not young.promote
    assert stale.promote
    assert "31 days old, more than 30" in told(stale)
    worse = evidence(ranks=MUCH_WORSE)
    assert not decide(worse, replace(CHAMPION, age_days=400.0), [POPULARITY], POLICY).promote


def test_the_order_of_users_does_not_matter() -> None:
    order = np.random.default_rng(5).permutation(USERS)
    shuffled = evidence(ranks=SAME_BUT_NOISE[order], users=IDS[order])
    straight = evidence(ranks=SAME_BUT_NOISE)
    assert decide(shuffled, CHAMPION, BASELINES, POLICY) == decide(straight, CHAMPION, BASELINES, POLICY)


@settings(max_examples=25)
@given(st.integers(0, 1_000), st.integers(1, 400))
def test_harm_never_raises_an_estimate(seed: int, harmed: int) -> None:
    rng = np.random.default_rng(seed)
    base = ranks_like(4, seed=seed, of=GOOD, share=0.1)
    worse = base.copy()
    worse[rng.choice(USERS, harmed, replace=False)] = 10_000
    before = decide(evidence(ranks=base), CHAMPION, BASELINES, POLICY)
    after = decide(evidence(ranks=worse), CHAMPION, BASELINES, POLICY)
    assert after.estimates[-1].difference <= before.estimates[-1].difference
    assert after.estimates[-1].low <= before.estimates[-1].low + 0.002  # another draw of the bootstrap


# -- overrides ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("reason", "by"), [("", "Ada"), ("  \n", "Ada"), ("licence ends", ""), ("x", " ")])
def test_an_override_needs_a_reason_and_a_name(reason: str, by: str) -> None:
    with pytest.raises(ValueError, match="needs a reason and the name"):
        Override(reason, by)


def test_an_override_promotes_and_stands_in_the_verdict() -> None:
    override = Override("the old one shows withdrawn games", "Ada")
    verdict = decide(evidence(ranks=MUCH_WORSE), CHAMPION, BASELINES, POLICY, override)
    assert verdict.promote and verdict.winner == "sasrec" and verdict.override == override
    assert "by Ada: the old one shows withdrawn games" in verdict.reasons[0]
    assert "may be inferior" in told(verdict)  # what it overrode stays readable


def test_an_override_that_is_not_needed_is_kept() -> None:
    verdict = decide(evidence(), CHAMPION, BASELINES, POLICY, Override("to be sure", "Ada"))
    assert verdict.promote and verdict.override is not None and "all the same" not in told(verdict)


@pytest.mark.parametrize("case", ["broken candidate", "empty candidate", "identical bundle"])
def test_an_override_cannot_promote_what_cannot_be_served(case: str) -> None:
    candidate, champion, baselines, *_ = CASES[case]
    assert not decide(candidate, champion, baselines, POLICY, Override("please", "Ada")).promote


# -- bad input ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"ranks": [1, 2], "users": ["a"]}, "2 ranks for 1 users"),
        ({"ranks": [1, 2], "users": ["a", "a"]}, "names a user twice"),
        ({"ranks": [0], "users": ["a"]}, "rank below 1"),
        ({"ranks": [1], "users": ["a"], "people": ["a", "b"]}, "2 people for 1 plays"),
        (
            {"ranks": [1], "users": ["a"], "groups": [Slice("age", "young", np.array([True, False]))]},
            "groups of 2 users for 1 users",
        ),
    ],
)
def test_evidence_that_contradicts_itself_is_refused(values: dict[str, list[object]], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Evidence("sasrec", **values)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "values",
    [
        {"metric": "auc"},
        {"margin_floor": 0.1},
        {"margin_floor": -0.1},
        {"stale_ceiling": 0.01},
        {"confidence": 1.0},
        {"power": 0.3},
        {"min_users": 1},
        {"resamples": 0},
    ],
)
def test_a_policy_that_makes_no_sense_is_refused(values: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        Policy(**values)  # type: ignore[arg-type]


def test_of_many_baselines_the_closest_is_told_with_figures_and_the_others_in_one_sentence() -> None:
    ease, knn = (
        evidence(name, np.where(np.arange(USERS) % n == 0, GOOD, 1000))
        for name, n in (("ease", 4), ("knn", 5))
    )
    verdict = decide(evidence(), None, [POPULARITY, MARKOV, ease, knn], Policy())
    beaten = [reason for reason in verdict.reasons if "beats" in reason]
    assert len(beaten) == 2
    assert beaten[0].startswith("sasrec beats markov: NDCG@10 ")
    assert beaten[1] == "sasrec beats popularity, ease and knn too: each interval lies above 0."
    assert {e.compared_with for e in verdict.estimates} == {"popularity", "markov", "ease", "knn"}
