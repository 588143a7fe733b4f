"""From raw files to the core: uniting, the k-core, and the assets on small files."""

from collections import Counter
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assets.clean import clean as cleaned
from assets.clean import core_interactions as k_core
from assets.clean.steam_tables import Owned
from assets.engines.engine import DuckDB
from assets.feedback import all_interactions as uniting
from assets.feedback import events as receiving
from assets.formats.steam_format import read_libraries
from assets.resources import Cleaning, Home
from assets.state.lake import file_hash
from tests.support.homes import failure, materialize, rows
from tests.support.raw import home_with, library, write_lines

SHARED = Path(__file__).parents[4] / "shared" / "data" / "steam"
REAL_LIBRARIES = SHARED / "australian_users_items.part.json.gz"

PLAYED = "user_id, item_id, position, playtime"

quick = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def make(home: Home, cleaning: Cleaning | None = None, checks: bool = False) -> dg.ExecuteInProcessResult:
    """Make the tables; the checks take most of the time, so only tests of them ask for them."""
    promises = [k_core.core_matches_the_reference, *cleaned.CLEAN_CHECKS, *k_core.CORE_CHECKS]
    return materialize(
        home,
        cleaned.clean, receiving.events, uniting.all_interactions, k_core.core_interactions,
        *(promises if checks else []),
        must_succeed=False, cleaning=cleaning or Cleaning(core=1),
    )  # fmt: skip


# --- uniting the libraries of a user


@quick
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["1", "20", "3"]),
            st.lists(st.tuples(st.sampled_from(["7", "50", "600", "8"]), st.integers(0, 9)), max_size=6),
        ),
        max_size=6,
    )
)
def test_libraries_of_a_user_are_united(
    tmp_path: Path, drawn: list[tuple[str, list[tuple[str, int]]]]
) -> None:
    united: dict[str, dict[str, int]] = {}
    for user, games in drawn:
        for item, playtime in games:
            owned = united.setdefault(user, {})
            owned[item] = max(playtime, owned.get(item, 0))  # a dict keeps the place of the first
    wanted = [
        (user, item, position, playtime)
        for user in sorted(united)
        for position, (item, playtime) in enumerate(united[user].items())
    ]
    owned = Owned(read_libraries(write_lines(tmp_path / "x.gz", [library(*one) for one in drawn])))
    for rows_a_block in (1, 5, 1000):
        found = [
            (owned.user_ids[user], owned.item_ids[item], position, playtime)
            for block in owned.blocks(rows_a_block)
            for user, item, position, playtime in zip(
                *(c.tolist() for c in (block.user, block.item, block.position, block.playtime)), strict=True
            )
        ]
        assert found == wanted


# --- the k-core


def brute_force_core(pairs: list[tuple[str, str]], core: int) -> set[tuple[str, str]]:
    left = set(pairs)
    while True:
        users, items = Counter(u for u, _ in left), Counter(i for _, i in left)
        weak = {(u, i) for u, i in left if users[u] < core or items[i] < core}
        if not weak:
            return left
        left -= weak


@quick
@given(
    st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7), st.integers(50, 70)), unique_by=lambda r: r[:2]),
    st.integers(1, 4),
)
def test_the_core_equals_brute_force(tmp_path: Path, drawn: list[tuple[int, int, int]], core: int) -> None:
    owned = [(f"u{u}", f"i{i}", n, playtime) for n, (u, i, playtime) in enumerate(drawn)]
    with duckdb.connect() as connection:
        connection.execute(
            "CREATE TABLE interactions "
            "(user_id VARCHAR, item_id VARCHAR, position INTEGER, playtime INTEGER, timestamp BIGINT)"
        )
        if owned:
            connection.executemany("INSERT INTO interactions VALUES (?, ?, ?, ?, NULL)", owned)
        path = tmp_path / "core.parquet"
        rounds = k_core.write_core(DuckDB(connection), path, min_playtime=60, core=core)
        found = connection.execute(f"SELECT {PLAYED} FROM read_parquet(?)", [str(path)]).fetchall()
    kept = brute_force_core([(u, i) for u, i, _, playtime in owned if playtime > 60], core)
    wanted: list[tuple[str, str, int, int]] = []
    places: Counter[str] = Counter()
    for u, i, _, playtime in sorted(owned, key=lambda row: (row[0], row[2])):
        if (u, i) in kept:
            wanted.append((u, i, places[u], playtime))
            places[u] += 1
    assert found == wanted
    assert rounds[-1] == (0, 0)


# --- the assets


def small(tmp_path: Path) -> dict[str, Path]:
    return {
        "libraries": write_lines(
            tmp_path / "libraries.gz",
            [
                library("2", {"10": 100, "20": 0, "30": 61}),
                library("1", {"30": 90, "10": 60}),
                library("2", {"40": 70, "10": 500}),
                library("3", {}),
            ],
        ),
        "games": write_lines(
            tmp_path / "games.gz",
            ["{u'id': u'10', u'title': u'Ten', u'price': 1.5}", "{u'id': u'99', u'price': u'Free'}"],
        ),
    }


def test_the_tables_are_made_and_keep_their_promises(tmp_path: Path) -> None:
    home = home_with(tmp_path, small(tmp_path))
    result = make(home, checks=True)
    assert result.success
    assert [e.check_name for e in result.get_asset_check_evaluations() if not e.passed] == []
    assert rows(home, "interactions", PLAYED) == [
        ("1", "30", 0, 90), ("1", "10", 1, 60),
        ("2", "10", 0, 500), ("2", "20", 1, 0), ("2", "30", 2, 61), ("2", "40", 3, 70),
    ]  # fmt: skip
    assert rows(home, "core_interactions", PLAYED) == [
        ("1", "30", 0, 90), ("2", "10", 0, 500), ("2", "30", 1, 61), ("2", "40", 2, 70),
    ]  # fmt: skip
    assert rows(home, "catalogue", "item_id, title, price") == [("10", "Ten", 1.5), ("99", None, 0.0)]
    assert rows(home, "item_names") == [(i, f"Game {i}") for i in ("10", "20", "30", "40")]
    assert rows(home, "raw_counts") == [
        ("games", 2, 2, 2, 2, 0, 0, 0, 0, 0),
        ("libraries", 4, 7, 4, 7, 0, 0, 1, 0, 0),
    ]
    assert rows(home, "quarantine") == []


def test_metadata_tell_what_was_made(tmp_path: Path) -> None:
    result = make(home_with(tmp_path, small(tmp_path)))
    told = {
        event.materialization.asset_key.to_user_string(): event.materialization.metadata
        for event in result.get_asset_materialization_events()
    }
    assert told["interactions"]["dagster/row_count"].value == 6
    assert "data:image/svg+xml;base64," in str(told["interactions"]["library sizes"].value)
    assert "| 1 | 30 | 0 | 90 |" in str(told["core_interactions"]["first rows"].value)
    assert (told["core_interactions"]["users"].value, told["core_interactions"]["games"].value) == (2, 3)


@pytest.mark.slow
def test_made_twice_the_bytes_are_the_same(tmp_path: Path) -> None:
    hashes = []
    for run in ("a", "b"):
        home = home_with(tmp_path / run, small(tmp_path))
        assert make(home).success
        lake = home.lake()
        tables = [*cleaned.CLEAN_TABLES, "core_interactions"]
        hashes.append({table: lake.current(table).content_hash for table in tables})
        made = {table: lake.current(table).path.stat().st_mtime_ns for table in tables}
        assert make(home).success
        assert made == {table: lake.current(table).path.stat().st_mtime_ns for table in tables}, "made again"
    assert hashes[0] == hashes[1]


@pytest.mark.slow
def test_other_settings_and_other_files_give_other_versions(tmp_path: Path) -> None:
    files = small(tmp_path)
    home = home_with(tmp_path, files)
    assert make(home).success
    first = home.lake().current("core_interactions")
    assert make(home, Cleaning(core=1, min_playtime=0)).success
    second = home.lake().current("core_interactions")
    assert second.fingerprint != first.fingerprint
    assert second.rows == 5
    write_lines(files["libraries"], [library("5", {"10": 100}), library("6", {"20": 200})])
    home = home_with(tmp_path, files)
    assert make(home).success
    assert rows(home, "core_interactions", PLAYED) == [("5", "10", 0, 100), ("6", "20", 0, 200)]


BAD_ITEM = library("900", {"10": 100, "20": 200}).replace("200", "-1")


def test_what_is_left_out_is_quarantined_with_its_reason(tmp_path: Path) -> None:
    files = small(tmp_path)
    write_lines(
        files["libraries"],
        [library(str(u), {str(10 + u % 2): 100}) for u in range(200)] + [BAD_ITEM, "rubbish"],
    )
    home = home_with(tmp_path, files)
    assert make(home).success
    found = rows(home, "quarantine")
    assert [row[:4] for row in found] == [
        ("libraries", 201, 1, "a negative playtime"), ("libraries", 202, None, "not a Python literal"),
    ]  # fmt: skip
    assert "'playtime_forever': -1" in found[0][4]
    assert found[1][4] == "rubbish"
    assert rows(home, "raw_counts")[1] == ("libraries", 202, 202, 201, 201, 0, 0, 0, 0, 0)


def test_too_much_quarantined_stops_the_run(tmp_path: Path) -> None:
    files = small(tmp_path)
    write_lines(files["libraries"], [library(str(u), {"10": 100}) for u in range(50)] + ["rubbish"])
    home = home_with(tmp_path, files)
    result = make(home, checks=True)
    assert not result.success
    (failed,) = [e for e in result.get_asset_check_evaluations() if not e.passed]
    assert failed.check_name == "little_is_quarantined"
    assert (
        failure(result)
        == failed.description
        == (
            "1 of 51 rows were left out (2.0 %), more than NEXTPLAY_MAX_QUARANTINED_SHARE=0.01 allows: "
            "1 for 'not a Python literal', first in line 51 of libraries (rubbish). "
            "Mend the source, or allow more; the table quarantine has them all."
        )
    )
    assert "1 | 51" in failed.metadata["sample"].value
    assert not home.lake().has("core_interactions")


def test_a_damaged_file_fails_the_run_with_one_sentence(tmp_path: Path) -> None:
    files = small(tmp_path)
    files["libraries"].write_bytes(files["libraries"].read_bytes()[:-4])
    home = home_with(tmp_path, files)
    result = make(home)
    assert not result.success
    assert "is damaged after" in failure(result)
    assert not home.lake().has("interactions")


def test_a_source_may_have_no_catalogue(tmp_path: Path) -> None:
    files = small(tmp_path)
    del files["games"]
    home = home_with(tmp_path, files)
    assert make(home).success
    assert rows(home, "catalogue") == []


@pytest.mark.slow
def test_the_reference_is_compared_on_the_pinned_file_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = home_with(tmp_path, small(tmp_path))
    assert make(home).success

    def check() -> Any:
        return k_core.core_matches_the_reference(home=home, cleaning=Cleaning(core=1))

    assert (check().passed, check().description) == (True, "not the pinned file")
    monkeypatch.setattr(k_core, "PINNED_LIBRARIES", file_hash(tmp_path / "libraries.gz"))
    assert (check().passed, check().description) == (True, "not the settings of the reference")
    monkeypatch.setattr(k_core, "REFERENCE_CLEANING", {"min_playtime": 60, "core": 1})
    assert not check().passed
    assert "56808" in check().description
    monkeypatch.setattr(k_core, "REFERENCE", {"users": 2, "games": 3, "interactions": 4})
    assert check().passed


@pytest.mark.slow
@pytest.mark.skipif(not REAL_LIBRARIES.exists(), reason="the shared data are not here")
def test_the_core_of_the_real_libraries(tmp_path: Path) -> None:
    home = home_with(tmp_path, {"libraries": REAL_LIBRARIES})
    result = make(home, Cleaning())
    assert result.success
    with home.lake().connect("core_interactions") as connection:
        counts = k_core.count_core(connection)
    assert counts == {"users": 6_611, "games": 1_749, "interactions": 104_907}
    assert rows(home, "quarantine") == []
