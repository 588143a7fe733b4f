"""What Dagster shows of a table, and keeps."""

import time

from assets.resources import Home
from assets.shown.tables import table_result
from tests.support.tables import publish


def first_rows(home: Home, table: str) -> str:
    with home.lake().connect(table) as connection:
        return str(
            table_result(connection, home.lake().current(table), time.monotonic(), {})
            .metadata["first rows"]
            .value
        )


def test_people_are_shown_as_numbers(tmp_path) -> None:
    home = Home(path=str(tmp_path))
    rows = [("ada", "10", 0, 90, None), ("ada", "20", 1, 80, None), ("bob", "10", 0, 70, None)]
    publish(home.lake(), "interactions", rows)
    assert first_rows(home, "interactions") == (
        "| user_id | item_id | position | playtime | timestamp |\n| --- | --- | --- | --- | --- |\n"
        "| 1 | 10 | 0 | 90 |  |\n| 1 | 20 | 1 | 80 |  |\n| 2 | 10 | 0 | 70 |  |"
    )
    publish(home.lake(), "events", [("e-ada", "ada", "10", 5, 6, "r-ada", "1970-01-01")])
    assert "ada" not in first_rows(home, "events") and "| 1 | 1 | 10 | 5 | 6 | 1 |" in first_rows(
        home, "events"
    )


def test_a_table_without_rows_has_its_columns(tmp_path) -> None:
    home = Home(path=str(tmp_path))
    publish(home.lake(), "interactions", [])
    assert first_rows(home, "interactions").startswith("| user_id | item_id |")


def test_the_text_of_a_line_that_could_not_be_read_is_not_shown(tmp_path) -> None:
    home = Home(path=str(tmp_path))
    publish(home.lake(), "quarantine", [("a.csv", 1, None, "no user", "ada,10,")])
    assert "ada" not in first_rows(home, "quarantine")
