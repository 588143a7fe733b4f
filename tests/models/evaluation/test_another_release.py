"""A champion that another release wrote is whole: it is neither broken nor replaced without a comparison."""

import pytest

from models.evaluation.gate import Evidence, Override, choose
from tests.support.evidence import BASELINES, POLICY, evidence, told

CHAMPION = Evidence.of_another_release("version 7", "The bundle b is of format 99, by a newer release.")


@pytest.mark.parametrize("candidates", [[evidence()], []])
def test_it_stays_and_the_reason_says_so_first(candidates: list[Evidence]) -> None:
    verdict = choose(candidates, CHAMPION, BASELINES, POLICY)
    assert (verdict.promote, verdict.winner) == (False, "version 7")
    assert verdict.why == (
        "The champion version 7 is of another format, so it cannot be compared and stays: The bundle b is of "
        "format 99, by a newer release. A person can replace it: make promote."
    )
    assert "broken" not in told(verdict) and "stepped in" not in told(verdict)


def test_a_person_may_replace_it() -> None:
    verdict = choose([evidence()], CHAMPION, BASELINES, POLICY, Override("we stay with this release", "ada"))
    assert (verdict.promote, verdict.winner) == (True, "sasrec")


def test_a_broken_one_is_still_replaced() -> None:
    verdict = choose([], Evidence.broken("sasrec", "its bundle is gone"), BASELINES, POLICY)
    assert verdict.promote and "was broken" in verdict.why
