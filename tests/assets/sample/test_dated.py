"""The dated sample is the sample: the same players, games and order, read from another format."""

from pathlib import Path
from typing import Any

import duckdb
import pytest

from assets.clean.clean import CLEAN_TABLES, write_clean
from assets.clean.play_tables import write_play_tables
from assets.sample.dated import ITEMS_FILE, PLAYS_FILE, write_dated_sample
from assets.sample.libraries import write_sample
from assets.state.lake import Lake, file_hash

TABLES = {table: f"{table}.parquet" for table in CLEAN_TABLES}


@pytest.fixture(scope="module")
def dated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dated")
    write_dated_sample(folder, "tiny")
    with Lake(folder / "lake").connect() as connection:
        files = {"table/plays": folder / PLAYS_FILE, "items": folder / ITEMS_FILE}
        write_play_tables(connection, files, "first", {t: folder / name for t, name in TABLES.items()})
    return folder


def rows(folder: Path, query: str) -> list[tuple[Any, ...]]:
    with duckdb.connect() as connection:
        for table, name in TABLES.items():
            connection.from_parquet(str(folder / name)).create_view(table)
        return connection.execute(query).fetchall()


def test_it_holds_what_the_players_of_the_sample_really_play(dated: Path, tmp_path: Path) -> None:
    write_sample(tmp_path, "tiny")
    files = {"libraries": tmp_path / "libraries.json.gz", "games": tmp_path / "games.json.gz"}
    write_clean(files, {table: tmp_path / name for table, name in TABLES.items()})
    long_enough = "FROM interactions WHERE coalesce(playtime, 61) > 60"
    played = f"SELECT user_id, item_id {long_enough} ORDER BY user_id, position"
    assert rows(dated, played) == rows(tmp_path, played)
    titles = "SELECT item_id, title FROM catalogue WHERE title IS NOT NULL"
    known = dict(rows(dated, titles))
    assert all(known[item] == title for item, title in rows(tmp_path, titles) if item in known)


def test_its_games_are_described_as_those_of_the_sample_are(dated: Path) -> None:
    ((games, *described),) = rows(
        dated,
        """
        SELECT count(*), count(*) FILTER (len(genres) > 0), count(*) FILTER (len(tags) > 0), count(price),
            count(release_date), count(early_access), count(attributes ->> 'developer')
        FROM catalogue
        """,
    )
    assert all(0.8 * games < known <= games for known in described)


def test_it_has_oddities_and_few_of_them(dated: Path) -> None:
    ((read, accepted, repeats),) = rows(
        dated, "SELECT lines_read, lines_accepted, repeats FROM raw_counts WHERE file = 'table/plays'"
    )
    assert 0 < read - accepted < 0.01 * read
    assert 0.03 < repeats / accepted < 0.07
    reasons = rows(dated, "SELECT count(DISTINCT reason) FROM quarantine")
    assert reasons == [(4,)]


def test_a_cut_in_time_finds_old_players_new_ones_and_such_as_are_gone(dated: Path) -> None:
    ((gone, new, both),) = rows(
        dated,
        """
        SELECT count(*) FILTER (newest < cut), count(*) FILTER (oldest >= cut),
            count(*) FILTER (oldest < cut AND newest >= cut)
        FROM (SELECT quantile_disc(timestamp, 0.8) AS cut FROM interactions),
            (SELECT min(timestamp) AS oldest, max(timestamp) AS newest FROM interactions GROUP BY user_id)
        """,
    )
    assert min(gone, new, both) > 20


def test_size_and_seed_give_the_bytes(dated: Path, tmp_path: Path) -> None:
    write_dated_sample(tmp_path / "same", "tiny")
    write_dated_sample(tmp_path / "other", "tiny", seed=1)
    for name in (PLAYS_FILE, ITEMS_FILE):
        assert file_hash(dated / name) == file_hash(tmp_path / "same" / name)
        assert file_hash(dated / name) != file_hash(tmp_path / "other" / name)
