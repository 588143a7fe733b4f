"""Ids as people write them: what is taken, what is missing, and what is refused."""

from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.formats.gunzip import DamagedFileError
from assets.formats.ids import Ids
from assets.formats.play_rows import read_plays
from assets.formats.reading import MISSING, Reading, missing_texts
from models.bundle.ids import BLANKS, MAX_ID
from models.bundle.numbers import exact, number

blanks = st.text(BLANKS, max_size=3)
plain = st.text(st.characters(exclude_categories=("Cs",), exclude_characters=BLANKS + "\0"), min_size=1)


def read(
    *batches: list[str | None], missing: tuple[str, ...] = MISSING
) -> list[tuple[str | None, str | None]]:
    """Each id as read, and why it is refused."""
    ids, found = Ids("item_id", missing), list[tuple[str | None, str | None]]()
    for batch in batches:
        values, reason = ids.read(pa.array(batch, pa.string()))
        reasons = [None] * len(batch) if reason is None else reason.to_pylist()
        found += zip(values.to_pylist(), reasons, strict=True)
    return found


def ids_of(*batches: list[str | None]) -> list[str | None]:
    return [one for one, _ in read(*batches)]


def test_every_blank_of_unicode_is_one() -> None:
    assert {chr(code) for code in range(0x110000) if chr(code).isspace()} <= set(BLANKS)
    assert {"\ufeff", "\u200b"} <= set(BLANKS)


@given(st.lists(st.tuples(blanks, plain, blanks), min_size=1))
def test_blanks_around_ids_are_no_part_of_them(parts: list[tuple[str, str, str]]) -> None:
    found = ids_of(["".join(part) for part in parts], ["abc"])
    assert found == ids_of([id_ for _, id_, _ in parts], ["abc"])
    for one, (_, id_, _) in zip(found, parts, strict=False):
        assert one is None or one == id_ or exact(id_) is not None


def test_texts_for_a_missing_value_are_none() -> None:
    assert ids_of([" NULL ", "nan", "\\N", "", " \u00a0", None, "nano", "NULLa", "007"]) == [
        None, None, None, None, None, None, "nano", "NULLa", "007",
    ]  # fmt: skip
    assert ids_of(list(MISSING)) == [None] * len(MISSING)
    assert read(["NULL", "-"], missing=("-",)) == [("NULL", None), (None, None)]


def test_the_list_of_missing_texts_is_json_or_separated_by_commas() -> None:
    assert missing_texts("NULL, N/A,") == ["NULL", "N/A", ""]
    assert missing_texts('["a,b", "-"]') == ["a,b", "-"]
    for wrong in ("[1]", '["a"'):
        with pytest.raises(ValueError, match="no JSON list of texts"):
            missing_texts(wrong)


def test_ids_that_the_endpoint_refuses_are_told() -> None:
    long, kept = "é" * (MAX_ID + 1), "é" * MAX_ID
    assert read(["a\0b", long, kept, "1" * 201]) == [
        ("a\0b", "an item_id with a NUL character"),
        (long, f"an item_id of more than {MAX_ID} characters"),
        (kept, None),
        ("1" * 201, f"an item_id of more than {MAX_ID} characters"),
    ]


@given(st.lists(st.integers(-(2**53) + 1, 2**53 - 1), min_size=1), st.integers(0, 3))
def test_whole_numbers_of_a_float_column_are_whole(numbers: list[int], decimals: int) -> None:
    floats = [f"{n}." + "0" * decimals for n in numbers]
    assert ids_of(floats) == ids_of([repr(float(n)) for n in numbers]) == [str(n) for n in numbers]


def test_a_float_that_has_lost_digits_is_refused() -> None:
    ((_, why), (kept, fine)) = read(["7.656119796026573e+16", "7.0"])
    assert why == "an item_id that was written as a float and has lost its last digits"
    assert (kept, fine) == ("7", None)


def test_what_looks_like_a_float_beside_texts_is_a_text() -> None:
    assert ids_of(["1.0", "1.1", "2.0"]) == ["1.0", "1.1", "2.0"]
    assert ids_of(["a", "b"], ["7.0", "8"]) == ["a", "b", "7.0", "8"]
    assert ids_of(["7.0", "8"], ["a", "9.0"]) == ["7", "8", "a", "9"]  # one way in one file
    assert ids_of(["12e5", "1e5", "0x10", "10_12"]) == ["12e5", "1e5", "0x10", "10_12"]


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_as_python_writes_them_are_read(value: float) -> None:
    text = repr(value)
    assert exact(text) == Decimal(text)
    assert number(text) == value


@pytest.mark.parametrize(
    "text",
    ["10_12", "1e5", "inf", "nan", "0x10", "１２", "١٢", "007", "-01", "+5", "", " 5", "1,5", "5 ", "."],
)
def test_what_people_take_for_no_number_is_none(text: str) -> None:
    assert number(text) is None


def test_a_whole_number_beyond_a_float_is_none() -> None:
    assert number(str(2**53 - 1)) == 2**53 - 1
    assert number(str(2**53 + 1)) is None
    assert number("1.0E10") == number("1e+10") == 1e10


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([7, None, 10**15], pa.float64()),
        ([7, None, 10**15], pa.int64()),
        ([7, None, 10**15], pa.uint64()),
        ([Decimal(7), None, Decimal(10**15)], pa.decimal128(20, 2)),
        (["7", None, "1000000000000000"], pa.large_string()),
        (["7", None, "1000000000000000"], pa.string_view()),
        (["7", None, "1e+15"], pa.dictionary(pa.int32(), pa.string())),
        ([b"7", None, b"1000000000000000"], pa.binary()),
    ],
)
def test_ids_of_every_type_of_parquet_are_the_same(
    tmp_path: Path, values: list[object], kind: pa.DataType
) -> None:
    column = pa.array(values).cast(kind) if pa.types.is_dictionary(kind) else pa.array(values, kind)
    if pa.types.is_dictionary(kind):
        column = pa.array(["7.0", None, "1e+15"]).dictionary_encode()
    path = tmp_path / "plays.parquet"
    pq.write_table(pa.table({"user_id": column, "item_id": ["a", "b", "c"], "timestamp": [1, 2, 3]}), path)
    (batch,) = read_plays(path, Reading())
    assert batch["user_id"].to_pylist() == ["7", None, "1000000000000000"]


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "plays.parquet"
    pq.write_table(pa.table({"user_id": [b"\xff", b"a"], "item_id": ["a", "b"], "timestamp": [1, 2]}), path)
    (batch,) = read_plays(path, Reading())
    assert batch["reason"].to_pylist() == ["not UTF-8", None]


SHORTENED = ["9.78014E+12", "1.23457e+07", "-1.23457E+11", "1.23457E+011", "9.78E+12", "9.7801E+12", "1E+16"]


@pytest.mark.parametrize("text", [*SHORTENED, "-1.5E+11"])
def test_a_number_that_a_spreadsheet_has_shortened_is_refused(text: str) -> None:
    lost = "an item_id that was written as a float and has lost its last digits"
    assert [why for _, why in read(["7", text])] == [None, lost]
    assert [why for _, why in read(["034545104X", text])] == [None, lost], "beside texts, too"


def test_a_number_that_is_whole_is_not_shortened() -> None:
    assert ids_of(["1.5e+10", "1e+06", "1.23456e+05", "a+b"][:3]) == ["15000000000", "1000000", "123456"]
    assert ids_of(["9.78E12", "1.2345678E7"]) == ["9780000000000", "12345678"], "as Java writes floats"
    assert read(["a+b", "1.23457E+1x"]) == [("a+b", None), ("1.23457E+1x", None)]


def test_a_formula_that_keeps_a_text_a_text_is_that_text() -> None:
    assert ids_of(['="007"', ' ="a b" ', '="', "=7"]) == ["007", "a b", '="', "=7"]


@pytest.mark.parametrize("kind", [pa.float16(), pa.float32()])
def test_a_float_of_few_bits_that_stands_for_several_numbers_is_refused(
    tmp_path: Path, kind: pa.DataType
) -> None:
    path, least = tmp_path / "plays.parquet", 2**24 if kind == pa.float32() else 2**11
    ids = pa.array([float(least), least - 1.0, None, 7.0]).cast(kind)
    pq.write_table(pa.table({"user_id": ids, "item_id": [*"abcd"], "timestamp": [1, 2, 3, 4]}), path)
    (batch,) = read_plays(path, Reading())
    lost = "a user_id that was written as a float and has lost its last digits"
    assert batch["reason"].to_pylist() == [lost, None, None, None]
    assert batch["user_id"].to_pylist()[1:] == [str(least - 1), None, "7"]


def test_texts_of_parquet_that_are_no_utf_8_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "plays.parquet"
    broken = pa.Array.from_buffers(pa.string(), 2, pa.array([b"\xff", b"a"]).buffers())
    for users in (broken, broken.cast(pa.large_string())):
        pq.write_table(pa.table({"user_id": users, "item_id": ["a", "b"], "timestamp": [1, 2]}), path)
        (batch,) = read_plays(path, Reading())
        assert batch["reason"].to_pylist() == ["not UTF-8", None]
        assert batch["user_id"].to_pylist() == [None, "a"]
    coded = pa.DictionaryArray.from_arrays([0, 1], broken)
    pq.write_table(pa.table({"user_id": coded, "item_id": ["a", "b"], "timestamp": [1, 2]}), path)
    with pytest.raises(DamagedFileError, match="holds texts that are not UTF-8"):
        list(read_plays(path, Reading()))


def test_a_number_may_stand_for_a_missing_id() -> None:
    assert ids_of(["0", "7", "00"]) == ["0", "7", "00"]
    read_so = read(["0", "7", "00"], ["8", "0"], missing=("0",))
    assert [one for one, _ in read_so] == [None, "7", "00", "8", None]
