"""What the gate is given of the tables: who has played, and in which order the models come."""

from pathlib import Path

import pytest

from assets.evaluation.gate import evidence
from assets.evaluation.leaderboard import by_validation
from assets.resources import Home
from models.evaluation.evidence import Policy
from models.evaluation.rules.finding import paired
from tests.support.tables import publish


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """Two baselines that are equal on validation, each with tonight's play of two users and earlier ones."""
    home = Home(path=str(tmp_path))
    publish(home.lake(), "items", [(1, "x", "X", 2), (2, "y", "Y", 1)])
    models = {"transitions": 0.2, "markov": 0.1}  # NDCG@10 on test
    shown = [
        (name, "baseline", name, "", 2, 2, 0.15, ndcg, ndcg, 0.5, 0.5, 0.0, 0, 0, "", 0, *[ndcg] * 12)
        for name, ndcg in models.items()
    ]
    publish(home.lake(), "leaderboard", shown)
    publish(home.lake(), "test_ranks", [(name, user, 9, 3) for name in models for user in "ab"])
    earlier = [(name, "0f", user, place, "x", 3) for name in models for user in "ab" for place in (7, 8, 9)]
    publish(home.lake(), "earlier_ranks", earlier)
    return home


def test_who_played_on_earlier_nights_too_is_one_person(home: Home) -> None:
    own, other = evidence(home, "baseline")
    pairs = paired(own, other, Policy())
    assert pairs.pooled and (pairs.users, len(pairs.own)) == (2, 6)


def test_test_has_no_say_among_models_that_are_equal_on_validation(home: Home) -> None:
    assert [one.name for one in evidence(home, "baseline")] == ["markov", "transitions"]


@pytest.mark.parametrize("unknown", [float("nan"), float("inf")])
def test_a_model_without_a_number_was_not_the_one_submitted(unknown: float) -> None:
    rows = [{"model": name, "validation_ndcg_at_10": value} for name, value in (("a", unknown), ("b", 0.2))]
    assert min(rows, key=by_validation)["model"] == min(rows[::-1], key=by_validation)["model"] == "b"
