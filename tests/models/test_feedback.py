"""What each kind of feedback counts."""

from typing import Any

import pytest

from models.feedback import A_PLAY, KINDS, NOTHING, PLAY, REFUSAL, Feedback, FeedbackError

RATINGS = Feedback.of({"rating": {"4": 1, "1": -1, "3": 0}, "hours": {"0.2": 1}, "hide": -1})


@pytest.mark.parametrize(
    ("kind", "value", "counts"),
    [
        (PLAY, None, A_PLAY),
        (PLAY, 0.0, A_PLAY),
        ("hide", None, REFUSAL),
        ("hide", 9.0, REFUSAL),
        ("rating", 5.0, A_PLAY),
        ("rating", 4.0, A_PLAY),
        ("rating", 3.9, NOTHING),
        ("rating", 3.0, NOTHING),
        ("rating", 1.0, REFUSAL),
        ("rating", 0.5, NOTHING),
        ("hours", 0.2, A_PLAY),
        ("hours", 0.1, NOTHING),
    ],
)
def test_a_kind_counts_by_its_value(kind: str, value: float | None, counts: int) -> None:
    assert RATINGS.counts(kind, value) == counts


def test_the_default_knows_what_a_shop_has() -> None:
    known = Feedback.of(KINDS)
    counted = {kind: known.counts(kind, None) for kind in known.steps}
    assert counted == {"play": 1, "like": 1, "wishlist": 0, "dislike": -1, "refund": -1}


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ({"like": 2}, "like counts 2"),
        ({"like": True}, "like counts True"),
        ({"like": "1"}, "like counts '1'"),
        ({"like": None}, "like counts None"),
        ({"like": {}}, "like has no step"),
        ({"like": {"x": 1}}, "the step 'x' of like is no number"),
        ({"like": {"nan": 1}}, "the step 'nan' of like is no number"),
        ({"like": {"1": {"2": 1}}}, "like counts {'2': 1}"),
        ({"": 1}, "the kind '' is no name"),
        ({" like": 1}, "the kind ' like' is no name"),
        ({"a\nb": 1}, "the kind 'a\\nb' is no name"),
        ({"play": -1}, "the kind play is a play in any case"),
        ({f"kind {n}": 1 for n in range(101)}, "there are 101 kinds"),
    ],
)
def test_a_wrong_table_is_told(table: dict[str, Any], told: str) -> None:
    with pytest.raises(FeedbackError) as error:
        Feedback.of(table)
    assert str(error.value).startswith(told)


def test_feedback_of_no_known_kind_or_without_its_value_is_told() -> None:
    with pytest.raises(FeedbackError, match="be one of play, rating, hours, hide"):
        RATINGS.counts("love", None)
    with pytest.raises(FeedbackError, match="come with a value where it is rating"):
        RATINGS.counts("rating", None)
