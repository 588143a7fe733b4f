"""Somebody's table as they have it: column names, times, units and what could not be read."""

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.clean import clean as cleaning
from assets.clean.doubts import ids_are_told_apart, item_values_were_read, times_are_likely
from assets.clean.play_tables import write_play_tables
from assets.formats.columns import ColumnError, Naming
from assets.formats.item_rows import check_names
from assets.formats.play_rows import read_plays
from assets.formats.reading import AS_IT_IS, Reading
from assets.formats.rows import TABLE_COLUMNS
from assets.formats.time_texts import check_format, plain_times
from assets.formats.timestamps import Clock, clock_of, units_a_second
from assets.ingest import raw_files as raw
from assets.ingest.raw_file import Request, SourceError
from assets.ingest.sources import resolve
from assets.resources import Cleaning, Home, Source
from assets.state.lake import Lake
from tests.support.homes import materialize
from tests.support.tables import publish

HEADER = "user_id,item_id,timestamp\n"
NONE = pa.array(["", "NULL"])


def clean(
    folder: Path, files: dict[str, str], reading: Reading = AS_IT_IS
) -> dict[str, list[tuple[Any, ...]]]:
    """The tables of CSV files, by the role of each."""
    given = {}
    for number, (role, text) in enumerate(files.items()):
        given[role] = folder / f"{number}.csv"
        given[role].write_text(text)
    paths = {table: folder / f"{table}.parquet" for table in cleaning.CLEAN_TABLES}
    with Lake(folder / "lake").connect() as connection:
        write_play_tables(connection, given, "keep", paths, reading=reading)
        query = "SELECT * FROM read_parquet(?)"
        return {table: connection.execute(query, [str(path)]).fetchall() for table, path in paths.items()}


def times_of(folder: Path, values: list[str], reading: Reading = AS_IT_IS) -> tuple[list[int], list[str]]:
    """The times in the order of the rows, and the reasons of those that are refused."""
    made = clean(
        folder, {"table/x": HEADER + "".join(f'u,{i},"{v}"\n' for i, v in enumerate(values))}, reading
    )
    rows = sorted(made["interactions"], key=lambda row: int(row[1]))
    return [row[4] for row in rows], [row[3] for row in made["quarantine"]]


# --- times


@given(st.datetimes(datetime(1973, 4, 1), datetime(2200, 1, 1)), st.integers(-14, 14))
def test_times_that_people_write_are_those_that_python_writes(moment: datetime, hours: int) -> None:
    local = moment.replace(tzinfo=timezone(timedelta(hours=hours)))
    utc = moment.replace(tzinfo=UTC)
    forms = {
        f"{utc:%Y-%m-%d %H:%M:%S.%f} UTC": utc,
        f"{utc:%Y/%m/%d %H:%M:%S.%f}": utc,
        f"{utc:%Y-%m-%dt%H:%M:%S,%fz}": utc,
        f"{local:%Y-%m-%dT%H:%M:%S.%f %z}": local,
        f"{utc:%Y-%m-%dT%H:%M:%S.%f}Z[UTC]\u00a0": utc,
        f"{utc:%Y-%m-%dT%H:%M:%S.%f}789Z": utc,
        f"{utc:%Y%m%dT%H%M%S}Z": utc.replace(microsecond=0),
        f"{local:%Y-%m-%d %H:%M:%S %z}": local.replace(microsecond=0),
        f"{utc.year}-{utc.month}-{utc.day} {utc.hour}:{utc:%M}": utc.replace(second=0, microsecond=0),
        f"{utc.year}/{utc.month}/{utc.day}": utc.replace(hour=0, minute=0, second=0, microsecond=0),
        f"{utc:%Y.%m.%d %H}": utc.replace(minute=0, second=0, microsecond=0),
    }
    for text, wanted in forms.items():
        made, reason = plain_times(pa.array([text]), NONE)  # alone, as a column is mostly of one form
        read = datetime.fromisoformat(made[0].as_py())
        assert (read if read.tzinfo else read.replace(tzinfo=UTC)) == wanted
        assert reason is None


def test_nanoseconds_stand_as_they_are(tmp_path: Path) -> None:
    values = ["1500000000000000000", "1500000000000000001.0", "1.5E18"]
    assert times_of(tmp_path, values) == ([int(values[0]), int(values[0]) + 1, int(values[0])], [])
    assert units_a_second(1500000000000000000) == 10**9


def test_floats_of_seconds_become_microseconds(tmp_path: Path) -> None:
    values = ["1514764800", "1514764800.123", "1514764800.1234567", "1514764801.0"]
    day = 1514764800 * 10**6
    assert times_of(tmp_path, values) == ([day, day + 123_000, day + 123_456, day + 10**6], [])


def test_a_format_is_taken_at_its_word(tmp_path: Path) -> None:
    how = Reading(time_format="%m/%d/%Y %H:%M")
    times, reasons = times_of(tmp_path, ["06/16/2024 10:00", "NULL", "16/06/2024 10:00", "2024-06-16"], how)
    assert times == [int(datetime(2024, 6, 16, 10, tzinfo=UTC).timestamp() * 10**6)]
    unfit = "a timestamp that does not fit NEXTPLAY_TIME_FORMAT=%m/%d/%Y %H:%M"
    assert reasons == ["no timestamp", unfit, unfit]


def test_a_year_of_two_digits_is_not_read_as_one_of_four(tmp_path: Path) -> None:
    four, two = "%m/%d/%Y", "%m/%d/%y"
    unfit = f"a timestamp that does not fit NEXTPLAY_TIME_FORMAT={four}"
    assert times_of(tmp_path, ["06/16/24"], Reading(time_format=four)) == ([], [unfit])
    assert times_of(tmp_path, ["06/16/24"], Reading(time_format=two)) == ([1718496000 * 10**6], [])


def test_times_of_parquet_need_no_format(tmp_path: Path) -> None:
    moment = datetime(2024, 6, 16, 10, tzinfo=UTC)
    for unit in ("s", "ms", "us", "ns"):
        column = pa.array([moment], pa.timestamp(unit, "Europe/Berlin"))
        pq.write_table(pa.table({"user_id": [1], "item_id": [2], "timestamp": column}), tmp_path / "x")
        paths = {table: tmp_path / f"{table}.parquet" for table in cleaning.CLEAN_TABLES}
        with Lake(tmp_path / "lake").connect() as connection:
            write_play_tables(
                connection, {"table/x": tmp_path / "x"}, "first", paths, reading=Reading(time_format="%d")
            )
        (row,) = pq.read_table(paths["interactions"]).to_pylist()
        assert row["timestamp"] == moment.timestamp() * 10**6


def test_whole_numbers_of_parquet_are_read_by_a_format_as_those_of_csv_are(tmp_path: Path) -> None:
    pq.write_table(pa.table({"user_id": [1], "item_id": [2], "timestamp": [20240616]}), tmp_path / "x")
    (batch,) = read_plays(tmp_path / "x", Reading(time_format="%Y%m%d"))
    assert batch["timestamp"].to_pylist() == ["2024-06-16T00:00:00.000000Z"]


def test_a_time_that_a_spreadsheet_has_shortened_is_refused(tmp_path: Path) -> None:
    values = ["1.51476E+12", "1514764800123", "1.5147648E9", "1.5147648e+18"]
    lost = "a timestamp that was written as a float and has lost its last digits"
    assert times_of(tmp_path, values[:2]) == ([1514764800123], [lost])
    assert times_of(tmp_path, ["1514764800123", "1.51E+12"]) == ([1514764800123], [lost])
    assert plain_times(pa.array(values[2:]), NONE)[0].to_pylist() == ["1514764800", "1514764800000000000"]


def test_a_format_has_to_be_one() -> None:
    check_format("%d/%m/%Y")
    for wrong, why in {"%Q": "no format", "%H:%M": "no day", "yesterday": "no day"}.items():
        with pytest.raises(ValueError, match=why):
            check_format(wrong)


def test_two_units_are_told(tmp_path: Path) -> None:
    seconds = HEADER + "".join(f"u,{i},{1500000000 + i}\n" for i in range(6))
    milliseconds = HEADER + "".join(f"u,{i},{1500000000000 + i}\n" for i in range(3))
    made = clean(tmp_path, {"table/a": seconds, "table/b": milliseconds})
    reason = "a timestamp in milliseconds where most are in seconds: give all in one unit"
    assert [row[:2] + row[3:] for row in made["quarantine"]] == [
        ("table/b", i + 2, reason, f"u,{i},{1500000000000 + i}") for i in range(3)
    ]
    assert len(made["interactions"]) == 6
    assert [row[1:5] for row in made["raw_counts"]] == [(6, 6, 6, 6), (3, 0, 0, 0)]


def test_zero_among_times_is_no_time(tmp_path: Path) -> None:
    times, reasons = times_of(tmp_path, ["1500000000", "0", "1500000001", "-1"])
    assert times == [1500000000, 1500000001]
    assert reasons == ["a timestamp of 0 or -1 among times since 1970: is it a missing one?"] * 2


def test_a_few_numbers_of_another_form_among_times_are_told(tmp_path: Path) -> None:
    seconds = [str(1500000000 + n) for n in range(200)]
    times, reasons = times_of(tmp_path, [*seconds, "28800", "20180104"])  # 0 of another zone, a day
    assert len(times) == 200
    assert reasons == ["a timestamp that is no time since 1973 where most are seconds since 1970"] * 2


@pytest.mark.parametrize(
    "day",
    [
        "1970-01-01",
        "1970-01-01 08:00:00",
        "1900-01-01",
        "0001-01-01",
        "9999-12-31",
        "9999-12-31T23:59:59.999999",
    ],
)
def test_a_day_that_stands_for_none_is_told(tmp_path: Path, day: str) -> None:
    times, reasons = times_of(tmp_path, ["2018-01-04", day, "2018-01-05"])
    assert len(times) == 2
    assert reasons == ["a date such as 1970-01-01 or 9999-12-31 among others: is it a missing one?"]


def test_days_of_other_times_stay_where_they_are_many(tmp_path: Path) -> None:
    assert times_of(tmp_path, ["1970-01-01", "1970-01-02", "1971-01-01"])[1] == []
    assert times_of(tmp_path, ["1965-01-01", "1970-01-01", "1990-01-01"])[1] == []
    many = [f"2018-01-{1 + n % 28:02}" for n in range(150)]
    times, reasons = times_of(tmp_path, [*many, "1965-01-01"])
    assert len(times) == 150 and reasons == ["a date before 1973 or after 2286 where most are between"]


def test_numbers_that_only_count_stay() -> None:
    assert clock_of({"nothing": 1, "unknown": 10**8, "seconds": 10**8}, 0) is None
    assert clock_of({"nothing": 2, "unknown": 50}, 0) is None
    assert clock_of({"seconds": 5}, 0) is None
    assert clock_of({"seconds": 5, "nothing": 1}, 0) == Clock("seconds", False, 1, 10**6)
    assert clock_of({"milliseconds": 5}, 2) == Clock("milliseconds", False, 1000, 1000)


# --- columns


def test_common_names_are_recognised_where_one_fits() -> None:
    def named(*header: str, given: dict[str, str] | None = None) -> list[str]:
        return Naming(given or {}, common=True).renamed(header, TABLE_COLUMNS)

    assert named("userId", "movieId", "rating", "timestamp") == ["user_id", "item_id", "rating", "timestamp"]
    assert named("\ufeffUser ID", " ITEM-ID ", "unixReviewTime") == list(TABLE_COLUMNS)
    assert named("user_id:token", "item_id:token", "timestamp:float") == list(TABLE_COLUMNS)
    assert named("user_id", "uid", "item_id", "ts") == ["user_id", "uid", "item_id", "timestamp"]
    assert named("a", "b", "c", given={"user_id": "A", "item_id": "b", "timestamp": "c"}) == list(
        TABLE_COLUMNS
    )
    assert named("user_id", "uid", "asin", "time", given={"user_id": "uid"})[:2] == ["", "user_id"]
    with pytest.raises(ColumnError) as caught:
        named("uid", "customer_id", "item", "time")
    assert str(caught.value) == (
        "has 2 columns that may be user_id, 'uid' and 'customer_id': "
        'say which, as NEXTPLAY_COLUMNS=\'{"user_id": "uid"}\' does'
    )


def test_names_that_are_none_are_refused() -> None:
    with pytest.raises(ValueError, match=r"there is no column 'userid' to name .did you mean 'user_id'"):
        check_names({"userid": "x"})
    with pytest.raises(ValueError, match="'x' is named 2 times"):
        check_names({"user_id": "x", "item_id": "x"})


def test_a_column_that_is_not_there_is_told_with_the_nearest(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("customer,asin,time\n1,2,3\n")
    (tmp_path / "items.csv").write_text("sku,name\n2,Two\n")

    def notes(**columns: str) -> list[tuple[str, ...]]:
        table, items = str(tmp_path / "x.csv"), str(tmp_path / "items.csv")
        source = Source(name="table", table=table, table_items=items, columns=columns)
        return [file.notes for file in resolve(Request(source, tmp_path / "raw"))]

    assert notes() == [
        (
            "user_id is its column 'customer'",
            "item_id is its column 'asin'",
            "timestamp is its column 'time'",
        ),
        ("item_id is its column 'sku'", "title is its column 'name'"),
    ]
    with pytest.raises(
        SourceError,
        match=r"no column 'custmer', which NEXTPLAY_COLUMNS names as user_id .did you mean 'customer'",
    ):
        notes(user_id="custmer")
    with pytest.raises(
        SourceError, match="names 'labl' as title, and no file has such a column; the columns are"
    ):
        notes(title="labl")


# --- what is doubtful


def test_what_could_not_be_read_is_counted_and_warned_about(tmp_path: Path) -> None:
    (tmp_path / "plays.csv").write_text(HEADER + "u,1,5\nu,2,6\nu,01,7\n")
    (tmp_path / "items.csv").write_text(
        'item_id,price,early_access,release_date\n1,"1,234",maybe,2018\n2,cheap,yes,06/16/2024\n3,,,NULL\n'
    )
    home = Home(path=str(tmp_path / "home"))
    source = Source(name="table", table=str(tmp_path / "plays.csv"), table_items=str(tmp_path / "items.csv"))
    materialize(home, raw.raw_files, cleaning.clean, source=source, cleaning=Cleaning())
    with home.lake().connect("unread_values") as connection:
        assert connection.execute("FROM unread_values").fetchall() == [
            ("items", "early_access", 1, 2, "maybe"),
            ("items", "price", 2, 2, "1,234"),
            ("items", "release_date", 1, 3, "06/16/2024"),
        ]
    values, ids = item_values_were_read(home), ids_are_told_apart(home)
    assert not values.passed
    assert "2 values of price could not be read and are left empty, first '1,234' in line 2" in str(
        values.description
    )
    assert not ids.passed
    assert str(ids.description).startswith("the item ids '01' and '1' are most likely one")


def test_a_catalogue_of_other_ids_is_told(tmp_path: Path) -> None:
    (tmp_path / "plays.csv").write_text(HEADER + "u,a1,5\n")
    (tmp_path / "items.csv").write_text("item_id,title\nb1,B\n")
    home = Home(path=str(tmp_path / "home"))
    source = Source(name="table", table=str(tmp_path / "plays.csv"), table_items=str(tmp_path / "items.csv"))
    materialize(home, raw.raw_files, cleaning.clean, source=source, cleaning=Cleaning())
    assert item_values_were_read(home).passed
    assert "none of the 1 items of the catalogue, such as 'b1', is played" in str(
        ids_are_told_apart(home).description
    )


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ("6F9619FF-8B86-D011-B42D-00C04FC964FF", "6f9619ff-8b86-d011-b42d-00c04fc964ff", True),
        ("6f9619ff8b86d011b42d00c04fc964ff", "{6F9619FF-8B86-D011-B42D-00C04FC964FF}", True),
        ("Ada@Example.com", "ada@example.com", True),
        ("Half  Life", "Half\u00a0Life", True),
        ("dQw4w9", "dqw4w9", False),
        ("a b", "ab", False),
    ],
)
def test_ids_that_are_most_likely_one_are_told(tmp_path: Path, one: str, other: str, alike: bool) -> None:
    home = Home(path=str(tmp_path))
    publish(home.lake(), "interactions", [(one, "a", 0, None, 1), (other, "b", 0, None, 2)])
    publish(home.lake(), "catalogue", [])
    found = ids_are_told_apart(home)
    assert found.passed is not alike
    assert not alike or "are most likely one" in str(found.description)


@pytest.mark.parametrize(
    ("ids", "told"),
    [
        ([f"7656119{n:08}00" for n in range(40)], "40 of the 40 user ids of more than 15 digits, such as"),
        ([f"10234567{n:09}00" for n in range(40)], "one may stand for several users"),
        ([f"765611{n:011}" for n in range(40)], "None"),
        ([f"765611{n:011}" for n in range(400)], "None"),
        ([f"{n}00" for n in range(40)], "None"),
    ],
)
def test_long_ids_that_end_in_zeros_are_told(tmp_path: Path, ids: list[str], told: str) -> None:
    home = Home(path=str(tmp_path))
    publish(home.lake(), "interactions", [(user, "a", 0, None, 1) for user in ids])
    publish(home.lake(), "catalogue", [])
    assert told in str(ids_are_told_apart(home).description)


@pytest.mark.parametrize(
    ("played", "described", "told"),
    [
        (["SKU-1", "SKU-2", "x"], ["sku-1", "sku-2", "x"], "2 such items differ in capital letters alone"),
        (["Ab", "aB"], ["Ab", "aB", "ab"], "None"),
        (
            [*"x", *(f"a{n}" for n in range(30))],
            [*"x", *(f"b{n}" for n in range(30))],
            "only 1 of the 31 items",
        ),
        ([f"a{n}" for n in range(30)], ["a1", "b"], "None"),
    ],
)
def test_items_that_are_hardly_described_are_told(
    tmp_path: Path, played: list[str], described: list[str], told: str
) -> None:
    home = Home(path=str(tmp_path))
    publish(home.lake(), "interactions", [("u", item, n, None, n) for n, item in enumerate(played)])
    publish(home.lake(), "catalogue", [(item, "Title") for item in described])
    assert told in str(ids_are_told_apart(home).description)


@pytest.mark.parametrize(
    ("first", "last", "told"),
    [
        (1514764800, 1540000000, ""),
        (1, 3 * 10**6, ""),
        (201801041230, 202405312359, "look like dates, which NEXTPLAY_TIME_FORMAT=%Y%m%d%H%M reads"),
        (20180104, 20240531, "NEXTPLAY_TIME_FORMAT=%Y%m%d reads"),
        (20180104, 20189999, ""),
        (1514764800, 4102444800, "1 play is ahead of today, the last on 2100-01-01"),
        (1514764800 * 10**9, 4102444800 * 10**9, "the last on 2100-01-01"),
        (536457600, 536467600, "the last play is on 1987-01-01, as where times are counted from another day"),
        (636503616 * 10**9, 636603616 * 10**9, "the last play is on 1990-03-05"),
        (536457600, 1514764800, ""),
    ],
)
def test_times_that_are_not_likely_are_told(tmp_path: Path, first: int, last: int, told: str) -> None:
    home = Home(path=str(tmp_path))
    publish(home.lake(), "interactions", [("u", "a", 0, None, first), ("u", "b", 1, None, last)])
    publish(home.lake(), "raw_counts", [])
    found = times_are_likely(home)
    assert found.passed is not bool(told)
    assert told in str(found.description)


@pytest.mark.parametrize(
    ("values", "zoned", "plain"),
    [
        (["2018-01-04T10:00:00+02:00", "2018-01-04 10:00:00 UTC", "2018-01-04 10:00-0500"], 3, 0),
        (["2018-01-04 10:00:00", "2018-01-04T10:00", "2018/1/4 9:05", "2018-01-04 10:00:00.5"], 0, 4),
        (["2018-01-04T10:00:00Z", "2018-01-04T10:00:00", "2018-01-04 11:00"], 1, 2),
        (["2018-01-04T10:00:00Z", "2018-01-05", "neither"], 1, 0),  # a day alone has no time of day
        (["1514764800", "1514764801"], 0, 0),
    ],
)
def test_times_with_and_without_an_offset_are_counted(
    tmp_path: Path, values: list[str], zoned: int, plain: int
) -> None:
    rows = "".join(f'u,{i},"{value}"\n' for i, value in enumerate(values))
    ((*_, n_zoned, n_plain),) = clean(tmp_path, {"table/x": HEADER + rows})["raw_counts"]
    assert (n_zoned, n_plain) == (zoned, plain)


def test_times_of_parquet_that_know_their_zone_are_counted_as_such(tmp_path: Path) -> None:
    at = [datetime(2018, 1, 4, 10, minute) for minute in range(3)]
    for zone in ("Europe/Berlin", None):
        times = pa.array(at, pa.timestamp("s", zone))
        table = pa.table({"user_id": ["u"] * 3, "item_id": ["a", "b", "c"], "timestamp": times})
        pq.write_table(table, tmp_path / "x")
        (batch,) = read_plays(tmp_path / "x", Reading())
        assert batch["timestamp"].to_pylist()[1].endswith("Z") is (zone is not None)


def test_times_with_and_without_an_offset_in_one_source_are_told(tmp_path: Path) -> None:
    """Those without count as UTC, and stand hours away from where they belong."""
    home = Home(path=str(tmp_path))
    publish(home.lake(), "interactions", [("u", "a", 0, None, 1514764800)])
    counts = (10, 10, 10, 10, 0, 0, 0)
    publish(home.lake(), "raw_counts", [("table/x", *counts, 9_000, 0), ("table/y", *counts, 0, 1_000)])
    found = times_are_likely(home)
    assert not found.passed and found.severity.value == "WARN"
    told = "1,000 of 10,000 times have no offset from UTC and count as UTC, and the others have one: mend"
    assert str(found.description).startswith(told)


@pytest.mark.parametrize(
    ("genres", "told"),
    [
        ([["RPG, Action"], ["RPG"]], "1 of 2 genres, such as 'RPG, Action', may be lists"),
        ([["RPG;Action"]], "may be lists, whose texts only a bar separates"),
        ([["RPG, Action"], ["RPG", "Action"]], "None"),
        ([["RPG"], []], "None"),
    ],
)
def test_lists_without_bars_are_told(tmp_path: Path, genres: list[list[str]], told: str) -> None:
    home = Home(path=str(tmp_path))
    publish(home.lake(), "unread_values", [])
    publish(home.lake(), "catalogue", [(str(n), "Title", of) for n, of in enumerate(genres)])
    assert told in str(item_values_were_read(home).description)


@pytest.mark.parametrize(
    ("missing", "other"), [("999999999", "1500000000"), ("1900-01-01", "2017-01-01"), ("-1", "1500000000")]
)
def test_what_looks_like_a_time_may_stand_for_a_missing_one(missing: str, other: str) -> None:
    made, _ = plain_times(pa.array([other, missing, other, None]), pa.array(["", missing]))
    assert made.to_pylist() == [other, None, other, None]
    made, _ = plain_times(pa.array([other, missing]), NONE)
    assert made.to_pylist() == [other, missing]
