"""The floor: baselines that a champion has to stay above, and which of them serves."""

from dataclasses import replace

import numpy as np
import pytest

from models.evaluation.gate import Evidence, Policy, choose, decide
from models.evaluation.metrics import MISSED
from tests.support.evidence import Night, told

POLICY = Policy(resamples=500)
NIGHT = Night(4_000, seed=1)
MARKOV = NIGHT.model("markov", 0.205, validation=0.20)
KNN = NIGHT.model("item_knn", 0.17, validation=0.16)
BASELINES = [MARKOV, KNN]
FALLEN = NIGHT.model("gru4rec", 0.10, age_days=200.0)
NETWORK = NIGHT.model("sasrec", 0.205, validation=0.2)


@pytest.mark.parametrize(
    "candidates",
    [
        [NETWORK],
        [NIGHT.model("sasrec", 0.15, validation=0.15)],
        [Evidence.broken("sasrec", "the loss became nan")],
        [replace(NETWORK, nan_users=4_000, ranks=np.full(4_000, MISSED, dtype=np.int32))],
        [replace(NETWORK, validation=float("nan"))],
        [replace(FALLEN, name="gru4rec again", age_days=None)],
        [],
    ],
    ids=["level", "below", "broken", "NaN", "NaN on validation", "champion itself", "none"],
)
def test_a_champion_that_a_baseline_beats_falls(candidates: list[Evidence]) -> None:
    verdict = choose(candidates, FALLEN, BASELINES, POLICY)
    assert (verdict.promote, verdict.winner) == (True, "markov"), told(verdict)
    assert verdict.why == verdict.reasons[0]
    assert verdict.why.startswith(
        "The champion gru4rec is below a baseline of tonight and falls: markov beats"
    )
    assert "lies above 0" in verdict.why
    (estimate,) = [e for e in verdict.estimates if e.candidate == "markov"]
    assert (estimate.compared_with, estimate.role) == ("gru4rec", "champion") and estimate.low > 0


def test_a_candidate_that_passes_replaces_a_fallen_champion_before_a_baseline_does() -> None:
    verdict = choose([NIGHT.model("sasrec", 0.26, validation=0.25)], FALLEN, BASELINES, POLICY)
    assert verdict.promote and verdict.winner == "sasrec"
    assert "against the champion before, gru4rec" in verdict.why


@pytest.mark.parametrize("age_days", [5.0, 200.0])
def test_a_champion_that_no_baseline_beats_stays(age_days: float) -> None:
    for quality in (0.205, 0.23):
        champion = NIGHT.model("gru4rec", quality, age_days=age_days)
        for candidates in ([], [NIGHT.model("sasrec", 0.18, validation=0.2)]):
            verdict = choose(candidates, champion, BASELINES, POLICY)
            assert (verdict.promote, verdict.winner) == (False, "gru4rec"), told(verdict)


def test_a_champion_that_gives_no_numbers_falls() -> None:
    silent = replace(FALLEN, ranks=np.full(4_000, MISSED, dtype=np.int32), nan_users=4_000)
    assert choose([], silent, BASELINES, POLICY).winner == "markov"


def test_a_baseline_champion_that_another_baseline_beats_falls() -> None:
    old = replace(KNN, bundle_hash="an older one", age_days=3.0)
    verdict = choose([], old, BASELINES, POLICY)
    assert verdict.winner == "markov" and "is below a baseline of tonight" in verdict.why


# -- which baseline ----------------------------------------------------------------------------------------


def test_validation_alone_chooses_the_baseline_that_serves() -> None:
    """On test markov is far better; the reader is told."""
    best = replace(KNN, validation=0.3)
    for champion in (None, FALLEN, Evidence.broken("gru4rec", "gone")):
        verdict = choose([], champion, [MARKOV, best], POLICY)
        assert verdict.winner == "item_knn"
        assert "item_knn is the best baseline on validation, which alone chooses" in told(verdict)
    unknown = replace(best, validation=float("nan"))
    assert choose([], None, [MARKOV, unknown], POLICY).winner == "markov"


def test_where_validation_is_unknown_for_all_test_chooses_and_the_verdict_says_so() -> None:
    verdict = choose([], None, [replace(b, validation=None) for b in BASELINES], POLICY)
    assert verdict.winner == "markov"
    assert verdict.reasons[1] == "Validation of the baselines is unknown, so test had to choose among them."


def test_a_baseline_that_is_broken_tonight_neither_serves_nor_counts_as_beaten() -> None:
    broken = [
        replace(MARKOV, nan_users=3, validation=0.9),
        replace(MARKOV, export_error=float("nan"), validation=0.9),
        replace(MARKOV, export_error=0.1, validation=0.9),
        Evidence.broken("markov", "weights missing"),
    ]
    for markov in broken:
        assert choose([], FALLEN, [markov, KNN], POLICY).winner == "item_knn"
        assert choose([], FALLEN, [markov], POLICY).winner == "gru4rec"
    strong = NIGHT.model("sasrec", 0.26, validation=0.2)
    refused = decide(strong, None, [broken[0], KNN], POLICY)
    assert not refused.promote
    assert refused.reasons[0] == (
        "The baseline markov is no measure: it gave no number (NaN) for 3 of 4,000 users."
    )


# -- breadth -----------------------------------------------------------------------------------------------


def test_a_baseline_that_shows_little_serves_only_where_it_beats_those_that_show_enough() -> None:
    narrow = NIGHT.model("popularity", 0.205, validation=0.3, coverage=0.018)
    level = choose([], None, [narrow, MARKOV], POLICY)
    assert level.winner == "markov"
    assert "cover 1.8% of the catalogue, less than 5.0%. markov, the best that shows enough" in told(level)
    better = choose([], None, [narrow, NIGHT.model("markov", 0.1, validation=0.1)], POLICY)
    assert better.winner == "popularity"
    assert "It serves all the same, for it beats markov, the best that shows enough: NDCG@10" in told(better)
    alone = choose([], None, [narrow], POLICY)
    assert alone.winner == "popularity" and "no baseline shows more" in told(alone)
