"""DuckDB and Spark make the same tables: the same rows in the same order, of the same types."""

import gzip
import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import pytest

from assets.resources import Home, Source
from assets.state.lake import Lake
from tests.scale.conftest import SHARED, SPARK_CONF, make_tables

STEAM, AMAZON = SHARED / "steam", SHARED / "amazon_games" / "interactions.csv.gz"
LIBRARIES = STEAM / "australian_users_items.part.json.gz"
GAMES = STEAM / "steam_games.json.gz"
UNORDERED = {"quarantine"}  # rows of one line may stand in any order


def spark_home(folder: Path, master: str = "local[2]") -> Home:
    return Home(path=str(folder), engine="spark", spark_master=master, spark_conf=SPARK_CONF)


def comparable(value: Any) -> Any:
    """NaN is not equal to itself; two tables that both hold it are."""
    return "NaN" if isinstance(value, float) and math.isnan(value) else value


def table_rows(lake: Lake, table: str) -> tuple[list[Any], list[Any]]:
    """Columns with their types, and rows."""
    with lake.connect(table) as connection:
        columns = connection.execute(f"DESCRIBE {table}").fetchall()
        rows = [tuple(map(comparable, row)) for row in connection.execute(f"FROM {table}").fetchall()]
    return [column[:2] for column in columns], sorted(rows, key=repr) if table in UNORDERED else rows


def assert_equal_tables(one: Lake, other: Lake) -> None:
    tables = json.loads((one.root / "pointer.json").read_text())
    assert tables == json.loads((other.root / "pointer.json").read_text()), "equal inputs, equal fingerprints"
    for table in tables:
        (columns, rows), (other_columns, other_rows) = table_rows(one, table), table_rows(other, table)
        assert columns == other_columns, table
        assert len(rows) == len(other_rows), table
        assert rows == other_rows, table


def on_both(folder: Path, source: Source, **settings: Any) -> tuple[Lake, Lake]:
    lakes = []
    for home in (Home(path=str(folder / "duckdb")), spark_home(folder / "spark")):
        result = make_tables(home, source, **settings)
        assert result.success, home.engine
        assert [e.check_name for e in result.get_asset_check_evaluations() if not e.passed] == [], home.engine
        lakes.append(home.lake())
    return lakes[0], lakes[1]


@pytest.mark.parametrize("name", ["sample", "sample-dated"])
def test_the_samples_give_equal_tables(tmp_path: Path, spark_master: str, name: str) -> None:
    split = "temporal" if name == "sample-dated" else "leave-one-out"
    one, other = on_both(tmp_path, Source(name=name, sample_size="tiny"), split=split)
    assert one.current("sequences").rows > 1_000
    assert_equal_tables(one, other)


@pytest.mark.skipif(not LIBRARIES.exists(), reason="the shared Steam files are not there")
def test_real_libraries_give_equal_tables(tmp_path: Path, spark_master: str) -> None:
    one, other = on_both(tmp_path, Source(name="steam", libraries=str(LIBRARIES), games=str(GAMES)))
    assert one.current("core_interactions").rows > 100_000
    assert_equal_tables(one, other)


@pytest.mark.skipif(not AMAZON.exists(), reason="the shared reviews are not there")
def test_a_real_table_gives_equal_tables(tmp_path: Path, spark_master: str) -> None:
    one, other = on_both(tmp_path, Source(name="table", table=str(AMAZON)), checks=False)
    assert one.current("core_interactions").rows == 231_780
    assert_equal_tables(one, other)


TIMES = [
    "1500000000", "1500000000.0", "+7", "-7", "0", "1500000000.5", "1e9", "", " 1500000001 ", "1500000002\n",
    "999999999999999999", "9999999999999999999", "１２",
]  # fmt: skip
DATES = [
    "2018-01-04", "2018-01-04T10:00", "2018-01-04 10:00:30", "2018-01-04T10:00:30.123456", "2018-02-30",
    "2018-01-04T10:00:30.123456789", "2018-01-04T10:00:00Z", "2018-01-04T10:00:00+02:00", "2018-13-01",
    "2018-01-04T10:00:00+0230", "2018-01-04T10:00:00-08", "2018-01-04T25:00", "2018-01-04T10:61",
    "2018-01-04T10:00:61", "2018-1-4", "0001-01-01", "9999-12-31T23:59:59.999999", "1969-12-31T23:59:59.5",
    "2018-01-04\n", "soon",
]  # fmt: skip


@pytest.mark.parametrize("times", [TIMES, DATES], ids=["numbers", "dates"])
def test_odd_rows_are_judged_alike(tmp_path: Path, spark_master: str, times: list[str]) -> None:
    rows = [f'u{i % 3},i{i % 4},"{time}"' for i, time in enumerate(times)]
    rows += [
        "u1",
        "u1,i1,1,1",
        ',i1,"2018-01-04"',
        'u1,,"2018-01-04"',
        '"u,1","i""1",1500000000',
        "é,\udcff,1",
    ]
    folder = tmp_path / "plays"
    folder.mkdir()
    text = "\n".join(["user_id,item_id,timestamp", *rows, ""]).encode(errors="surrogateescape")
    (folder / "a.csv").write_bytes(text)
    (folder / "b.csv.gz").write_bytes(gzip.compress(b"timestamp;item_id;user_id\n1600000000;i9;u9\n"))
    with duckdb.connect() as connection:
        connection.execute(
            "COPY (SELECT 'u' || range % 4 AS user_id, range % 3 AS item_id, 17 + range AS timestamp "
            f"FROM range(50)) TO '{folder}/c.parquet'"
        )
    items = tmp_path / "items.csv"
    items.write_text(
        "item_id,title,genres,tags,price,release_date,early_access\n"
        "i0,Zero,a|b,,1.5,2018,true\ni0,Again,,,,,\ni1,,|,x,free,,1\n,nobody,,,,,\ni2,Two,,,-1,,no\n"
        "1,One,,,1e9,,\n2,,,,nan,,\n3,,,, 7 ,,\n4,,,,5d,,\n5,,,,1_0,,\n6,,,,inf,,\n"
    )
    source = Source(name="table", table=str(folder), table_items=str(items))
    lakes = []
    for home in (Home(path=str(tmp_path / "one")), spark_home(tmp_path / "other")):
        assert make_tables(home, source, checks=False, core=1, max_quarantined_share=1.0).success
        lakes.append(home.lake())
    assert_equal_tables(*lakes)


def test_repeats_are_kept_alike(tmp_path: Path, spark_master: str) -> None:
    plays = tmp_path / "plays.csv"
    plays.write_text(
        "user_id,item_id,timestamp\n" + "".join(f"u{i % 7},i{i % 5},{i // 3}\n" for i in range(200))
    )
    assert_equal_tables(*on_both(tmp_path, Source(name="table", table=str(plays)), repeats="keep", core=2))


def test_a_damaged_file_fails_in_one_sentence(tmp_path: Path, spark_master: str) -> None:
    whole = gzip.compress(b"{'user_id': 'x'}\n" * 1000)
    damaged = tmp_path / "libraries.json.gz"
    damaged.write_bytes(whole)
    home = spark_home(tmp_path / "home")
    source = Source(name="steam", libraries=str(damaged), games=str(damaged))
    assert not make_tables(home, source).success  # nothing in it is a library
    from assets.clean.spark_clean import write_clean_on_spark
    from assets.formats.gunzip import DamagedFileError

    damaged.write_bytes(whole[:-9])
    paths = {t: tmp_path / t for t in ("interactions", "quarantine", "catalogue", "item_names", "raw_counts")}
    with home.spark() as spark, pytest.raises(DamagedFileError, match="cut off"):
        write_clean_on_spark(spark, {"libraries": str(damaged)}, "first", paths)


THROUGH_CONNECT = """
import os, sys
from pathlib import Path
from assets.resources import Home, Source
from tests.scale.conftest import make_tables

conf = {"spark.sql.shuffle.partitions": "3"}
home = Home(path=sys.argv[1], engine="spark", spark_remote="local[2]", spark_conf=conf)
ok = make_tables(home, Source(name="sample-dated", sample_size="tiny"), split="temporal").success
sys.stdout.flush()
os._exit(0 if ok else 1)
"""


def test_spark_connect_gives_equal_tables(tmp_path: Path, spark_master: str) -> None:
    """In a process of its own: a process has a session of one kind."""
    pytest.importorskip("grpc_status", reason="pyspark[connect] is not installed")
    done = subprocess.run(
        [sys.executable, "-c", THROUGH_CONNECT, str(tmp_path / "spark")],
        cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-5000:]
    home = Home(path=str(tmp_path / "duckdb"))
    assert make_tables(home, Source(name="sample-dated", sample_size="tiny"), split="temporal").success
    assert_equal_tables(home.lake(), Home(path=str(tmp_path / "spark")).lake())
