"""Test items that leaked into training, told from a test that is easier for all."""

from dataclasses import replace

import numpy as np
import pytest

from models.evaluation.gate import Policy, decide
from models.evaluation.rules.leak import usual_gain
from tests.support.evidence import Night, told

POLICY = Policy(resamples=500)
NIGHT = Night(4_000, 11)
MARKOV, KNN = NIGHT.model("markov", 0.16, validation=0.16), NIGHT.model("knn", 0.13, validation=0.13)
CANDIDATE = NIGHT.model("sasrec", 0.4)


def refused(validation: float, baselines: list, candidate=CANDIDATE) -> bool:
    verdict = decide(replace(candidate, validation=validation), None, baselines, POLICY)
    assert verdict.promote != ("on validation" in verdict.reasons[0]), told(verdict)
    return not verdict.promote


def test_the_ratio_of_the_noisiest_baseline_sets_nothing() -> None:
    """A baseline that found next to nothing on validation gains twentyfold, which would excuse anything."""
    noise = NIGHT.model("popularity", 0.02, validation=0.001)
    assert refused(0.2, [MARKOV, KNN, noise])
    assert not refused(0.38, [MARKOV, KNN, noise])
    easier = [replace(b, validation=b.validation / 2) for b in (MARKOV, KNN)]
    assert not refused(0.2, easier)


def test_no_number_on_validation_is_no_way_round() -> None:
    assert refused(float("nan"), [MARKOV, KNN])
    assert refused(float("inf"), [MARKOV, KNN])
    assert refused(0.0, [MARKOV, KNN])
    assert refused(0.2, [replace(b, validation=float("nan")) for b in (MARKOV, KNN)])
    assert refused(0.2, [replace(MARKOV, validation=None), replace(KNN, validation=float("nan"))])
    assert not refused(0.2, [MARKOV, replace(KNN, validation=float("nan"))], NIGHT.model("sasrec", 0.21))


def test_what_is_usual_is_an_upper_end_over_users() -> None:
    usual, _ = usual_gain([MARKOV, KNN], POLICY)
    assert 1.0 < usual < 1.15
    few = Night(100, 12)
    loose, _ = usual_gain([few.model("markov", 0.16, validation=0.16)], POLICY)
    assert loose > usual
    assert usual_gain([], POLICY)[0] == 1.0


def test_an_unknown_validation_is_told() -> None:
    verdict = decide(CANDIDATE, None, [MARKOV], POLICY)
    assert verdict.promote
    assert verdict.reasons[-1] == (
        "What sasrec reaches on validation is unknown, so nothing says whether test items leaked."
    )


@pytest.mark.parametrize("users", [50, 100, 1_000])
def test_sound_candidates_are_seldom_called_leaked(users: int) -> None:
    """Validation is as noisy as test there: another draw of as many users."""
    alarms = 0
    for seed in range(60):
        test, before = Night(users, seed), Night(users, 1_000 + seed)
        found = [
            test.model(name, q, validation=float(np.mean(before.ranks(q) <= 10)) * 0.63)
            for name, q in (("sasrec", 0.2), ("markov", 0.16), ("knn", 0.12))
        ]
        alarms += "too good on test" in told(decide(found[0], None, found[1:], POLICY))
    assert alarms <= 1
