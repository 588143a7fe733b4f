"""Columns of items that are texts for the sake of a few values are told, as are days that stand for none."""

import json
from pathlib import Path

import pytest

from assets.clean.doubts import item_values_were_read
from assets.clean.mixed_columns import mixed_columns
from assets.resources import Home
from tests.support.tables import publish


@pytest.mark.parametrize(
    ("values", "told"),
    [
        (["91", "8.5", "7", "60", "80", "tbd"], "as 1 of 6 are no numbers, such as 'tbd'"),
        (["1", "2", "3", "4", "5", "6", "2018-01-04"], "as 1 of 7 are no numbers, such as '2018-01-04'"),
        ([f"2018-01-0{n}" for n in range(1, 8)] + ["soon"], "as 1 of 8 are no dates, such as 'soon'"),
        (["true", "false", "True", "false", "true", "yes"], "as 1 of 6 are no flags, such as 'yes'"),
        (["1", "2", "3", "4", "5"], None),
        (["1", "2", "3", "M", "L"], None),
        (["1", "2", "3", "tbd"], None),
        (["a", "b", "c", "d", "e", "f", "1"], None),
    ],
)
def test_a_column_of_several_kinds_is_told(values: list[str], told: str | None) -> None:
    found = list(mixed_columns(json.dumps({"score": value}) for value in values))
    if told is None:
        assert found == []
    else:
        (said,) = found
        assert said == f"all values of the column 'score' are texts, {told}"


def test_a_run_tells_of_columns_and_of_days_that_stand_for_none(tmp_path: Path) -> None:
    home = Home(path=str(tmp_path))
    publish(home.lake(), "unread_values", [])
    days = ["9999-12-31", "2018-01-04", "2099-12-31", "Soon", "2100"]
    scores = ["1", "2", "3", "4", "tbd"]
    rows = [
        (str(n), "Title", [], [], None, day, None, json.dumps({"score": score}))
        for n, (day, score) in enumerate(zip(days, scores, strict=True))
    ]
    publish(home.lake(), "catalogue", rows)
    told = str(item_values_were_read(home).description)
    assert "the column 'score' are texts" not in told, "4 values are few"
    assert "1 release is in 2100 or later, the last on 9999-12-31" in told
