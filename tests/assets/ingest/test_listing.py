"""What is read of a folder or a pattern, and what is named as left out."""

import gzip
import os
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from assets.formats.rows import TABLE_COLUMNS
from assets.ingest.listing import alike
from assets.ingest.raw_file import Request, SourceError
from assets.ingest.raw_files import raw_files, twins
from assets.ingest.sources import UNKNOWN, remarks, resolve, source_state
from assets.ingest.sources.table import table_files
from assets.resources import Home, Source
from tests.support.homes import materialize, metadata

PLAYS = b"user_id,item_id,timestamp\nu,1,5\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with one file of plays."""
    (tmp_path / "t").mkdir()
    (tmp_path / "t" / "plays.csv").write_bytes(PLAYS)
    return tmp_path / "t"


def put(path: Path, content: bytes = PLAYS) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def names(folder: Path | str) -> list[str]:
    return [name for name, _ in table_files(str(folder)).files]


def left(folder: Path | str) -> dict[str, str]:
    return dict(table_files(str(folder)).left)


@pytest.mark.parametrize(
    "name", ["A.CSV", "a.Tsv", "a.csv.GZ", "a.CSV.gz", "a.txt", "a.dat", "a", "a.csv.24"]
)
def test_text_is_read_whatever_its_suffix(folder: Path, name: str) -> None:
    put(folder / name, gzip.compress(PLAYS) if name.lower().endswith("gz") else PLAYS)
    assert names(folder) == sorted([name, "plays.csv"])
    assert left(folder) == {}


@pytest.mark.parametrize("name", ["a.parquet", "A.PARQUET", "a.pq", "a.parq", "a.snappy", "part-0"])
def test_parquet_is_read_whatever_its_suffix(folder: Path, name: str) -> None:
    pq.write_table(pa.table({name: ["1"] for name in TABLE_COLUMNS}), folder / name)
    assert names(folder) == sorted([name, "plays.csv"])


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("readme.txt", b"user_id and item_id are hashed\n", "no table: it has no column"),
        ("notes", b"\x00\x01\x02" * 99, "no table: it is neither CSV nor Parquet"),
        ("schema.json", b'{"a": 1}', "no table"),
        ("report.xlsx", b"PK\x03\x04" + bytes(99), "no table"),
        ("part-0.csv", b"", "empty"),
        ("_SUCCESS", b"", "hidden, or kept by a tool"),
        ("_SUCCESS", PLAYS, "hidden, or kept by a tool"),
        (".plays.csv.crc", b"crc", "hidden, or kept by a tool"),
        (".plays.csv", PLAYS, "hidden, or kept by a tool"),
        ("~$plays.csv", PLAYS, "hidden, or kept by a tool"),
        ("plays.csv.part", PLAYS, "not finished"),
        ("plays.csv.PART", PLAYS, "not finished"),
        ("plays.csv.tmp", PLAYS, "not finished"),
        ("plays.csv.crdownload", PLAYS, "not finished"),
        ("part-1.csv.gz", gzip.compress(b""), "empty"),
        ("part-1.csv", b"\xef\xbb\xbf\r\n", "empty"),
        ("metadata/v1.metadata.json", b"{}", "the log of an Iceberg table, whose older files are read too"),
        ("plays (Ada's conflicted copy 2024-01-01).csv", PLAYS, "a copy that a tool keeps"),
        ("plays.sync-conflict-20240101-120000-ABCDEFG.csv", PLAYS, "a copy that a tool keeps"),
        ("plays.csv~", PLAYS, "a copy that a tool keeps"),
        ("plays.csv.bak", PLAYS, "a copy that a tool keeps"),
        ("a\nb.csv", PLAYS, "a name with characters that cannot be shown"),
    ],
)
def test_what_is_no_data_is_left_and_named(folder: Path, name: str, content: bytes, reason: str) -> None:
    put(folder / name, content)
    assert names(folder) == ["plays.csv"]
    assert reason in left(folder)[name]


HIDDEN = [".ipynb_checkpoints", "_temporary", "_delta_log", "__MACOSX", ".Trash-1000", ".git", "$RECYCLE.BIN",
          "@eaDir", "lost+found", "a/b/.hidden", ".hoodie"]  # fmt: skip


@pytest.mark.parametrize("name", HIDDEN)
def test_folders_of_tools_are_left_and_named(folder: Path, name: str) -> None:
    put(folder / name / "0" / "plays-checkpoint.csv")
    assert names(folder) == names(f"{folder}/**/*.csv") == ["plays.csv"]
    assert names(f"{folder}/**") == ["t/plays.csv"]
    assert list(left(folder)) == [name]


def test_a_table_with_a_log_is_told_of_its_older_files(folder: Path) -> None:
    put(folder / "_delta_log" / "0.json")
    assert left(folder) == {"_delta_log": "the log of a Delta table, whose older files are read too"}


def test_partitions_are_read(folder: Path) -> None:
    put(folder / "day=2024-01-01" / "part-0.csv")
    put(folder / "day=2024-01-02" / "PART-0.CSV")
    wanted = ["day=2024-01-01/part-0.csv", "day=2024-01-02/PART-0.CSV"]
    assert names(folder) == [*wanted, "plays.csv"]
    assert [name.rpartition("/")[2] for name in names(f"{folder}/day=*")] == ["part-0.csv", "PART-0.CSV"]


def test_linked_folders_are_followed_and_circles_end(folder: Path, tmp_path: Path) -> None:
    put(tmp_path / "elsewhere" / "b.csv")
    (folder / "a").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "back").symlink_to(folder)
    (folder / "again").symlink_to(tmp_path / "elsewhere")
    assert names(folder) == ["a/b.csv", "plays.csv"]
    assert left(folder)["again"] == "another name of a"
    assert left(folder)["a/back"] == "another name of ."


def test_a_file_is_read_once_whatever_its_names(folder: Path) -> None:
    (folder / "latest.csv").symlink_to("plays.csv")
    os.link(folder / "plays.csv", folder / "plays-hard.csv")
    assert names(folder) == ["plays-hard.csv"]
    same = "another name of plays-hard.csv"
    assert left(folder) == {"latest.csv": same, "plays.csv": same}
    assert names(f"{folder}/*") == ["plays-hard.csv"]


def test_broken_links_and_what_is_no_file_are_named(folder: Path) -> None:
    (folder / "gone.csv").symlink_to("nowhere")
    os.mkfifo(folder / "pipe.csv")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.path.relpath(folder / "s.csv"))
        assert names(folder) == ["plays.csv"]
        assert left(folder) == {
            "gone.csv": "a link that leads nowhere",
            "pipe.csv": "neither a file nor a folder",
            "s.csv": "neither a file nor a folder",
        }


def test_what_is_no_file_is_told_as_that(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.csv")
    with pytest.raises(SourceError, match="which is no file: give a file, a folder or a pattern"):
        names(tmp_path / "pipe.csv")


def test_the_file_of_items_may_lie_among_the_plays(folder: Path, tmp_path: Path) -> None:
    items = put(folder / "items.csv", b"item_id,title\n1,One\n")
    source = Source(name="table", table=str(folder), table_items=str(items))
    request = Request(source, tmp_path)
    assert [file.role for file in resolve(request)] == ["table/plays.csv", "items"]
    assert remarks(request).files == ["items.csv is left out (NEXTPLAY_TABLE_ITEMS names it)"]
    assert source_state(request) != UNKNOWN


def test_a_file_of_items_among_the_plays_is_told_its_setting(folder: Path, tmp_path: Path) -> None:
    put(folder / "items.csv", b"itemId,title\n1,One\n")
    with pytest.raises(SourceError) as caught:
        resolve(Request(Source(name="table", table=str(folder)), tmp_path))
    assert (
        "items.csv, which has no columns 'user_id' and 'timestamp'; its columns are itemId, title: if it "
        "describes the items, name it with NEXTPLAY_TABLE_ITEMS; if it holds plays, give" in str(caught.value)
    )


@pytest.mark.parametrize(
    ("name", "quiet"),
    [
        ("_SUCCESS", True),
        ("._SUCCESS.crc", True),
        (".part-0.snappy.parquet.crc", True),
        ("_temporary/0/part-0.parquet", True),
        (".ipynb_checkpoints/a.csv", True),
        ("a/.git/b.csv", True),
        ("._plays.csv", True),
        ("_january.csv", False),
        (".plays.csv", False),
        ("_2024/a.csv", False),
        ("a.csv.part", False),
        ("a.csv.bak", False),
        ("_delta_log/0.json", False),
    ],
)
def test_only_what_could_be_data_is_warned_about(
    folder: Path, tmp_path: Path, name: str, quiet: bool
) -> None:
    put(folder / name)
    told = remarks(Request(Source(name="table", table=str(folder)), tmp_path))
    assert (len(told.files), len(told.asides)) == ((0, 1) if quiet else (1, 0))


def test_a_warning_of_a_column_stands_out_among_files_of_tools(
    folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for n in range(9):
        put(folder / f".{n}.crc")
        put(folder / f"{n}.tmp")
    items = tmp_path / "items.parquet"
    pq.write_table(pa.table({"item_id": ["1"], "cover": pa.array([{"a": 1}])}), items)
    source = Source(name="table", table=str(folder), table_items=str(items))
    result = materialize(Home(path=str(tmp_path / "home")), raw_files, source=source)
    logged = capfd.readouterr().err.splitlines()
    (warned,) = [line for line in logged if "WARNING" in line and "'cover' is left out" in line]
    assert ".crc" not in warned and ".tmp" not in warned
    assert not [line for line in logged if "WARNING" in line and ".crc" in line]
    assert ".8.crc is left out" in metadata(result, "raw_files")["left out, or doubtful"]


@pytest.fixture
def unreadable(folder: Path) -> Iterator[Path]:
    if os.geteuid() == 0:
        pytest.skip("the superuser may read everything")
    path = folder / "locked"
    path.mkdir()
    path.chmod(0)
    yield folder
    path.chmod(0o700)


def test_a_folder_that_may_not_be_read_is_refused(unreadable: Path) -> None:
    with pytest.raises(SourceError, match="locked cannot be read"):
        names(unreadable)


def test_where_all_is_left_the_reasons_are_told(tmp_path: Path) -> None:
    put(tmp_path / "t" / "plays.csv.part")
    put(tmp_path / "t" / "readme.md", b"# plays")
    with pytest.raises(SourceError) as caught:
        names(tmp_path / "t")
    assert "plays.csv.part is left out (not finished, or of another tool); readme.md is" in str(caught.value)


def test_a_table_that_lacks_a_column_is_refused_where_its_name_says_table(folder: Path) -> None:
    put(folder / "b.CSV", b"user_id,item_id\n")
    with pytest.raises(SourceError, match=r"b\.CSV, which has no column 'timestamp'"):
        resolve(Request(Source(name="table", table=str(folder)), folder.parent))


def test_names_that_differ_in_their_suffix_alone_are_told() -> None:
    assert alike(["a.csv", "a.csv.gz", "b/a.csv", "a.PARQUET", "a.txt"]) == [
        ("a.csv", "a.csv.gz"),
        ("a.csv", "a.PARQUET"),
    ]
    copies = ["p/a (1).csv", "p/Copy of a.csv", "p/a - Copy (2).csv", "p/a_copy.tsv"]
    assert alike(["p/a.csv", *copies, "b (1).csv", "b (2).csv"]) == [("p/a.csv", copy) for copy in copies]


def test_a_part_without_columns_is_left(folder: Path) -> None:
    pq.write_table(pa.table({}), folder / "none.parquet")
    pq.write_table(
        pa.table({name: pa.array([], pa.string()) for name in TABLE_COLUMNS}), folder / "no.parquet"
    )
    assert names(folder) == ["no.parquet", "plays.csv"]
    assert left(folder) == {"none.parquet": "empty"}


def test_files_of_the_same_bytes_are_told(folder: Path) -> None:
    put(folder / "january.csv")
    for part in ("part-0.csv", "part-1.csv"):
        put(folder / part, PLAYS.splitlines(keepends=True)[0])  # no rows
    source = Source(name="table", table=str(folder))
    files = resolve(Request(source, folder.parent))
    assert twins(files, source.reading()) == [
        "table/january.csv and table/plays.csv are both read, and hold the same bytes"
    ]


def test_the_run_says_and_keeps_what_was_left(
    folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for n in range(7):
        put(folder / f"{n}.tmp")
    put(folder / "plays.csv.gz", gzip.compress(PLAYS))
    source = Source(name="table", table=str(folder))
    assert len(remarks(Request(source, tmp_path)).files) == 8
    result = materialize(Home(path=str(tmp_path / "home")), raw_files, source=source)
    told = metadata(result, "raw_files")["left out, or doubtful"]
    assert told.count("\n") == 7
    assert "- plays.csv and plays.csv.gz are both read, and may hold the same plays" in told
    shutil.rmtree(folder)
    put(folder / "plays.csv")
    result = materialize(Home(path=str(tmp_path / "home")), raw_files, source=source)
    assert metadata(result, "raw_files")["left out, or doubtful"] == "nothing"
