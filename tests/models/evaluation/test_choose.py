"""The gate on a night: which candidate is submitted, and which baseline serves where it is refused."""

from dataclasses import replace

import numpy as np
import pytest

from models.baselines import NextLargerId
from models.evaluation.gate import BY_IDS, Evidence, Override, choose, decide
from models.evaluation.metrics import MISSED, per_user
from tests.support.evidence import (
    BAD,
    BASELINES,
    CHAMPION,
    GOOD,
    MARKOV,
    POLICY,
    POPULARITY,
    SAME_BUT_NOISE,
    USERS,
    evidence,
    told,
)


def test_the_best_on_validation_is_the_one_submitted() -> None:
    verdict = choose([evidence("gru4rec", BAD), evidence("sasrec")], CHAMPION, [MARKOV], POLICY)
    assert not verdict.promote and verdict.winner == "champion-sasrec"
    assert {e.candidate for e in verdict.estimates} == {"gru4rec"}


def test_a_candidate_that_is_better_on_test_alone_is_told_with_all_four_figures() -> None:
    submitted = evidence("gru4rec", SAME_BUT_NOISE, validation=0.5)
    better = evidence("sasrec", np.ones(USERS, dtype=np.int32), validation=0.4)
    verdict = choose([submitted, better], None, BASELINES, POLICY)
    own = float(per_user("ndcg@10", SAME_BUT_NOISE).mean())
    (told_so,) = [reason for reason in verdict.reasons if "was submitted, though" in reason]
    assert verdict.winner == "gru4rec" and verdict.reasons[0] != told_so
    assert f"sasrec is above it on test (NDCG@10 1.0000 against {own:.4f})" in told_so
    assert "there gru4rec has 0.5000, sasrec 0.4000." in told_so
    first_on_both = choose([replace(better, validation=0.6), submitted], None, BASELINES, POLICY)
    assert "though" not in told(first_on_both)


def test_a_network_that_failed_is_passed_over() -> None:
    failed = Evidence.broken("gru4rec", "the loss became NaN")
    verdict = choose([failed, evidence("sasrec")], CHAMPION, BASELINES, POLICY)
    assert verdict.winner == "sasrec"
    assert "gru4rec was passed over: the loss became NaN" in told(verdict)


@pytest.mark.parametrize(
    ("candidates", "champion", "why"),
    [
        ([evidence("sasrec", BAD)], None, "became the first champion"),
        ([], None, "became the first champion"),
        ([Evidence.broken("sasrec", "no memory")], None, "became the first champion"),
        (
            [evidence("sasrec", BAD)],
            Evidence.broken("old", "gone"),
            "The champion before, old, was broken: the best baseline, markov",
        ),
    ],
)
def test_the_best_baseline_steps_in_where_nothing_else_can(
    candidates: list[Evidence], champion: Evidence | None, why: str
) -> None:
    verdict = choose(candidates, champion, BASELINES, POLICY)
    assert verdict.promote and verdict.winner == "markov"
    assert why in verdict.reasons[0] and "markov" in verdict.reasons[0]


def test_too_few_test_users_are_told_once_whatever_there_is_to_compare_with() -> None:
    few = [evidence("popularity", BAD[:15]), evidence("markov", MARKOV.ranks[:15])]
    told_once = "15 test users are too few to tell models apart"
    first = choose([evidence(ranks=GOOD[:15])], None, few, POLICY)
    assert first.winner == "markov" and told(first).count(told_once) == 1
    champion = evidence("old", GOOD[:15], age_days=3.0)
    stays = choose([evidence(ranks=GOOD[:15])], champion, few, POLICY)
    assert not stays.promote and stays.winner == "old" and stays.reasons[0].startswith(told_once)
    assert "cannot be compared" not in told(first) + told(stays) and told(stays).count(told_once) == 1
    unlike = decide(evidence(ranks=GOOD[:50]), None, few, POLICY)
    assert "sasrec cannot be compared with markov: they share 15 of 50 test users" in told(unlike)


def test_a_champion_that_only_follows_ids_comes_with_a_warning() -> None:
    assert NextLargerId.architecture == BY_IDS
    warned = "the order of the plays may only follow the ids"
    by_ids = evidence(BY_IDS, GOOD)
    verdict = choose([evidence("sasrec", BAD)], None, [*BASELINES, by_ids], POLICY)
    assert verdict.winner == BY_IDS and warned in verdict.why
    assert warned not in told(choose([evidence("sasrec", BAD)], None, BASELINES, POLICY))
    assert warned not in told(choose([evidence("sasrec")], None, [POPULARITY, evidence(BY_IDS, BAD)], POLICY))


def test_a_network_stays_champion_when_its_successor_fails() -> None:
    verdict = choose([], CHAMPION, BASELINES, POLICY)
    assert not verdict.promote and verdict.winner == "champion-sasrec"
    assert verdict.reasons == ["No candidate was submitted."]


def test_a_baseline_that_finds_nothing_becomes_nobodys_champion() -> None:
    nothing = np.full(USERS, MISSED, dtype=np.int32)
    baselines = [evidence("popularity", nothing), evidence("markov", nothing)]
    verdict = choose([evidence(ranks=nothing)], None, baselines, POLICY)
    assert (verdict.promote, verdict.winner) == (False, None)
    assert verdict.reasons[0] == "No baseline finds any held-out item (NDCG@10 0.0000): no evidence for any."


def test_a_baseline_champion_is_renewed_by_tonights_baseline() -> None:
    old = replace(MARKOV, bundle_hash="old", age_days=2.0)
    verdict = choose([evidence("sasrec", BAD)], old, BASELINES, POLICY)
    assert verdict.promote and verdict.winner == "markov" and "may replace it" in verdict.reasons[0]
    same = replace(MARKOV, age_days=2.0)
    assert not choose([evidence("sasrec", BAD)], same, BASELINES, POLICY).promote
    better = replace(MARKOV, ranks=GOOD, bundle_hash="old")
    assert not choose([evidence("sasrec", BAD)], better, BASELINES, POLICY).promote


def test_without_any_usable_model_nobody_wins() -> None:
    verdict = choose([], None, [Evidence.broken("markov", "gone")], POLICY)
    assert not verdict.promote and verdict.winner is None


def test_of_the_candidates_the_best_on_validation_is_submitted_in_whatever_order_they_come() -> None:
    weak, strong = evidence("gru4rec", BAD, validation=0.1), evidence("sasrec", validation=0.2)
    unknown = evidence("bert4rec", BAD, validation=float("nan"))
    assert choose([unknown, weak, strong], CHAMPION, BASELINES, POLICY).winner == "sasrec"


def test_a_candidate_without_a_number_on_validation_is_refused() -> None:
    verdict = choose([evidence(validation=float("nan"))], None, BASELINES, POLICY)
    assert verdict.winner == "markov"
    assert "sasrec has no number on validation (nan)" in told(verdict)


def test_an_override_without_any_candidate_is_not_lost() -> None:
    verdict = choose([], CHAMPION, BASELINES, POLICY, Override("the fair begins", "Ada"))
    assert not verdict.promote
    assert verdict.reasons[-1] == "Ada wanted to promote one all the same: the fair begins"


def test_two_models_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="Two models of tonight are called sasrec"):
        choose([evidence(), evidence(ranks=BAD)], None, BASELINES, POLICY)
    with pytest.raises(ValueError, match="Two models of tonight are called markov"):
        choose([evidence("markov")], None, BASELINES, POLICY)
