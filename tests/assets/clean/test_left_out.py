"""What is said of rows that were left out; the limit holds for all files of a kind together."""

from pathlib import Path

import dagster as dg
import pytest

from assets.clean import clean as cleaning
from assets.clean.left_out_in_all import left_out_in_all
from assets.ingest import raw_files as raw
from assets.resources import Cleaning, Home, Source
from tests.support.homes import failed_checks, failure, materialize, rows

HEADER = "user_id,item_id,timestamp\n"
GOOD = [f"u{n},{n % 7},{n}" for n in range(200)]


def make(
    tmp_path: Path, limit: float = 0.01, time_format: str | None = None, **files: list[str]
) -> tuple[Home, dg.ExecuteInProcessResult]:
    """The clean tables, with their checks, of some CSV files of plays; one called `items` is no play."""
    table = tmp_path / "table"
    table.mkdir()
    source = Source(name="table", table=str(table), time_format=time_format)
    for name, lines in files.items():
        path = (tmp_path if name == "items" else table) / f"{name}.csv"
        header = "item_id,title\n" if name == "items" else HEADER
        path.write_text(header + "".join(f"{line}\n" for line in lines))
        if name == "items":
            source = Source(name="table", table=str(table), table_items=str(path))
    home = Home(path=str(tmp_path / "home"))
    result = materialize(
        home,
        raw.raw_files, *raw.RAW_CHECKS, cleaning.clean, cleaning.each_file_is_read, *cleaning.CLEAN_CHECKS,
        must_succeed=False, source=source, cleaning=Cleaning(max_quarantined_share=limit),
    )  # fmt: skip
    return home, result


def test_a_bad_line_of_a_small_file_is_one_of_all_lines(tmp_path: Path) -> None:
    home, result = make(tmp_path, a=GOOD, b=[*GOOD[:19], "u,1,then"])
    assert result.success
    assert failed_checks(result) == []
    assert [row[:2] for row in rows(home, "quarantine")] == [("table/b.csv", 21)]


def test_a_file_that_is_all_bad_is_told_by_name(tmp_path: Path) -> None:
    _, result = make(tmp_path, a=GOOD, b=["u,1,then"], c=["u,2,soon", "u,3,4"], d=[])
    assert result.success
    (told,) = [check for check in result.get_asset_check_evaluations() if not check.passed]
    assert (told.check_name, told.severity) == ("each_file_is_read", dg.AssetCheckSeverity.WARN)
    assert "table/b.csv (1 of 1 rows, the first for 'a timestamp" in str(told.description)
    assert "line 2, u,1,then)" in str(told.description)
    assert "c.csv" not in str(told.description)


def test_the_limit_counts_all_files_together(tmp_path: Path) -> None:
    _, result = make(tmp_path, a=GOOD[:150], b=["u,1,then"], c=[",1,2"])
    assert failed_checks(result) == ["each_file_is_read", "little_is_quarantined"]
    told = failure(result)
    assert told.startswith(
        "2 of 152 rows were left out (1.3 %), more than NEXTPLAY_MAX_QUARANTINED_SHARE=0.01"
    )
    assert "1 for 'no user_id', first in line 2 of table/c.csv (,1,2)" in told
    assert "in line 2 of table/b.csv (u,1,then)" in told


def test_bad_items_do_not_hide_among_plays(tmp_path: Path) -> None:
    _, result = make(tmp_path, a=GOOD, items=["1,One", ",Two", ",Three"])
    assert failure(result).startswith("2 of 3 rows were left out (66.7 %)")
    assert "2 for 'no item_id', first in line 3 of items (,Two)" in failure(result)


def test_reasons_come_with_their_counts_and_first_lines(tmp_path: Path) -> None:
    bad = ["u,,1"] * 3 + [",1,1"] * 5 + ["u,1"] * 2 + ["u,1,1,1"] + ["u,1,4th of " + "January" * 30]
    _, result = make(tmp_path, a=[*bad, *GOOD])
    told = failure(result)
    assert "5 for 'no user_id', first in line 5 of table/a.csv (,1,1); " in told
    assert "3 for 'no item_id', first in line 2 of table/a.csv (u,,1); " in told
    assert "2 for 'too few values', first in line 10 of table/a.csv (u,1); 2 for other reasons." in told
    assert "\n" not in told and len(told) < 500


@pytest.mark.parametrize(
    ("time_format", "reason", "way_on"),
    [
        (None, "a timestamp that is neither a whole number nor an ISO date or time",
         "Say how to read the times with NEXTPLAY_TIME_FORMAT, such as %m/%d/%Y %H:%M"),
        ("%m/%d/%Y", "a timestamp that does not fit NEXTPLAY_TIME_FORMAT=%m/%d/%Y",
         "Give NEXTPLAY_TIME_FORMAT the form that the times have, such as %m/%d/%Y %H:%M"),
    ],
)  # fmt: skip
def test_times_that_cannot_be_read_end_with_the_way_on_and_are_told_once(
    tmp_path: Path, time_format: str | None, reason: str, way_on: str
) -> None:
    _, result = make(tmp_path, time_format=time_format, a=["ada,10,06/16/2024 14:05"] * 12)
    assert failure(result) == (
        "12 of 12 rows were left out (100.0 %), more than NEXTPLAY_MAX_QUARANTINED_SHARE=0.01 allows: "
        f"12 for '{reason}', first in line 2 of table/a.csv (ada,10,06/16/2024 14:05). "
        f"The table quarantine has them all. {way_on}; or mend the source; or allow more."
    )
    (told,) = [c for c in result.get_asset_check_evaluations() if c.check_name == "each_file_is_read"]
    assert told.description == "Of some files most was left out: table/a.csv (12 of 12 rows)."


def test_where_nothing_is_left_the_way_on_for_times_is_told(tmp_path: Path) -> None:
    _, result = make(tmp_path, 1.0, a=["ada,10,06/16/2024 14:05"])
    assert failure(result).endswith("NEXTPLAY_TIME_FORMAT, such as %m/%d/%Y %H:%M.")


@pytest.mark.parametrize(
    ("files", "limit", "sentence"),
    [
        ({"a": []}, 0.01, "There is nothing to learn from. The file of plays holds no rows: give some."),
        (
            {"a": [], "b": [], "items": ["1,One", ",Two"]},
            0.5,
            "The 2 files of plays hold no rows: give some.",
        ),
        (
            {"a": ["u,,1"]},
            1.0,
            "Of 1 rows none is a play: 1 for 'no item_id', first in line 2 of table/a.csv",
        ),
        ({"a": ["u,1,then"]}, 0.01, "in line 2 of table/a.csv (u,1,then)"),
    ],
)
def test_nothing_left_is_told_with_what_came_in(
    tmp_path: Path, files: dict[str, list[str]], limit: float, sentence: str
) -> None:
    _, result = make(tmp_path, limit, **files)
    assert sentence in failure(result)


def in_all(home: Home) -> list[str]:
    with home.engine_on("raw_counts", "quarantine") as engine:
        return left_out_in_all(engine, "first")


def test_what_was_left_out_of_a_good_run_is_told_in_all(tmp_path: Path) -> None:
    bad = ["u,,1", "u,,2", ",1,1", "u,1,then"]
    home, result = make(tmp_path, 0.5, a=[*bad, *GOOD, GOOD[0]], items=["1,One", ",Two", "1,Three"])
    assert result.success
    items, plays = in_all(home)
    assert items.startswith("1 of 3 rows of items is in quarantine: 1 for 'no item_id'; 1 row of an item")
    assert plays.startswith("4 of 205 rows are in quarantine: 2 for 'no item_id', 1 for ")
    assert "1 for 'no user_id'" in plays
    assert plays.endswith("; 1 play of an item that the user had played before (NEXTPLAY_REPEATS=first).")


def test_three_reasons_are_told_and_the_others_counted(tmp_path: Path) -> None:
    bad = ["u,,1", "u,,2", ",1,1", ",2,1", "u,1,then", "u,2,then", "u,1", 'u,"1,2']
    home, result = make(tmp_path, 0.5, a=[*GOOD, *bad])
    assert result.success
    (plays,) = in_all(home)
    assert plays.endswith(", 2 for other reasons.") and plays.count(" for '") == 3


def test_nothing_is_told_where_nothing_was_left_out(tmp_path: Path) -> None:
    home, _ = make(tmp_path, a=GOOD)
    assert in_all(home) == []
