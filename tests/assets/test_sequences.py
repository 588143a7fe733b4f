"""The item vocabulary and the sequences, as made and as loaded."""

from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pytest

from assets import sequences
from assets.io.lake import Lake, LakeError, fingerprint, write_parquet
from assets.resources import Cleaning, Home
from assets.sequences import load_items, load_sequences
from models.data import leave_one_out

COLUMNS = {
    "core_interactions": (
        "user_id VARCHAR, item_id VARCHAR, position INTEGER, playtime INTEGER, timestamp BIGINT"
    ),
    "catalogue": "item_id VARCHAR, title VARCHAR",
    "item_names": "item_id VARCHAR, name VARCHAR",
}
PLAYED = {"u2": ["9", "10", "100", "7"], "u10": ["7", "9", "10"], "u1": ["100", "é"]}
CORE = [(user, item, n, 61, None) for user, items in PLAYED.items() for n, item in enumerate(items)]


def publish(lake: Lake, table: str, rows: list[tuple[Any, ...]]) -> None:
    def write(path: Path) -> None:
        with lake.connect() as connection:
            connection.execute(f"CREATE TABLE made ({COLUMNS[table]})")
            marks = ", ".join("?" * len(rows[0]))
            connection.executemany(f"INSERT INTO made VALUES ({marks})", rows)
            write_parquet(connection, "SELECT * FROM made ORDER BY ALL", path)

    lake.publish(table, fingerprint(table, rows), write)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(path=str(tmp_path))
    publish(home.lake(), "core_interactions", CORE)
    publish(home.lake(), "catalogue", [("7", "Seven"), ("9", None), ("555", "Played by nobody")])
    publish(home.lake(), "item_names", [("7", "seven"), ("9", "nine"), ("10", "ten")])
    return home


def materialize(home: Home, checks: bool = False) -> dg.ExecuteInProcessResult:
    return dg.materialize(
        [sequences.vocabulary_and_sequences, *(sequences.SEQUENCES_CHECKS if checks else [])],
        resources={"home": home, "cleaning": Cleaning()},
        instance=dg.DagsterInstance.ephemeral(),
    )


def rows(lake: Lake, table: str) -> list[tuple[Any, ...]]:
    with lake.connect(table) as connection:
        return connection.execute(f"SELECT * FROM {table}").fetchall()


def test_the_vocabulary_is_in_the_order_of_the_ids_with_the_best_titles(home: Home) -> None:
    result = materialize(home, checks=True)
    assert result.success
    evaluations = result.get_asset_check_evaluations()
    assert len(evaluations) == len(sequences.SEQUENCES_CHECKS)
    assert all(evaluation.passed for evaluation in evaluations)
    assert rows(home.lake(), "items") == [
        (1, "10", "ten", 1),  # twice played, once held out
        (2, "100", "100", 1),
        (3, "7", "Seven", 1),
        (4, "9", "nine", 1),
        (5, "é", "é", 1),
    ]


def test_the_sequences_are_split_leave_one_out(home: Home) -> None:
    materialize(home)
    assert rows(home.lake(), "sequences") == [
        (0, "u1", 0, 2, "train"), (0, "u1", 1, 5, "train"),
        (1, "u10", 0, 3, "train"), (1, "u10", 1, 4, "validation"), (1, "u10", 2, 1, "test"),
        (2, "u2", 0, 4, "train"), (2, "u2", 1, 1, "train"), (2, "u2", 2, 2, "validation"),
        (2, "u2", 3, 3, "test"),
    ]  # fmt: skip


def test_what_is_loaded_is_what_was_made(home: Home) -> None:
    materialize(home)
    loaded, user_ids = load_sequences(home.lake())
    items = load_items(home.lake())
    assert user_ids.tolist() == sorted(PLAYED)
    assert {str(user): [items.ids[i] for i in loaded.user(n)] for n, user in enumerate(user_ids)} == PLAYED
    assert (loaded.items.dtype, loaded.offsets.dtype, loaded.n_items) == (np.int32, np.int64, 5)
    assert (items.ids[0], items.titles[0], items.counts[0]) == ("", "", 0)
    assert items.n_items == 5
    assert items.titles[3] == "Seven"


def test_the_split_in_the_table_is_the_split_of_the_models(home: Home) -> None:
    """Two implementations of leave-one-out, SQL and NumPy, have to agree."""
    materialize(home)
    loaded, _ = load_sequences(home.lake())
    split = leave_one_out(loaded)
    table = rows(home.lake(), "sequences")
    for name, holdout in (("validation", split.validation), ("test", split.test)):
        wanted = [(row[0], row[3]) for row in table if row[4] == name]
        assert list(zip(holdout.users.tolist(), holdout.targets.tolist(), strict=True)) == wanted
    assert split.train.items.tolist() == [row[3] for row in table if row[4] == "train"]
    assert split.train.counts().tolist() == load_items(home.lake()).counts.tolist()


def test_made_twice_the_bytes_are_the_same(home: Home, tmp_path: Path) -> None:
    materialize(home)
    lake = home.lake()
    versions = [lake.current(table) for table in sequences.TABLES]
    for version in versions:
        version.path.unlink()
    materialize(home)
    assert [lake.current(table) for table in sequences.TABLES] == versions


def test_loading_before_making_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(LakeError, match="materialize the asset 'sequences' first"):
        load_sequences(Lake(tmp_path))
    with pytest.raises(LakeError, match="materialize the asset 'items' first"):
        load_items(Lake(tmp_path))
