"""Lists in one cell, as programs write them."""

import pytest

from assets.formats.item_values import label_texts, texts
from assets.formats.listed_texts import labels, listed_texts


@pytest.mark.parametrize(
    "text",
    [
        '["RPG", "Action"]',
        "['RPG', 'Action']",
        "['RPG' 'Action']",  # NumPy; to Python it is one text, RPGAction
        "['RPG'\n 'Action' None]",
        "[['RPG', 'Action']]",  # Amazon's categories
        "[['RPG'], ['Action', None]]",
        "[[['RPG'], 'Action']]",
        "[RPG, Action]",  # Spark and Java
        '[{"id": 1, "description": "RPG"}, {"id": "2", "description": "Action"}]',  # the store of Steam
        "[{'name': 'RPG', 'description': 'long'}, {'name': 'Action'}]",
        '[" RPG ", "", NaN, null, "Action"]',
    ],
)
def test_lists_are_read_as_their_program_wrote_them(text: str) -> None:
    assert listed_texts(text) == labels(text) == ["RPG", "Action"]


@pytest.mark.parametrize(
    "text",
    [
        '{RPG,"Action"}',  # Postgres
        '{"RPG",NULL,Action}',
        "{'RPG', 'Action'}",
        "('RPG', 'Action')",
        '{"RPG": 4800, "Action": 1.5}',  # SteamSpy's tags
    ],
)
def test_genres_and_tags_may_be_written_in_further_ways(text: str) -> None:
    assert labels(text) == ["RPG", "Action"]
    assert label_texts(text) == "RPG|Action"
    assert listed_texts(text) is None
    assert texts(text) == text, "another column may hold such a text"


@pytest.mark.parametrize(
    "text",
    ["[Unfinished]", "[a", "(None)", "{{a}}", "{1: 'x'}", "[{'id': 1}]", "[[[[['a']]]]]", "[b'a']", "{"],
)
def test_other_texts_are_no_lists(text: str) -> None:
    assert labels(text) is listed_texts(text) is None


def test_of_lists_that_are_empty_nothing_is_left() -> None:
    assert [label_texts(text) for text in ("[]", "{}", "[[]]", '[""]', "[None]")] == [None] * 5
    assert labels(r'{"a \"b\"","c, d"}') == ['a "b"', "c, d"]
