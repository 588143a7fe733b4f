"""Columns that say of some rows that they are no plays, and are not read, are told."""

import gzip
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from assets.formats.reading import AS_IT_IS
from assets.ingest.raw_file import Request
from assets.ingest.sources import remarks
from assets.ingest.sources.table_kinds import doubtful_columns
from assets.resources import Source


@pytest.mark.parametrize(
    ("column", "values", "told"),
    [
        ("event_type", ["view", "cart", "view"], "its 2 kinds of rows, such as 'cart', 'view', all count"),
        ("__op", ["c", "d"], "its 2 kinds of rows"),
        ("Event Type", [" view", "cart "], "such as 'cart', 'view'"),
        ("event_type", ["play", "play"], None),
        ("event", [f"text {n}" for n in range(60)], None),
        ("deleted", ["false", "true"], "rows count as plays, also where it says 'true'"),
        ("_sdc_deleted_at", ["", "2018-01-04", "NULL"], "also where it says '2018-01-04'"),
        ("is_deleted", ["0", "False", "", "NULL"], None),
        ("Quantity", ["6", "-6"], "also where it says '-6'"),
        ("Quantity", ["6", "0", "-"], None),
        ("rating", ["-6", "5"], None),
    ],
)
def test_a_column_that_says_what_a_row_is_is_told(
    tmp_path: Path, column: str, values: list[str], told: str | None
) -> None:
    path = tmp_path / "plays.csv"
    rows = "".join(f"u,{n},{n},{value}\n" for n, value in enumerate(values))
    path.write_text(f"user_id,item_id,timestamp,{column}\n{rows}")
    found = doubtful_columns([("plays.csv", path)], AS_IT_IS)
    if told is None:
        assert found == []
    else:
        (said,) = found
        assert said.startswith(f"plays.csv has a column '{column}', which is not read: ") and told in said


def test_a_column_that_is_read_and_one_without_texts_are_not_told(tmp_path: Path) -> None:
    table = pa.table(
        {
            "user_id": [1, 2],
            "item_id": [1, 2],
            "event": [5, 6],
            "op": [{"a": 1}, {"a": 2}],
            "deleted": [True, None],
        }
    )
    pq.write_table(table, tmp_path / "p.parquet")
    source = Source(name="table", table=str(tmp_path / "p.parquet"), columns={"timestamp": "event"})
    assert remarks(Request(source, tmp_path)).columns == [
        "p.parquet has a column 'deleted', which is not read: rows count as plays, also where it says 'true'"
    ]


def test_a_column_that_came_later_is_told_once(tmp_path: Path) -> None:
    for name, more in {"1.csv": "", "2.csv": ",op", "3.csv": ",op"}.items():
        rows = "".join(f"u,{kind},1{',' + kind if more else ''}\n" for kind in "cd")
        (tmp_path / name).write_text(f"user_id,item_id,timestamp{more}\n{rows}")
    (told,) = remarks(Request(Source(name="table", table=str(tmp_path)), tmp_path)).columns
    assert told.startswith("3.csv has a column 'op'")


def test_a_file_that_is_damaged_is_told_where_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "plays.csv.gz"
    path.write_bytes(gzip.compress(b"user_id,item_id,timestamp,op\n" + b"u,1,1,c\n" * 9)[:-20])
    assert doubtful_columns([(path.name, path)], AS_IT_IS) == []
