"""Forgotten users are in no table of the next run, and everything read is still accounted for."""

import gzip
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assets.clean import clean as cleaning
from assets.clean import core_interactions as k_core
from assets.clean.forgetting import HIDDEN
from assets.clean.play_tables import write_play_tables
from assets.resources import Cleaning, Home
from serving.state.events_sqlite import SqliteEventStore
from tests.support.homes import failed_checks, materialize, metadata, rows
from tests.support.raw import home_with, library, write_lines


def make(home: Home, checks: bool = False) -> dict[str, Any]:
    """Makes the tables; returns the metadata of `interactions`."""
    promises = [c for c in [*cleaning.CLEAN_CHECKS, *k_core.CORE_CHECKS] if c.check_key.name in CHECKED]
    settings = Cleaning(max_quarantined_share=0.5)
    done = materialize(home, cleaning.clean, *(promises if checks else []), cleaning=settings)
    assert failed_checks(done) == []
    return metadata(done, "interactions")


def home_with_lines(folder: Path, role: str, lines: list[str]) -> Home:
    return home_with(folder, {role: write_lines(folder / "source.gz", lines)})


CHECKED = {"raw_counts_fulfils_its_contract", "nothing_is_lost", "little_is_quarantined"}


def forget(home: Home, *users: str) -> None:
    store = SqliteEventStore(home.events_file)
    for user in users:
        store.forget(user)
    store.close()


COUNTS = "lines_read, lines_accepted, lines_forgotten, items_read, items_accepted, items_forgotten, repeats"


def test_forgotten_libraries_are_left_out_and_counted(tmp_path: Path) -> None:
    bad_item = library("1", {"10": 100, "20": -1})
    lines = [
        library("1", {"10": 90, "40": 80}),
        library("2", {"10": 70}),
        bad_item,
        library("12", {"10": 61}),
    ]
    home = home_with_lines(tmp_path, "libraries", [*lines, "rubbish of '1'", "rubbish of 12"])
    assert make(home, checks=True)["left out as forgotten"] == 0
    assert rows(home, "raw_counts", COUNTS)[1:] == [(6, 4, 0, 6, 5, 0, 1)]
    forget(home, "1", "nobody")
    assert make(home, checks=True)["left out as forgotten"] == 4
    assert rows(home, "interactions", "user_id, item_id") == [("12", "10"), ("2", "10")]
    assert rows(home, "item_names") == [("10", "Game 10")]
    assert rows(home, "raw_counts", COUNTS)[1:] == [(6, 2, 2, 6, 2, 4, 0)]
    assert rows(home, "quarantine", "line, item, text") == [(5, None, HIDDEN), (6, None, "rubbish of 12")]


def test_forgotten_rows_of_a_table_are_left_out_and_counted(tmp_path: Path) -> None:
    lines = ["user_id,item_id,timestamp", "1,a,5", "2,a,6", "1,b,7", "1,,8", "12,,9", "1,b,9,9", "1,a,9"]
    home = home_with_lines(tmp_path, "table/x.csv", lines)
    make(home, checks=True)
    assert rows(home, "raw_counts", COUNTS) == [(7, 4, 0, 4, 4, 0, 1)]
    forget(home, "1")
    assert make(home, checks=True)["left out as forgotten"] == 4
    assert rows(home, "interactions", "user_id, item_id") == [("2", "a")]
    assert rows(home, "raw_counts", COUNTS) == [(7, 1, 4, 5, 1, 4, 0)]
    assert rows(home, "quarantine", "line, text") == [(6, "12,,9"), (7, HIDDEN)]


@pytest.mark.slow
def test_the_list_of_the_forgotten_is_an_input_of_the_tables(tmp_path: Path) -> None:
    home = home_with_lines(tmp_path, "libraries", [library("1", {"10": 90}), library("2", {"10": 70})])
    versions = []
    for user in ("", "1", "1", "2"):
        if user:
            forget(home, user)
        make(home)
        versions.append({table: home.lake().current(table).fingerprint for table in cleaning.CLEAN_TABLES})
    assert versions[1] == versions[2]
    for table in cleaning.CLEAN_TABLES:
        assert len({version[table] for version in versions}) == 3, table


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("xyz")), max_size=12),
    st.sets(st.sampled_from("abc"), max_size=2),
)
@pytest.mark.parametrize("source", ["libraries", pytest.param("table", marks=pytest.mark.slow)])
def test_what_is_left_is_what_a_file_without_them_gives(
    tmp_path: Path, source: str, plays: list[tuple[str, str]], gone: set[str]
) -> None:
    def clean(kept: list[tuple[str, str]], forgotten: set[str]) -> list[Any]:
        paths = {table: tmp_path / f"{table}.parquet" for table in cleaning.CLEAN_TABLES}
        raw = tmp_path / "raw"
        if source == "libraries":
            lines = [library(user, {item: 100}) for user, item in kept]
            raw.write_bytes(gzip.compress("".join(f"{line}\n" for line in lines).encode()))
            cleaning.write_clean({"libraries": raw}, paths, forgotten)
        else:
            lines = [f"{user},{item},{plays.index((user, item))}" for user, item in kept]
            raw.write_text("\n".join(["user_id,item_id,timestamp", *lines]))
            with duckdb.connect() as connection:
                write_play_tables(connection, {"table/x": raw}, "first", paths, forgotten)
        compared = ("interactions", "item_names", "quarantine")
        return [pq.read_table(paths[table]).to_pylist() for table in compared]

    assert clean(plays, gone) == clean([play for play in plays if play[0] not in gone], set())
