"""Values of items as people write them."""

from datetime import date, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.formats.item_rows import read_item_rows
from assets.formats.item_values import FALSE, TRUE, day, flag, price, texts
from assets.formats.reading import Reading
from models.bundle.ids import BLANKS

cents = st.integers(0, 99_999_999)


@given(cents, st.sampled_from(["{}", "${}", "{} €", "EUR {}", "{} USD", "US$ {}", "R$ {}", "£{}"]))
def test_prices_are_read_in_every_form(value: int, form: str) -> None:
    plain = value / 100
    whole, part = f"{value // 100:,}", f"{value % 100:02}"
    wanted = repr(plain)
    assert price(form.format(f"{value // 100}.{part}")) == wanted
    assert price(form.format(f"{value // 100},{part}")) == wanted
    assert price(form.format(f"{whole}.{part}")) == wanted
    assert price(form.format(f"{whole.replace(',', '.')},{part}")) == wanted
    assert price(form.format(f"{whole.replace(',', chr(0xA0))},{part}")) == wanted


@pytest.mark.parametrize("text", ["Free", "free to play", "Play for Free!"])
def test_what_is_free_costs_nothing(text: str) -> None:
    assert price(text) == "0.0"


@pytest.mark.parametrize("text", ["$12.99 & FREE Shipping", "buy 2, get 1 free", "5 (gluten free)"])
def test_what_comes_free_with_something_is_not_free(text: str) -> None:
    assert price(text) is None


@pytest.mark.parametrize(
    "text", ["1,234", "$1,234", "1.234 €", "-3", "1e5", "inf", "10_12", "１２", "call us", "5%"]
)
def test_a_price_that_can_be_read_in_two_ways_or_in_none_is_none(text: str) -> None:
    assert price(text) is None


def test_a_plain_number_is_a_price_as_it_stands() -> None:
    assert [price(text) for text in ("1.234", "0", "1e-05", ".5", "999999.99")] == [
        "1.234", "0.0", "1e-05", "0.5", "999999.99",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("other", "read"),
    [("12,99", None), ("1.299,50 €", None), ("EUR 9,5", None), ("12.99", "1.299"), ("1,234", "1.299")],
)
def test_a_point_beside_decimal_commas_is_not_guessed(tmp_path: Path, other: str, read: str | None) -> None:
    (tmp_path / "items.csv").write_text(f"item_id;price\n1;1.299\n2;{other}\n3;12.5\n4;1299\n")
    (batch,) = read_item_rows(tmp_path / "items.csv", Reading())
    first, _, *others = batch["price"].to_pylist()
    assert (first, others) == (read, ["12.5", "1299.0"])
    assert (batch["unread_price"][0].as_py() == "1.299") is (read is None)


def test_flags() -> None:
    assert {flag(text) for text in ("yes", "Y", "1", "1.0", "TRUE", "t", "On")} == {"true"}
    assert {flag(text) for text in ("no", "N", "0", "0.0", "False", "f", "off")} == {"false"}
    assert flag("maybe") is flag("2") is None
    assert not TRUE & FALSE


@given(st.dates(date(1950, 1, 1)))
def test_days_are_read_in_every_form_that_is_only_one(when: date) -> None:
    forms = ["%Y-%m-%d", "%Y/%m/%d", "%Y%m%d", "%d.%m.%Y", "%b %d, %Y", "%d %b, %Y", "%d %B %Y", "%B %d, %Y"]
    for form in [*forms, "%Y-%m-%d 00:00:00", "%Y-%m-%dT23:59:59Z"]:
        assert day(when.strftime(form)) == when.isoformat(), form
    assert day(when.strftime("%b %Y")) == day(when.strftime("%Y-%m")) == when.replace(day=1).isoformat()


def test_a_year_of_a_column_with_gaps_is_a_year() -> None:
    assert day("2018.0") == day("2018") == "2018-01-01"
    assert day("2018.5") is day("18.0") is None


@pytest.mark.parametrize(
    "text", ["06/16/2024", "03/04/2018", "2018-02-30", "soon", "12", "Q1 2018", "４ Jan 2018"]
)
def test_other_days_are_none(text: str) -> None:
    assert day(text) is None


@given(st.lists(st.text("abc", min_size=1), min_size=1), st.text(BLANKS, max_size=2))
def test_lists_are_trimmed_and_hold_nothing_twice(parts: list[str], blank: str) -> None:
    wanted = "|".join(dict.fromkeys(parts))
    assert texts("|".join(f"{blank}{part}{blank}" for part in parts)) == wanted
    assert texts("||".join(parts) + "|") == wanted


def test_lists_of_json_and_python_are_read() -> None:
    assert texts('["RPG", " Action "]') == texts("['RPG', 'Action', None]") == "RPG|Action"
    assert texts("[{'id': 16, 'name': 'Animation'}, {'id': 3, 'name': 'Comedy'}]") == "Animation|Comedy"
    assert texts("[Unfinished]") == "[Unfinished]"
    assert texts("[]") is texts("|") is None


def test_columns_that_have_no_form_as_text_are_left_out(tmp_path: Path) -> None:
    some = {
        "item_id": ["1", "2"],
        "title": [" One ", "NULL"],
        "cover": pa.array([b"\xff", None], pa.binary()),
        "embedding": pa.array([[1.0, 2.0]] * 2, pa.list_(pa.float32(), 2)),
        "more": pa.array([{"a": 1}, None]),
        "pairs": pa.array([[("a", 1)], None], pa.map_(pa.string(), pa.int64())),
        "nested": pa.array([[[1]], None], pa.list_(pa.list_(pa.int64()))),
        "length": pa.array([timedelta(1), None], pa.duration("s")),
        "release_date": pa.array([datetime(2018, 1, 4), None], pa.timestamp("ns")),
        "price": pa.array([9.5, float("nan")]),
        "genres": pa.array([[" RPG", "RPG", None, ""], []], pa.large_list(pa.string())),
        "early_access": [1.0, 0.0],
        "kind": pa.array(["a", "b"]).dictionary_encode(),
        "code": ["007", "010"],
        "big": pa.array([2**64 - 1, None], pa.uint64()),
    }
    pq.write_table(pa.table(some), tmp_path / "items.parquet")
    (batch,) = read_item_rows(tmp_path / "items.parquet", Reading())
    first, second = (
        {name: value for name, value in row.items() if name not in ("line", "reason", "text")}
        for row in batch.to_pylist()
    )
    assert first == {
        "item_id": "1", "title": "One", "genres": "RPG", "tags": None, "price": "9.5",
        "release_date": "2018-01-04",
        "early_access": "true", "attributes": '{"big": "18446744073709551615", "code": "007", "kind": "a"}',
        "unread_price": None, "unread_release_date": None, "unread_early_access": None,
    }  # fmt: skip
    kept = ("title", "price", "early_access", "genres")
    assert [second[name] for name in kept] == [None, None, "false", None]


def test_descriptions_that_are_bytes_are_texts(tmp_path: Path) -> None:
    some = {"item_id": [b"1", b"2"], "title": [b"One", b"\xff"], "genres": [b"RPG|Action", None]}
    pq.write_table(pa.table(some), tmp_path / "items.parquet")  # as Impala and old writers have them
    (batch,) = read_item_rows(tmp_path / "items.parquet", Reading())
    assert batch["title"].to_pylist() == ["One", None]
    assert batch["genres"].to_pylist() == ["RPG|Action", None]
    assert batch["reason"].to_pylist() == [None, "not UTF-8"]


def test_names_of_columns_that_come_again_are_no_item(tmp_path: Path) -> None:
    (tmp_path / "items.csv").write_text("itemId,name,price\n1,One,2\nitemId,name,price\nitemId,Two,3\n")
    (batch,) = read_item_rows(tmp_path / "items.csv", Reading())
    assert batch["reason"].to_pylist() == [None, "the names of the columns once more", None]
