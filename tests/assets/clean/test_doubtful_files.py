"""Files whose order, or whose rows of one item, lose something are told."""

from pathlib import Path

import pytest

from assets.clean.clean_tables import CLEAN_TABLES
from assets.clean.play_tables import write_play_tables
from assets.state.lake import Lake

HEADER = "user_id,item_id,timestamp\n"


def warnings(
    folder: Path, caplog: pytest.LogCaptureFixture, plays: list[str], items: list[str] | None = None
) -> list[str]:
    files = {"table/plays.csv": folder / "plays.csv"}
    files["table/plays.csv"].write_text(HEADER + "\n".join(plays))
    if items is not None:
        files["items"] = folder / "items.csv"
        files["items"].write_text("\n".join(items))
    paths = {table: folder / f"{table}.parquet" for table in CLEAN_TABLES}
    with Lake(folder / "lake").connect() as connection:
        write_play_tables(connection, files, "keep", paths)
    return [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]


def days(order: list[int]) -> list[str]:
    """Two plays of each of four users on each day."""
    return [f"u{user},{day}-{n},2018-01-{day:02}" for day in order for user in range(4) for n in range(2)]


def test_days_from_the_newest_on_are_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (told,) = warnings(tmp_path, caplog, days([*range(9, 0, -1)]))
    assert "table/plays.csv has the newest plays first, and 36 plays at the time of the one before" in told


@pytest.mark.parametrize("order", [[*range(1, 10)], [3, 1, 2, 5, 4, 9, 6, 8, 7]])
def test_days_in_another_order_are_not(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, order: list[int]
) -> None:
    assert warnings(tmp_path, caplog, days(order)) == []


def test_times_of_their_own_need_no_order(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert warnings(tmp_path, caplog, [f"u,{n},{1_514_764_800 - n}" for n in range(90)]) == []


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (["10,A,Action,"], "1 rows describe an item once more and otherwise, first line 4 ('10')"),
        (["10,A,RPG,", "20,B,,9"], "1 rows describe an item once more and otherwise, first line 5 ('20')"),
        (["10,A,RPG,", "20,B,,"], None),
    ],
)
def test_an_item_that_is_described_in_several_rows_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, more: list[str], told: str | None
) -> None:
    items = ["item_id,title,genre,size", "10,A,RPG,", "20,B,,", *more]
    found = warnings(tmp_path, caplog, ["u,10,1", "u,20,2"], items)
    assert (told is None) is (found == [])
    assert told is None or told in found[0]
