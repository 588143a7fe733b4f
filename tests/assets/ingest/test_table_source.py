"""Anybody's table: which files, how they are read, what is refused, and the tables that come of it."""

import gzip
import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assets.clean import clean as cleaning
from assets.clean import core_interactions as k_core
from assets.clean.play_tables import write_play_tables
from assets.feedback import all_interactions as uniting
from assets.feedback import events as receiving
from assets.formats.columns import ColumnError
from assets.formats.gunzip import DamagedFileError
from assets.formats.item_rows import item_columns
from assets.formats.reading import AS_IT_IS
from assets.formats.rows import TABLE_COLUMNS, columns_of, read_rows
from assets.ingest import raw_files as raw
from assets.ingest.raw_file import Request, SourceError
from assets.ingest.sources import resolve
from assets.ingest.sources.table_columns import columns_left_out
from assets.resources import Cleaning, Home, Source
from assets.state.lake import Lake
from tests.support.homes import materialize

GAMES = Path(__file__).parents[4] / "shared" / "data" / "amazon_games" / "interactions.csv.gz"
HEADER = "user_id,item_id,timestamp\n"

quick = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@dataclass(frozen=True)
class Made:
    """The clean tables of some files, as rows."""

    interactions: list[tuple[Any, ...]]  # user_id, item_id, position, timestamp
    quarantine: list[tuple[Any, ...]]  # file, line, item, reason, text
    counts: list[tuple[Any, ...]]  # file, lines_read, lines_accepted, repeats
    catalogue: list[tuple[Any, ...]]


def clean(tmp_path: Path, files: dict[str, Path], repeats: str = "first") -> Made:
    lake = Lake(tmp_path / "lake")
    paths = {table: tmp_path / f"{table}.parquet" for table in cleaning.CLEAN_TABLES}
    with lake.connect() as connection:
        write_play_tables(connection, files, repeats, paths)
        columns = {
            "interactions": "user_id, item_id, position, timestamp",
            "quarantine": "*",
            "raw_counts": "file, lines_read, lines_accepted, repeats",
            "catalogue": "*",
        }
        return Made(
            *(
                connection.execute(f"SELECT {of} FROM read_parquet(?)", [str(paths[table])]).fetchall()
                for table, of in columns.items()
            )
        )


def clean_csv(tmp_path: Path, text: str | bytes, repeats: str = "first") -> Made:
    path = tmp_path / "x.csv"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return clean(tmp_path, {"table/x.csv": path}, repeats)


def times(tmp_path: Path, *values: str) -> list[int]:
    rows = "".join(f"u,{i},{value}\n" for i, value in enumerate(values))
    made = clean_csv(tmp_path, HEADER + rows)
    assert made.quarantine == []
    return [time for *_, time in sorted(made.interactions, key=lambda row: int(row[1]))]


# --- reading


@quick
@given(
    st.lists(
        st.tuples(*[st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"))] * 3).filter(
            any
        )
    )
)
def test_what_was_written_is_read_in_any_format(tmp_path: Path, rows: list[tuple[str, str, str]]) -> None:
    from csv import writer

    columns = dict(zip(TABLE_COLUMNS, ([row[i] for row in rows] for i in range(3)), strict=True))
    with (tmp_path / "x.csv").open("w", newline="", encoding="utf-8") as stream:
        writer(stream, delimiter=";").writerows([TABLE_COLUMNS, *rows])
    (tmp_path / "x.csv.gz").write_bytes(gzip.compress((tmp_path / "x.csv").read_bytes(), 1))
    pq.write_table(pa.table({name: pa.array(c, pa.string()) for name, c in columns.items()}), tmp_path / "p")
    for name in ("x.csv", "x.csv.gz", "p"):
        batches = list(read_rows(tmp_path / name, TABLE_COLUMNS))
        found = [tuple(row[c] for c in TABLE_COLUMNS) for batch in batches for row in batch.to_pylist()]
        assert found == rows


def test_lines_and_texts_are_those_of_the_file(tmp_path: Path) -> None:
    text = '\ufeffitem_id, user_id ,note,timestamp\n1,a,"two\nlines",5\n\n2,b,\n3,"c"d,,7\n4,e,x,9,9\n5,f,,9'
    (tmp_path / "x").write_text(text)
    (batch,) = read_rows(tmp_path / "x", TABLE_COLUMNS, ["note", "title"])
    found = [tuple(row.values()) for row in batch.to_pylist()]
    assert found[0] == (2, None, '1,a,"two\nlines",5', "a", "1", "5", "two\nlines", None)
    assert [row[:3] for row in found[1:]] == [
        (5, "too few values", "2,b,"),
        (6, "not CSV: ',' expected after '\"'", '3,"c"d,,7'),
        (7, "too many values", "4,e,x,9,9"),
        (8, None, "5,f,,9"),
    ]


def test_parquet_of_any_types_is_read_as_text(tmp_path: Path) -> None:
    table = pa.table(
        {
            "user_id": pa.array([7, None], pa.int64()),
            "item_id": pa.array(["a", "b"]).dictionary_encode(),
            "timestamp": pa.array([1, 2], pa.timestamp("ns", "Europe/Berlin")),
            "genres": [["x", "y"], None],
        }
    )
    pq.write_table(table, tmp_path / "p")
    (batch,) = read_rows(tmp_path / "p", TABLE_COLUMNS, ["genres"])
    assert [(row["line"], row["user_id"], row["item_id"], row["genres"]) for row in batch.to_pylist()] == [
        (1, "7", "a", "x|y"),
        (2, None, "b", None),
    ]
    made = clean(tmp_path, {"table/p": tmp_path / "p"})
    assert made.interactions == [("7", "a", 0, 0)]
    assert made.quarantine[0][:4] == ("table/p", 2, None, "no user_id")


def test_a_far_day_of_old_parquet_stays_far(tmp_path: Path) -> None:
    moments = [datetime(2018, 1, 4), datetime(9999, 12, 31), datetime(1900, 1, 1)]
    table = pa.table({"user_id": [*"abc"], "item_id": [*"abc"], "timestamp": pa.array(moments)})
    pq.write_table(table, tmp_path / "p", use_deprecated_int96_timestamps=True)
    made = clean(tmp_path, {"table/p": tmp_path / "p"})
    assert [user for user, *_ in made.interactions] == ["a"]
    assert {reason for *_, reason, _ in made.quarantine} == {
        "a date such as 1970-01-01 or 9999-12-31 among others: is it a missing one?"
    }


def test_a_missing_column_is_told_with_those_that_are_there(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("user,item_id,time\n")
    with pytest.raises(ColumnError) as caught:
        list(read_rows(tmp_path / "x", TABLE_COLUMNS))
    assert (
        str(caught.value) == "has no columns 'user_id' and 'timestamp'; its columns are user, item_id, time"
    )


@pytest.mark.parametrize(
    ("header", "columns", "told", "example"),
    [
        ("wer;was;wann", {}, " columns 'user_id', 'item_id' and 'timestamp'; its columns are wer, was, ",
         '{"user_id": "wer", "item_id": "was", "timestamp": "wann"}'),
        ("customer;sku;when", {}, " 'timestamp'; its columns are customer, sku, when: ",
         '{"timestamp": "when"}'),
        ("user_id\titem_id\tprice, net\twhen", {}, "its columns are user_id, item_id, price, net, when: ",
         '{"timestamp": "…"}'),
        ("1000,105,1500000000", {}, "its columns are 1000, 105, 1500000000: ",
         '{"user_id": "…", "item_id": "…", "timestamp": "…"}'),
        ("wer|was|wann", {"item_id": "was", "timestamp": "wan"},
         " 'wan', which NEXTPLAY_COLUMNS names as timestamp (did you mean 'wann'?); its columns are wer, ",
         '{"item_id": "was", "user_id": "wer", "timestamp": "wann"}'),
    ],
)  # fmt: skip
def test_missing_columns_are_told_with_how_to_name_them(
    tmp_path: Path, header: str, columns: dict[str, str], told: str, example: str
) -> None:
    (tmp_path / "x.csv").write_text(f"{header}\n")
    with pytest.raises(SourceError) as caught:
        resolve(Request(Source(name="table", table=str(tmp_path / "x.csv"), columns=columns), tmp_path))
    assert told in str(caught.value)
    assert str(caught.value).endswith(f", or name its columns, such as with NEXTPLAY_COLUMNS='{example}'.")


def test_a_file_that_may_not_be_read_is_told_as_that(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    (tmp_path / "x.csv").write_text(HEADER)
    monkeypatch.setattr(
        "assets.ingest.sources.table.columns_in", refused
    )  # the superuser may read everything
    with pytest.raises(SourceError) as caught:
        resolve(Request(Source(name="table", table=str(tmp_path / "x.csv")), tmp_path))
    assert str(caught.value).endswith(
        "x.csv, which cannot be read (Permission denied): allow this user to read it."
    )


def test_a_file_that_is_cut_off_is_told_as_damaged(tmp_path: Path) -> None:
    text = HEADER + "".join(f"{n * 7919 % 10007},{n},{n}\n" for n in range(5000))
    (tmp_path / "csv").write_bytes(gzip.compress(text.encode())[:-2000])
    pq.write_table(pa.table({name: [str(n) for n in range(5000)] for name in TABLE_COLUMNS}), tmp_path / "p")
    content = bytearray((tmp_path / "p").read_bytes())
    content[100:5000] = bytes(4900)  # the end, which lists the columns, is whole
    (tmp_path / "p").write_bytes(content)
    for name in ("csv", "p"):
        with pytest.raises(DamagedFileError, match="is damaged"):
            list(read_rows(tmp_path / name, TABLE_COLUMNS))


def test_a_name_that_is_there_twice_is_told(tmp_path: Path) -> None:
    ids, names = pa.array(["1"]), ["item_id", "studio", "studio", "user.id"]
    pq.write_table(pa.Table.from_arrays([ids, ids, pa.array(["2"]), ids], names), tmp_path / "p")
    (batch,) = read_rows(tmp_path / "p", ["item_id"], ["studio", "user.id"])
    assert [batch[name].to_pylist() for name in ("studio", "user.id")] == [["1"], ["1"]]
    with pytest.raises(ColumnError, match="has the column 'studio' 2 times: rename one"):
        columns_of(tmp_path / "p", ["studio"])
    (tmp_path / "x.csv").write_text("item_id,name,app name,studio,studio\n")
    columns = item_columns(tmp_path / "x.csv", AS_IT_IS)
    assert columns_left_out(columns) == [
        "of the file of items, title may be its column 'name' or 'app name': say which with NEXTPLAY_COLUMNS",
        "of the file of items, its column 'studio' is there 2 times, and the first is read",
    ]


def test_a_column_of_lists_is_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({"user_id": [[1]], "item_id": ["a"], "timestamp": [1]}), tmp_path / "p")
    with pytest.raises(ColumnError, match="has a column 'user_id' of type list"):
        columns_of(tmp_path / "p", TABLE_COLUMNS)


# --- timestamps


def test_whole_numbers_stand_as_they_are(tmp_path: Path) -> None:
    assert times(tmp_path, "1500000000", "-3", "0", " 7 ", "1500000000000000000"[:18], "12.0") == [
        1500000000, -3, 0, 7, 150000000000000000, 12,
    ]  # fmt: skip


def test_dates_and_times_are_microseconds_in_utc(tmp_path: Path) -> None:
    day = 1514764800 * 10**6
    hour = 3600 * 10**6
    assert times(
        tmp_path, "2018-01-01", "2018-01-01T01:00", "2018-01-01 01:00:00.5", "2018-01-01T01:00:00Z",
        "2018-01-01T01:00:00+02:00", "2018-01-01 01:00:00-0130",
    ) == [day, day + hour, day + hour + 500_000, day + hour, day - hour, day + 5 * hour // 2]  # fmt: skip


@pytest.mark.parametrize(
    "value", ["yesterday", "2018-02-30", "04/01/2018", "epoch", "infinity", "1.5", "2018-01-01 00:00:00 CET"]
)
def test_other_timestamps_are_refused(tmp_path: Path, value: str) -> None:
    made = clean_csv(tmp_path, f"{HEADER}u,1,{value}\nu,2,2018-01-01\n")
    reason = (
        "a timestamp that is neither a whole number nor an ISO date or time "
        "(NEXTPLAY_TIME_FORMAT says how to read others)"
    )
    assert made.quarantine == [("table/x.csv", 2, None, reason, f"u,1,{value}")]
    assert len(made.interactions) == 1


def test_all_timestamps_have_the_form_of_the_first_that_can_be_read(tmp_path: Path) -> None:
    made = clean_csv(tmp_path, HEADER + "u,1,?\nu,2,2018-01-01\nu,3,1500000000\n")
    assert [row[3] for row in made.quarantine][1] == "a timestamp that is no date, as the first one is"


# --- order, repeats, quarantine, conservation


@quick
@given(
    st.lists(
        st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("123"), st.integers(0, 3)), max_size=8),
        min_size=1,
        max_size=3,
    ),
    st.sampled_from(["first", "keep"]),
)
def test_plays_are_ordered_by_time_then_file_then_line(
    tmp_path: Path, parts: list[list[tuple[str, str, int]]], repeats: str
) -> None:
    files = {}
    for number, part in enumerate(parts):
        path = tmp_path / f"{number}.csv"
        path.write_text(HEADER + "".join(f"{u},{i},{t}\n" for u, i, t in part))
        files[f"table/{number}.csv"] = path
    wanted = []
    for user in "ab":
        plays = sorted(((i, t) for part in parts for u, i, t in part if u == user), key=lambda play: play[1])
        if repeats == "first":
            firsts: dict[str, int] = {}
            for item, time in plays:
                firsts.setdefault(item, time)
            plays = list(firsts.items())
        wanted += [(user, item, position, time) for position, (item, time) in enumerate(plays)]
    made = clean(tmp_path, files, repeats)
    assert made.interactions == wanted
    n = sum(map(len, parts))
    assert sum(row[1] for row in made.counts) == sum(row[2] for row in made.counts) == n
    assert n - sum(row[3] for row in made.counts) == len(wanted)


@quick
@given(st.lists(st.sampled_from(["u,1,5", ",1,5", "u,,5", "u,1,", "u,1,x", "u,1", '"u,1,5', "\xff,1,5"])))
def test_accepted_and_quarantined_are_all_that_was_read(tmp_path: Path, lines: list[str]) -> None:
    made = clean_csv(tmp_path, (HEADER + "".join(f"{line}\n" for line in lines)).encode("latin-1"))
    ((_, read, accepted, repeats),) = made.counts
    assert accepted + len(made.quarantine) == read
    assert accepted - repeats == len(made.interactions)
    assert read == len(lines)
    refused = [n for n, line in enumerate(lines, 2) if line != "u,1,5"]
    assert [row[1] for row in made.quarantine] == refused


def test_a_quarantined_row_says_where_and_why(tmp_path: Path) -> None:
    made = clean_csv(tmp_path, HEADER.encode() + b"u,1,5\n,1,5\nu,,5\nu,1,\n\xffu,1,5\n")
    assert made.quarantine == [
        ("table/x.csv", 3, None, "no user_id", ",1,5"),
        ("table/x.csv", 4, None, "no item_id", "u,,5"),
        ("table/x.csv", 5, None, "no timestamp", "u,1,"),
        ("table/x.csv", 6, None, "not UTF-8", "\ufffdu,1,5"),
    ]


def test_items_are_described_by_their_own_file(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text(HEADER + "u,1,5\n")
    (tmp_path / "items.csv").write_text(
        "item_id,title,price,genres\n1,One,9.5,a|b\n2,,-1,\n1,Uno,,\n,Nobody,,\n"
    )
    files = {"table/x.csv": tmp_path / "x.csv", "items": tmp_path / "items.csv"}
    made = clean(tmp_path, files)
    assert made.catalogue == [
        ("1", "One", ["a", "b"], [], 9.5, None, None, None),
        ("2", None, [], [], None, None, None, None),
    ]
    assert made.quarantine == [("items", 5, None, "no item_id", ",Nobody,,")]
    assert made.counts[0] == ("items", 4, 3, 1)


def test_any_other_column_of_items_is_kept_but_those_of_the_reader_itself(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text(HEADER + "u,1,5\n")
    (tmp_path / "items.csv").write_text(
        'item_id,studio,early_access,line,studio,,players\n1,é "é,true,9,ignored,ignored,4\n2,,0,,,,\n'
    )
    struct = pa.array([{"a": 1}, None])
    table = pa.table({"item_id": ["1", "2"], "players": [4, None], "nested": struct, "modes": [["a"], []]})
    pq.write_table(table, tmp_path / "items.parquet")
    files = {"table/x.csv": tmp_path / "x.csv", "items": tmp_path / "items.csv"}
    assert [(row[6], row[7]) for row in clean(tmp_path, files).catalogue] == [
        (True, '{"players": "4", "studio": "é \\"é"}'),
        (False, None),
    ]
    files["items"] = tmp_path / "items.parquet"
    assert [row[7] for row in clean(tmp_path, files).catalogue] == ['{"modes": "a", "players": "4"}', None]


# --- which files


def roles(tmp_path: Path, given: str | None, items: str | None = None) -> list[str]:
    source = Source(name="table", table=given, table_items=items)
    return [file.role for file in resolve(Request(source, tmp_path / "raw"))]


def write(folder: Path, names: Sequence[str]) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(HEADER)


def test_a_file_a_folder_or_a_pattern(tmp_path: Path) -> None:
    write(tmp_path, ["b.csv", "a/2.csv", "a/10.csv", "a/_tmp.csv", "items.csv"])
    (tmp_path / "a" / "readme.txt").write_text("how these were made")
    assert roles(tmp_path, str(tmp_path / "b.csv")) == ["table/b.csv"]
    assert roles(tmp_path, (tmp_path / "b.csv").as_uri()) == ["table/b.csv"]
    assert roles(tmp_path, str(tmp_path / "a")) == ["table/10.csv", "table/2.csv"]
    assert roles(tmp_path, f"{tmp_path}/**/?.csv") == ["table/a/2.csv", "table/b.csv"]
    assert roles(tmp_path, str(tmp_path / "b.csv"), str(tmp_path / "items.csv")) == ["table/b.csv", "items"]


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (None, "The source 'table' needs NEXTPLAY_TABLE"),
        ("no.csv", "which does not exist: give a file, a folder or a pattern."),
        ("*.tsv", "which no file matches: give"),
        ("empty", "which holds no file of CSV or Parquet: give a file, a folder or a pattern."),
        ("nothing.csv", "which is empty: give CSV or Parquet with user_id, item_id, timestamp."),
        ("short.csv", "which has no column 'timestamp'; its columns are user_id, item_id: give CSV"),
        ("broken.parquet", "is damaged: it is no whole Parquet file; give a whole copy."),
        ("broken.csv.gz", "is damaged ("),
        ("noise", "which is neither CSV nor Parquet: give CSV or Parquet with"),
        ("http://host/x.csv", "which is neither a path nor a file address: fetch the table first"),
    ],
)
def test_a_mistake_is_one_sentence(tmp_path: Path, given: str | None, sentence: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "nothing.csv").write_text("")
    (tmp_path / "short.csv").write_text("user_id,item_id\n")
    (tmp_path / "broken.parquet").write_bytes(b"PAR1PAR1")
    (tmp_path / "broken.csv.gz").write_bytes(gzip.compress(HEADER.encode())[:20])
    (tmp_path / "noise").write_bytes(random.Random(0).randbytes(999))
    if given and "://" not in given:
        given = str(tmp_path / given)
    with pytest.raises(SourceError) as caught:
        roles(tmp_path, given)
    assert sentence in str(caught.value) and "\n" not in str(caught.value)


# --- through the assets


def make(home: Home, source: Source, core: int) -> dg.ExecuteInProcessResult:
    return materialize(
        home,
        raw.raw_files, cleaning.clean, receiving.events, uniting.all_interactions,
        k_core.core_interactions, *cleaning.CLEAN_CHECKS, *k_core.CORE_CHECKS,
        must_succeed=False, source=source, cleaning=Cleaning(core=core),
    )  # fmt: skip


@pytest.mark.slow
@pytest.mark.skipif(not GAMES.exists(), reason="the shared data are not here")
def test_the_core_of_the_amazon_games(tmp_path: Path) -> None:
    home = Home(path=str(tmp_path))
    result = make(home, Source(name="table", table=str(GAMES)), core=5)
    assert result.success
    assert all(evaluation.passed for evaluation in result.get_asset_check_evaluations())
    with home.lake().connect("core_interactions", "interactions") as connection:
        counts = k_core.count_core(connection)
        read = connection.execute("SELECT count(*), count(playtime) FROM interactions").fetchone()
    assert counts == {"users": 24_303, "games": 10_672, "interactions": 231_780}
    assert read == (287_107, 0)
