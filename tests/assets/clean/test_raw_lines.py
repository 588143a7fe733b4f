"""The lines of the files are counted beside their rows, and a reader that swallows some is found out."""

import gzip
from pathlib import Path

import dagster as dg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from assets.clean import clean as cleaning
from assets.clean.raw_lines import RAW_LINES_CHECKS, raw_lines
from assets.formats import rows as formats
from assets.ingest import raw_files as raw
from assets.resources import Cleaning, Home, Source
from tests.support.homes import failure, materialize, rows

PLAYS = "user_id,item_id,timestamp,note\n" + "".join(f"u{n},i,{n},x\n" for n in range(300))


def make(home: Home, source: Source) -> dg.ExecuteInProcessResult:
    return materialize(
        home, raw.raw_files, cleaning.clean, raw_lines, *RAW_LINES_CHECKS,
        must_succeed=False, source=source, cleaning=Cleaning(),
    )  # fmt: skip


def test_all_lines_of_all_files_are_accounted(tmp_path: Path) -> None:
    table = tmp_path / "t"
    table.mkdir()
    (table / "a.csv").write_text(PLAYS + '\nu,j,5,"two\n\nlines"\n"u,k,6,\n\n')
    (table / "b.csv.gz").write_bytes(gzip.compress(b"\nuser_id;item_id;timestamp\r\n\r\nu;l;7"))
    pq.write_table(pa.table({name: ["1", "2"] for name in formats.TABLE_COLUMNS}), table / "c.parquet")
    (tmp_path / "items.csv").write_text("item_id\n1\n")
    home = Home(path=str(tmp_path / "home"))
    source = Source(name="table", table=str(table), table_items=str(tmp_path / "items.csv"))
    assert make(home, source).success
    most = 3 // 2 * 999
    assert rows(home, "raw_lines") == [
        ("items", 2, 1, 0, 1, 0, 0),
        ("table/a.csv", 306, 1, 2, 302, 1, most),
        ("table/b.csv.gz", 4, 2, 1, 1, 0, 0),
        ("table/c.parquet", 2, 0, 0, 2, 0, 0),
    ]


def test_other_sources_have_no_such_lines(tmp_path: Path) -> None:
    home = Home(path=str(tmp_path))
    assert make(home, Source(sample_size="tiny")).success
    assert rows(home, "raw_lines") == []


def test_a_reader_that_loses_a_row_is_found_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "x.csv").write_text(PLAYS)
    read = formats.csv_rows
    monkeypatch.setattr(formats, "csv_rows", lambda *how: list(read(*how))[:-1])
    result = make(Home(path=str(tmp_path / "home")), Source(name="table", table=str(tmp_path / "x.csv")))
    assert "file table/x.csv, lines 301, header 1, blank 0, rows 299, quoted 1" in failure(result)
