"""Breadth as a share of what so many users can be shown, and the same users for all."""

import numpy as np
import pytest

from models.evaluation.gate import Policy, decide
from models.evaluation.metrics import coverage
from tests.support.evidence import Night, told

POLICY = Policy(resamples=500)


@pytest.mark.parametrize(
    ("users", "n_items", "different", "promoted"),
    [
        (150, 20_000, 900, True),
        (150, 20_000, 10, False),
        (4_000, 2_000, 10, False),
        (4_000, 2_000, 500, True),
    ],
)
def test_breadth_is_asked_as_a_share_of_what_the_lists_have_room_for(
    users: int, n_items: int, different: int, promoted: bool
) -> None:
    night, lists = Night(users, 3), np.resize(np.arange(1, different + 1), (users, 10))
    candidate = night.model("sasrec", 0.3, coverage=coverage(lists, n_items), n_items=n_items)
    champion = night.model("gru4rec", 0.13, age_days=60.0)
    verdict = decide(candidate, champion, [night.model("markov", 0.1)], POLICY)
    assert verdict.promote is promoted, told(verdict)


def test_the_verdict_says_what_could_be_covered() -> None:
    night = Night(150, 3)
    candidate = night.model("sasrec", 0.3, coverage=0.045, n_items=20_000)
    verdict = decide(candidate, None, [night.model("markov", 0.1)], POLICY)
    assert (
        "cover 4.5% of the catalogue, 60.0% of what 150 users can be shown; 5.0% of that is asked for."
        in told(verdict)
    )


def test_a_candidate_that_was_asked_for_fewer_users_is_refused() -> None:
    """Else it could be judged on the users that it is good for."""
    night = Night(1_000, 4)
    markov = night.model("markov", 0.19)
    ranks, easy = night.ranks(0.19), markov.ranks <= 500
    whole = night.model("sasrec", 0.19, ranks=ranks)
    part = type(whole)(
        "sasrec", ranks[easy], night.ids[easy], coverage=0.5, export_error=0.0, bundle_hash="part"
    )
    verdict = decide(part, None, [markov], POLICY)
    assert f"sasrec was not asked for {1_000 - easy.sum():,} of the 1,000 users of markov" in told(verdict)
    assert not verdict.promote
