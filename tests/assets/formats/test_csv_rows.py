"""Delimited text: what was written comes back, and a stray quotation mark costs a line at most."""

import bz2
import csv
import gzip
import io
import lzma
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from assets.formats.csv_rows import MOST_LINES, TOO_LONG, UNCLOSED, csv_rows, header_line
from assets.formats.gunzip import DamagedFileError
from assets.formats.rows import (
    ITEM_COLUMNS,
    TABLE_COLUMNS,
    ColumnError,
    FileLines,
    columns_of,
    lines_of,
    read_rows,
)
from assets.formats.text import LONGEST_LINE, open_text

HEADER = "user_id,item_id,timestamp\n"
ENDS = ["\n", "\r\n", "\r"]
PLAYS = [f"u{n},i{n % 7},{1500000000 + n}" for n in range(60)]

quick = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
Row = tuple[int, str | None, str | None, str | None, str | None]


def read(path: Path) -> list[Row]:
    """Line, reason and values of each row of plays."""
    batches = [batch.to_pylist() for batch in read_rows(path, TABLE_COLUMNS)]
    return [
        (row["line"], row["reason"], *(row[name] for name in TABLE_COLUMNS))
        for batch in batches
        for row in batch
    ]


def read_text(folder: Path, text: str | bytes) -> list[Row]:
    path = folder / "x"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return read(path)


def refused(rows: list[Row]) -> list[tuple[int, str]]:
    return [(line, reason) for line, reason, *_ in rows if reason]


def assert_accounted(path: Path, rows: list[Row]) -> None:
    """The lines of a file, counted from its characters, are those that the reader met."""
    counted = lines_of(path)
    quoted = counted.lines - counted.header - counted.blank - len(rows)
    assert 0 <= quoted <= counted.marks // 2 * (MOST_LINES - 1)
    with open_text(path) as stream:
        header_line(stream, ",")
        met = [(blank, further, text) for _, blank, further, _, text, _ in csv_rows(stream, ",", "abc", "")]
    if len(met) == len(rows):  # else the separator is another
        empty = sum(
            text.replace("\r\n", "\n").replace("\r", "\n").split("\n")[1:].count("") for *_, text in met
        )
        assert quoted + empty == sum(further for _, further, _ in met)
        assert counted.blank - empty == sum(blank for blank, *_ in met)


# --- what was written comes back

cells = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=8)
hostile = st.text(st.sampled_from('a1",;\t| \r\n\\'), max_size=8)


@quick
@given(
    st.lists(st.tuples(*[cells | hostile] * 3).filter(any), max_size=8),
    st.sampled_from(",;\t|"),
    st.sampled_from(
        [
            (csv.QUOTE_MINIMAL, "\r\n"),  # with other line ends Python quotes no \r in a cell
            *((quoting, end) for quoting in (csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC) for end in ENDS),
        ]
    ),
)
def test_any_table_that_was_written_is_read(
    tmp_path: Path, rows: list[tuple[str, str, str]], separator: str, form: tuple[int, str]
) -> None:
    text = io.StringIO(newline="")
    quoting, end = form
    writer = csv.writer(text, delimiter=separator, quoting=quoting, lineterminator=end)
    writer.writerows([TABLE_COLUMNS, *rows])
    found = read_text(tmp_path, text.getvalue())
    swallowing = any(digits_on_each_line(row, separator) for row in rows)
    if not swallowing:
        assert [row[2:] for row in found] == rows
        assert refused(found) == []
    assert_accounted(tmp_path / "x", found)


def digits_on_each_line(row: tuple[str, str, str], separator: str) -> bool:
    """Whether a row may look like several: each of its lines has separators and a digit."""
    lines = separator.join(row).replace("\r", "\n").split("\n")
    return len(lines) > 1 and sum(separator in line for line in lines) == len(lines)


def test_a_quoted_cell_may_have_many_lines(tmp_path: Path) -> None:
    note = "\n".join(f"line {n}, of a long text" for n in range(MOST_LINES - 1))
    (row, after) = read_text(tmp_path, f'user_id,item_id,timestamp,note\nu,i,5,"{note}"\nv,j,6,\n')
    assert row == (2, None, "u", "i", "5")
    assert after == (2 + note.count("\n") + 1, None, "v", "j", "6")


# --- a stray quotation mark


@quick
@given(
    st.integers(0, 59), st.integers(0, 25), st.sampled_from(",;\t|"), st.sampled_from(["\n", "\r\n", "\r"])
)
@example(59, 0, ",", "\n")
@example(0, 0, ",", "\n")
def test_one_stray_mark_costs_one_line_at_most(
    tmp_path: Path, at: int, place: int, separator: str, end: str
) -> None:
    lines = [line.replace(",", separator) for line in PLAYS]
    place = min(place, len(lines[at]))
    lines[at] = lines[at][:place] + '"' + lines[at][place:]
    header = HEADER.strip().replace(",", separator)
    found = read_text(tmp_path, end.join([header, *lines]) + end)
    assert [row[0] for row in found] == list(range(2, 62)), "every line is a row"
    assert_accounted(tmp_path / "x", found)
    others = [tuple(row[2:]) for row in found if row[0] != at + 2]
    assert others == [tuple(line.split(",")) for n, line in enumerate(PLAYS) if n != at]
    assert refused(found) in ([], [(at + 2, UNCLOSED)], [(at + 2, "not CSV: unexpected end of data")])


@quick
@given(st.lists(st.tuples(st.integers(0, 59), st.integers(0, 25)), max_size=6, unique_by=lambda one: one[0]))
def test_some_stray_marks_cost_a_line_each(tmp_path: Path, strays: list[tuple[int, int]]) -> None:
    lines = list(PLAYS)
    for at, place in strays:
        lines[at] = lines[at][:place] + '"' + lines[at][place:]
    found = read_text(tmp_path, HEADER + "\n".join(lines))
    assert [row[0] for row in found] == list(range(2, 62))
    spoiled = {at + 2 for at, _ in strays}
    assert {line for line, _ in refused(found)} <= spoiled
    assert [tuple(row[2:]) for row in found if row[0] not in spoiled] == [
        tuple(line.split(",")) for n, line in enumerate(PLAYS, 2) if n not in spoiled
    ]


@pytest.mark.parametrize("pack", [bytes, gzip.compress, bz2.compress])
def test_a_mark_in_a_large_file_costs_its_line(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    lines = [f"u{n},i,{n}" for n in range(30_000)]
    lines[400] = '"' + lines[400]
    lines[20_000] = lines[20_000][:-2] + ',"x'
    found = read_text(tmp_path, pack((HEADER + "\n".join(lines)).encode()))
    assert len(found) == 30_000
    assert refused(found) == [(402, UNCLOSED), (20_002, UNCLOSED)]


def test_a_mark_in_a_file_of_items_costs_its_line(tmp_path: Path) -> None:
    lines = [f"{n}\tItem {n}\ta long text" for n in range(3000)]
    lines[5] = lines[5].replace("\tItem", '\t"Item')
    (tmp_path / "x").write_text("item_id\ttitle\tnote\n" + "\n".join(lines))
    rows = [row for batch in read_rows(tmp_path / "x", ITEM_COLUMNS, ["title"]) for row in batch.to_pylist()]
    assert [(row["line"], row["reason"]) for row in rows if row["reason"]] == [(7, UNCLOSED)]
    assert len(rows) == 3000 and rows[-1]["title"] == "Item 2999"


def test_two_marks_that_make_one_row_of_many_are_seen(tmp_path: Path) -> None:
    lines = list(PLAYS)
    lines[10] = 'u10,"i3,1500000010'
    lines[20] = 'u20,i6",1500000020'
    found = read_text(tmp_path, HEADER + "\n".join(lines))
    assert refused(found) == [(12, UNCLOSED)]
    assert found[20] == (22, None, "u20", 'i6"', "1500000020")


def items(folder: Path, text: str) -> list[tuple[int, str | None, str | None, str | None]]:
    (folder / "x").write_text(text)
    (batch,) = read_rows(folder / "x", ITEM_COLUMNS, ["title"])
    return [(row["line"], row["reason"], row["item_id"], row["title"]) for row in batch.to_pylist()]


@pytest.mark.parametrize("ids", [[str(n) for n in range(90, 120)], [f"B00{n:03}" for n in range(30)]])
def test_two_marks_that_make_one_item_of_many_are_seen(tmp_path: Path, ids: list[str]) -> None:
    lines = [f"{id_}\tItem {id_}\t5" for id_ in ids]
    lines[3] = f'{ids[3]}\t"Weird Item\t5'
    lines[20] = f'{ids[20]}\tso he said"\t5'
    found = items(tmp_path, "item_id\ttitle\tprice\n" + "\n".join(lines))
    assert [row[0] for row in found] == list(range(2, 32)), "every line is a row"
    assert [row[:2] for row in found if row[1]] == [(5, UNCLOSED)]
    assert found[20][2:] == (ids[20], 'so he said"')


def test_a_long_text_of_an_item_is_no_row(tmp_path: Path) -> None:
    verse = "7, seven and\nall others, 8\nin one, 9\nand so on"
    poem = "1993, a\n1994, b"  # two lines may look like items by chance
    found = items(tmp_path, f'item_id,title\n1,"{verse}"\n2,"{poem}"\n3,Three\n')
    assert found == [(2, None, "1", verse), (6, None, "2", poem), (8, None, "3", "Three")]


def test_marks_within_cells_stand_for_themselves(tmp_path: Path) -> None:
    rows = read_text(tmp_path, HEADER + 'u,17" screen,5\nu,"17"" screen",5\nu,"",5\n"u",a""b,"5"\n')
    assert [row[3] for row in rows] == ['17" screen', '17" screen', "", 'a""b']
    assert refused(rows) == []


def test_a_cell_may_be_quoted_behind_a_blank(tmp_path: Path) -> None:
    rows = read_text(tmp_path, HEADER + 'u, "a, b", 5\nu,  "c", 6\nu, "d, 7\nu, e "f", 8\n')
    assert [row[1:] for row in rows] == [
        (None, "u", "a, b", "5"),
        (None, "u", "c", "6"),
        (UNCLOSED, None, None, None),
        (None, "u", ' e "f"', " 8"),
    ]


# --- bounded memory


def test_a_line_without_end_is_refused_and_passed_over(tmp_path: Path) -> None:
    endless = "u,i," + "5" * (3 * LONGEST_LINE)
    rows = read_text(tmp_path, f"{HEADER}a,b,1\n{endless}\nc,d,2\r\n{endless}")
    assert [(row[0], row[1]) for row in rows] == [(2, None), (3, TOO_LONG), (4, None), (5, TOO_LONG)]
    assert lines_of(tmp_path / "x") == FileLines(5, 1, 0, 0)
    with pytest.raises(ColumnError, match="has a first line without an end"):
        read_text(tmp_path, "user_id," + "x" * (2 * LONGEST_LINE))


@pytest.mark.parametrize("line", ['u,i,"' + "5" * 60, 'u,"i,5\n' + "x" * 60])
def test_endless_cells_and_lines_do_not_fill_the_memory(tmp_path: Path, line: str) -> None:
    path = tmp_path / "x"
    with path.open("w") as stream:
        stream.write(HEADER + line)
        for _ in range(400):
            stream.write("5" * (1 << 16))  # 26 MB
            stream.write("\n" if "\n" in line else "")
    tracemalloc.start()
    rows = sum(len(batch) for batch in read_rows(path, TABLE_COLUMNS))
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert rows >= 1
    assert most < 60 << 20


# --- encodings, line ends, packing


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("pack", [bytes, gzip.compress, bz2.compress, lzma.compress, "zstd"])
@pytest.mark.parametrize("end", ENDS)
def test_encodings_packing_and_line_ends_are_told_from_the_content(
    tmp_path: Path, encoding: str, pack: Callable[[bytes], bytes] | str, end: str
) -> None:
    content = "user_id,item_id,timestamp\nü,“1”,5\n\n日,2,6\n\n".replace("\n", end).encode(encoding)
    packed = pa.compress(content, codec="zstd", asbytes=True) if isinstance(pack, str) else pack(content)
    assert read_text(tmp_path, packed) == [(2, None, "ü", "“1”", "5"), (4, None, "日", "2", "6")]
    assert lines_of(tmp_path / "x") == FileLines(4, 1, 1, 0)


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress, "zstd"])
def test_a_packed_file_that_is_cut_off_is_told(tmp_path: Path, pack: Callable[[bytes], bytes] | str) -> None:
    content = (HEADER + "".join(f"{n * 7919 % 10007},{n},{n}\n" for n in range(5000))).encode()
    packed = pa.compress(content, codec="zstd", asbytes=True) if isinstance(pack, str) else pack(content)
    with pytest.raises(DamagedFileError, match="is damaged"):
        read_text(tmp_path, packed[:-500])


def test_broken_utf_16_is_told(tmp_path: Path) -> None:
    with pytest.raises(DamagedFileError, match="is damaged"):
        read_text(tmp_path, (HEADER + "u,1,5\n").encode("utf-16") + b"\x00\xd8a\x00b\x00")


def test_nul_bytes_stay_where_they_are(tmp_path: Path) -> None:
    rows = read_text(tmp_path, HEADER + "u\0,1,5\nv,2,6\n")
    assert [row[2] for row in rows] == ["u\0", "v"]
    with pytest.raises(ColumnError, match="neither CSV nor Parquet"):
        read_text(tmp_path, "user_id\0,item_id,timestamp\n")


# --- headers


def test_headers_and_rows_may_end_in_separators(tmp_path: Path) -> None:
    assert [row[1:] for row in read_text(tmp_path, f"{HEADER[:-1]},,\nu,1,5\nv,2,6,,\nw,3,7,,,\n")] == [
        (None, "u", "1", "5"), (None, "v", "2", "6"), (None, "w", "3", "7"),
    ]  # fmt: skip
    rows = read_text(tmp_path, HEADER + "u,1,5,\nv,2,6,7\nw,3\n")
    assert [row[1] for row in rows] == [None, "too many values", "too few values"]


@pytest.mark.parametrize("first", ["sep=;\n", "SEP=;\r\n", "\n\n", "\n \nsep=;\n"])
def test_what_comes_before_a_header_is_passed_over(tmp_path: Path, first: str) -> None:
    rows = read_text(tmp_path, f"{first}user_id;item_id;timestamp\nu;1;5\n")
    assert rows == [(first.count("\n") + 2, None, "u", "1", "5")]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "is empty"),
        ("\n\n", "is empty"),
        ("user_id,item_id,timestamp,user_id\n", "has the column 'user_id' 2 times: rename one"),
        (
            "1000,105,1500000000\n",
            "has no columns 'user_id', 'item_id' and 'timestamp'; its columns are 1000, 105, 1500000000",
        ),
        (",,\n", "has no column"),
        ('{"user_id": "u"}\n', "is JSON, which is not read"),
        ("PK\3\4\0\0\n", "is a ZIP archive or a workbook, which is not read"),
        ("utilisateur_né\n", "is text in another encoding than UTF-8 or UTF-16"),
    ],
)
def test_a_header_that_is_none_is_told(tmp_path: Path, text: str, sentence: str) -> None:
    (tmp_path / "x").write_text(text, encoding="latin-1")
    with pytest.raises(ColumnError) as caught:
        columns_of(tmp_path / "x", TABLE_COLUMNS)
    assert str(caught.value).startswith(sentence)


@quick
@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_told(tmp_path: Path, content: bytes) -> None:
    try:
        rows = read_text(tmp_path, HEADER.encode() + content)
    except DamagedFileError:
        return
    lines = [row[0] for row in rows]
    assert lines == sorted(set(lines))
    assert_accounted(tmp_path / "x", rows)
