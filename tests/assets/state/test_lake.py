"""The lake: versions, the pointer, the lock, and what a killed run leaves."""

import os
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

import duckdb
import pytest

from assets.state.files import scratch_name
from assets.state.lake import Lake, LakeError, file_hash, fingerprint, write_parquet

ROOT = Path(__file__).parents[3]

OLD, NEW = fingerprint("old"), fingerprint("new")


def numbers(lake: Lake, upto: int, path: Path) -> None:
    with lake.connect() as connection:
        write_parquet(connection, "SELECT range AS n FROM range($upto) ORDER BY n", path, {"upto": upto})


def total(lake: Lake, table: str) -> int:
    with lake.connect(table) as connection:
        row = connection.execute(f"SELECT sum(n) FROM {table}").fetchone()
    assert row is not None
    return int(row[0])


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path / "lake")


def test_a_published_table_is_read_back(lake: Lake) -> None:
    assert not lake.has("things")
    version = lake.publish("things", OLD, partial(numbers, lake, 10))
    assert lake.has("things")
    assert lake.current("things") == version
    assert (version.rows, version.fingerprint, version.content_hash) == (10, OLD, file_hash(version.path))
    assert total(lake, "things") == 45


def test_a_new_version_leaves_the_old_one_as_it_was(lake: Lake) -> None:
    old = lake.publish("things", OLD, partial(numbers, lake, 10))
    new = lake.publish("things", NEW, partial(numbers, lake, 20))
    assert lake.current("things") == new
    assert file_hash(old.path) == old.content_hash


def test_a_missing_table_names_the_asset_to_materialize(lake: Lake) -> None:
    with pytest.raises(LakeError, match="no table 'items': materialize the asset 'items' first"):
        lake.current("items")
    with pytest.raises(LakeError, match="items"), lake.connect("items"):
        pass


@pytest.mark.parametrize("name", ["", "..", "../x", "a/b", "A", "1a", "a b", "x" * 64, "a.parquet", "a\n"])
def test_a_name_cannot_leave_the_lake(lake: Lake, name: str) -> None:
    with pytest.raises(LakeError, match="no name for a table"):
        lake.publish(name, OLD, partial(numbers, lake, 1))
    with pytest.raises(LakeError, match="no name for a table"):
        lake.current(name)


def test_the_same_fingerprint_is_not_written_again(lake: Lake) -> None:
    def never(path: Path) -> None:
        raise AssertionError("written again")

    first = lake.publish("things", OLD, partial(numbers, lake, 10))
    lake.publish("things", NEW, partial(numbers, lake, 20))
    assert lake.publish("things", OLD, never) == first
    assert lake.current("things") == first


@pytest.mark.parametrize("damage", ["changed", "missing", "description"])
def test_a_damaged_version_is_repaired(lake: Lake, damage: str) -> None:
    version = lake.publish("things", OLD, partial(numbers, lake, 10))
    if damage == "changed":
        version.path.write_bytes(version.path.read_bytes()[:-1] + b"x")
    elif damage == "missing":
        version.path.unlink()
        with pytest.raises(LakeError, match="missing or damaged: materialize the asset 'things' again"):
            lake.current("things")
    else:
        (version.path.parent / "version.json").write_text("{")
    assert lake.publish("things", OLD, partial(numbers, lake, 10)) == version
    assert file_hash(version.path) == version.content_hash


def test_tables_that_belong_together_are_written_together(lake: Lake) -> None:
    def half(paths: dict[str, Path]) -> None:
        numbers(lake, 5, paths["one"])
        raise RuntimeError("in between")

    with pytest.raises(RuntimeError, match="in between"):
        lake.publish_many(OLD, ["one", "two"], half)
    assert not lake.has("one")
    assert not lake.has("two")
    assert not list(lake.root.glob("tables/*/*"))

    both = lake.publish_many(OLD, ["one", "two"], lambda paths: [numbers(lake, 5, p) for p in paths.values()])
    assert {table: version.rows for table, version in both.items()} == {"one": 5, "two": 5}


def test_what_a_killed_run_left_is_removed_by_the_next_one(lake: Lake) -> None:
    left = lake.root / "tables" / "things" / ".unfinished-abc"
    left.mkdir(parents=True)
    (left / "things.parquet").write_bytes(b"half")
    spill = lake.root / "spill" / f"{2**22 + 1}-abc"  # of a process that cannot be
    spill.mkdir(parents=True)
    lake.publish("things", OLD, partial(numbers, lake, 10))
    assert not left.exists()
    assert not spill.exists()


def test_scratch_of_an_earlier_process_of_the_same_number_and_of_an_engine_is_removed(lake: Lake) -> None:
    """A container gives each run the same number; Spark's folders have none, and stopped every later run."""
    names = [f"{os.getpid()}-{'0' * 32}", f"scratch-{'0' * 32}", f"{'9' * 30}-abc"]
    for name in (*names, own := scratch_name()):
        (lake.root / "spill" / name).mkdir(parents=True)
    lake.publish("things", OLD, partial(numbers, lake, 10))
    left = {path.name for path in (lake.root / "spill").iterdir()}
    assert own in left, "who works on it is there"
    assert not left & set(names)


KILLED = """
import os, sys
from pathlib import Path
from assets.state.lake import Lake, fingerprint, write_parquet

def killing(function, boundary, passed=[0]):
    def at_boundary(*arguments, **options):
        passed[0] += 1
        if passed[0] == boundary:
            os._exit(9)
        return function(*arguments, **options)
    return at_boundary

def run(root, boundary):
    for name in ("fsync", "replace", "rename", "mkdir"):
        setattr(os, name, killing(getattr(os, name), boundary))
    lake = Lake(root)

    def write(paths):
        for path in paths.values():
            with lake.connect() as connection:
                write_parquet(connection, "SELECT range AS n FROM range(20) ORDER BY n", path)

    lake.publish_many(fingerprint("new"), ["one", "two"], write)
    os._exit(0)

for home in sorted(Path(sys.argv[1]).iterdir()):
    if not (child := os.fork()):
        run(home / "lake", int(home.name))
    print(home.name, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.slow
def test_a_run_killed_anywhere_leaves_the_old_or_the_new_tables(tmp_path: Path) -> None:
    """Killed before each call that changes the disk; the last run finds no such call and gets through."""

    def write(upto: int, lake: Lake, paths: dict[str, Path]) -> None:
        for path in paths.values():
            numbers(lake, upto, path)

    untouched, before = Lake(tmp_path / "untouched" / "lake"), Lake(tmp_path / "before" / "lake")
    wanted = untouched.publish_many(NEW, ["one", "two"], partial(write, 20, untouched))
    before.publish_many(OLD, ["one", "two"], partial(write, 10, before))
    homes = [tmp_path / "homes" / f"{boundary:02d}" for boundary in range(1, 31)]
    for home in homes:
        shutil.copytree(before.root, home / "lake")
    command = [sys.executable, "-c", KILLED, str(tmp_path / "homes")]
    lines = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.splitlines()
    codes = [int(line.split()[1]) for line in lines]
    assert codes == sorted(codes, reverse=True), "killed at each boundary up to the last, then never"
    assert set(codes) == {0, 9}

    became_new = []
    for home in homes[: codes.index(0) + 1]:
        lake = Lake(home / "lake")
        totals = {total(lake, "one"), total(lake, "two")}
        assert totals in ({45}, {190})
        became_new.append(totals == {190})
        again = lake.publish_many(NEW, ["one", "two"], partial(write, 20, lake))
        assert {t: v.content_hash for t, v in again.items()} == {t: v.content_hash for t, v in wanted.items()}
        assert not list(lake.root.glob("tables/*/.unfinished-*"))
        with duckdb.connect(str(home / "warehouse.duckdb"), read_only=True) as warehouse:
            assert warehouse.execute("SELECT sum(n) FROM two").fetchall() == [(190,)]
    assert became_new == sorted(became_new), "once new, always new"
    assert not became_new[0]
    assert became_new[-2], "the last boundary lies behind the publication"


def test_a_second_writer_waits_and_then_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    first, second = Lake(tmp_path / "lake"), Lake(tmp_path / "lake")
    with first.lock():
        with first.lock():  # the same run may hold it twice
            pass
        with (
            pytest.raises(LakeError, match=r"Another run has been writing to .*: wait until"),
            second.lock(0.1),
        ):
            pass
    assert "Another run is writing" in caplog.text
    with second.lock(0.1):
        pass


def test_a_damaged_pointer_is_one_sentence(lake: Lake) -> None:
    lake.publish("things", OLD, partial(numbers, lake, 10))
    (lake.root / "pointer.json").write_text("{")
    with pytest.raises(LakeError, match=r"pointer\.json is damaged: delete it"):
        lake.current("things")


def test_the_warehouse_shows_every_current_table(lake: Lake) -> None:
    warehouse = lake.root.parent / "warehouse.duckdb"
    lake.publish("things", OLD, partial(numbers, lake, 10))
    with duckdb.connect(str(warehouse), read_only=True) as reader:  # an open reader blocks nobody
        lake.publish("things", NEW, partial(numbers, lake, 20))
        lake.publish("others", OLD, partial(numbers, lake, 3))
        assert reader.execute("SELECT count(*) FROM things").fetchall() == [(10,)]
    with duckdb.connect(str(warehouse), read_only=True) as reader:
        assert reader.execute("SELECT count(*) FROM things").fetchall() == [(20,)]
        assert reader.execute("SELECT count(*) FROM others").fetchall() == [(3,)]


def test_a_warehouse_that_is_damaged_or_of_another_place_is_mended(lake: Lake, tmp_path: Path) -> None:
    for table in ("things", "others"):
        lake.publish(table, OLD, partial(numbers, lake, 10))
    moved = Lake(shutil.copytree(tmp_path, tmp_path / "moved") / lake.root.relative_to(tmp_path))
    shutil.rmtree(lake.root)
    warehouse = moved.root.parent / "warehouse.duckdb"
    for damage in (lambda: None, lambda: warehouse.write_bytes(b"no database"), warehouse.unlink):
        damage()
        moved.publish("things", OLD, partial(numbers, moved, 10))
        with duckdb.connect(str(warehouse), read_only=True) as reader:
            assert reader.execute("SELECT count(*) FROM others, things").fetchall() == [(100,)]


def test_what_is_made_in_one_connection_is_in_no_other(lake: Lake) -> None:
    lake.publish("things", OLD, partial(numbers, lake, 10))
    with lake.connect("things") as one, lake.connect("things") as other:
        one.execute("CREATE TABLE made AS FROM things")
        other.execute("CREATE TABLE made AS SELECT 1 AS n")
        assert one.execute("SELECT count(*) FROM made").fetchall() == [(10,)]
        assert other.execute("SELECT n FROM made").fetchall() == [(1,)]
    with lake.connect("things") as later:
        assert later.execute("SHOW TABLES").fetchall() == [("things",)]


def test_one_damaged_table_does_not_keep_another_from_being_published(lake: Lake) -> None:
    lake.publish("things", OLD, partial(numbers, lake, 10)).path.unlink()
    assert lake.publish("others", OLD, partial(numbers, lake, 3)).rows == 3


def test_equal_rows_give_equal_bytes_on_any_number_of_threads(lake: Lake, tmp_path: Path) -> None:
    query = "SELECT range * 7919 % 100003 AS a, 'x' || range AS b FROM range(400000) ORDER BY a, b"
    hashes = set()
    for run, threads in enumerate((1, 2, 4, 2)):
        path = tmp_path / f"{run}.parquet"
        with lake.connect() as connection:
            connection.execute(f"SET threads = {threads}")
            if run == 3:
                connection.execute("SET memory_limit = '40MB'")  # it spills
            write_parquet(connection, query, path)
        hashes.add(file_hash(path))
    assert len(hashes) == 1
    assert not list((lake.root / "spill").iterdir())


def test_a_fingerprint_depends_on_values_and_not_on_the_order_of_keys() -> None:
    assert fingerprint("a", {"x": 1, "y": [2.5, None]}) == fingerprint("a", {"y": [2.5, None], "x": 1})
    assert len({fingerprint("a"), fingerprint("b"), fingerprint("a", "b"), fingerprint(["a", "b"])}) == 4
    with pytest.raises(TypeError):
        fingerprint(object())


def test_spilled_data_stay_in_the_lake(lake: Lake) -> None:
    with lake.connect() as connection:
        row = connection.execute("SELECT current_setting('temp_directory')").fetchone()
    assert row is not None
    assert Path(row[0]).parent == lake.root / "spill"
    assert Path(row[0]).name.startswith(f"{os.getpid()}-")


@pytest.mark.parametrize(("name", "beside"), [("a*", "ab"), ("c[1]", "c1")])
def test_a_pattern_in_the_path_reads_no_table_beside_it(tmp_path: Path, name: str, beside: str) -> None:
    """DuckDB takes a path for a pattern where it can; equal fingerprints give equal folders below it."""
    for folder, value in ((beside, 1), (name, 2)):
        Lake(tmp_path / folder / "lake").publish("t", fingerprint("t"), partial(write_number, value))
    lake = Lake(tmp_path / name / "lake")
    assert lake.current("t").rows == 1
    with lake.connect("t") as connection:
        assert connection.execute("SELECT * FROM t").fetchall() == [(2,)]
    with duckdb.connect(str(tmp_path / name / "warehouse.duckdb"), read_only=True) as connection:
        assert connection.execute("SELECT * FROM t").fetchall() == [(2,)]


def write_number(value: int, path: Path) -> None:
    with duckdb.connect() as connection:
        write_parquet(connection, f"SELECT {value} AS number", path)
