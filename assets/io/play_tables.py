"""Makes the clean tables of files of plays, row by row: tables of anybody's and the Steam reviews."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import duckdb
import pyarrow as pa

from assets.io.lake import write_parquet
from assets.io.rows import ABOUT_A_ROW, columns_of, read_rows
from assets.io.sql import append, make_table, make_view, statement
from assets.io.steam_games import Catalogue, read_games
from assets.io.steam_reviews import read_reviews
from assets.io.steam_tables import (
    ITEM_NAMES,
    QUARANTINE,
    RAW_COUNTS,
    count_games,
    count_rows,
    write_catalogue,
    write_rows,
)
from assets.io.table_source import ITEM_COLUMNS, ITEMS_ROLE, TABLE_COLUMNS, TABLE_ROLE

DESCRIPTIONS = ("title", "genres", "tags", "price", "release_date", "early_access")  # optional, of an item
NOT_FURTHER = {"", *ITEM_COLUMNS, *DESCRIPTIONS, *ABOUT_A_ROW, "attributes"}
MAX_FURTHER = 50  # columns of a file of items
PLAY_STATEMENTS = (
    "read_plays",
    "first_form",
    "judged_plays",
    "accepted_plays",
    "refused_plays",
    "numbered_plays",
    "played_interactions",
    "play_counts",
    "read_items",
    "refused_items",
    "described_items",
    "played_quarantine",
)

_TABLES = """
SET TimeZone = 'UTC';
CREATE TABLE files (file INTEGER, role VARCHAR);
CREATE TABLE plays (file INTEGER, line INTEGER, user_id VARCHAR, item_id VARCHAR, time BIGINT);
CREATE TABLE refused (file INTEGER, line INTEGER, reason VARCHAR, text VARCHAR);
CREATE TABLE all_items (
    line INTEGER, item_id VARCHAR, title VARCHAR, genres VARCHAR[], tags VARCHAR[], price DOUBLE,
    release_date VARCHAR, early_access BOOLEAN, attributes VARCHAR
);
"""


def reader_of(role: str) -> Callable[[Path], Iterator[pa.Table]] | None:
    """What reads the plays of a raw file of this role; None where it holds none."""
    if role == "reviews":
        return read_reviews
    return (lambda path: read_rows(path, TABLE_COLUMNS)) if role.startswith(TABLE_ROLE) else None


def write_play_tables(
    connection: duckdb.DuckDBPyConnection, files: Mapping[str, Path], repeats: str, paths: Mapping[str, Path]
) -> None:
    """Read raw files, given by role in the order that breaks ties in time, and write all clean tables.

    `connection` is empty and its own. Raises DamagedFileError.
    """
    connection.execute(_TABLES)
    counts, form = list[dict[str, object]](), None
    rows_read: dict[str, int] = {}
    for number, (role, path) in enumerate(files.items()):
        connection.execute("INSERT INTO files VALUES (?, ?)", [number, role])
        if read := reader_of(role):
            rows_read[role], form = _add_plays(connection, number, read(path), form)
        elif role == ITEMS_ROLE:
            counts.append(_add_items(connection, number, path))
    make_table(connection, "numbered_plays")
    connection.execute("DROP TABLE plays")
    kept = {"repeats": repeats}
    write_parquet(connection, statement("played_interactions"), paths["interactions"], kept)
    accepted = {file: found for file, *found in connection.execute(statement("play_counts"), kept).fetchall()}
    for number, role in enumerate(files):
        if role in rows_read:
            counts.append(count_rows(role, rows_read[role], *map(int, accepted.get(number, (0, 0)))))
    _write_catalogue(connection, files, counts, paths)
    write_rows([], ITEM_NAMES, paths["item_names"])
    write_rows(counts, RAW_COUNTS, paths["raw_counts"])


def _add_plays(
    connection: duckdb.DuckDBPyConnection, number: int, batches: Iterator[pa.Table], form: str | None
) -> tuple[int, str | None]:
    """Take in a file of plays; returns how many rows it had, and the form of the timestamps as known then."""
    rows = 0
    for batch in batches:
        connection.register("batch", batch)
        make_view(connection, "read_plays")
        if form is None:
            first = connection.execute(statement("first_form")).fetchone()
            form = first[0] if first else None
        make_table(connection, "judged_plays", {"form": form or ""})
        append(connection, "plays", "accepted_plays", {"file": number})
        append(connection, "refused", "refused_plays", {"file": number})
        rows += len(batch)
    return rows, form


def _add_items(connection: duckdb.DuckDBPyConnection, number: int, path: Path) -> dict[str, object]:
    """Take in a file of items; returns its row of raw_counts."""
    rows = accepted = 0
    named = dict.fromkeys(columns_of(path, ITEM_COLUMNS))
    further = [name for name in named if name not in NOT_FURTHER][:MAX_FURTHER]
    for batch in read_rows(path, ITEM_COLUMNS, [*DESCRIPTIONS, *further]):
        connection.register("batch", _with_attributes(batch, further))
        accepted += append(connection, "all_items", "read_items", {})
        append(connection, "refused", "refused_items", {"file": number})
        rows += len(batch)
    distinct = connection.execute("SELECT count(DISTINCT item_id) FROM all_items").fetchone() or (0,)
    return count_rows(ITEMS_ROLE, rows, accepted, accepted - int(distinct[0]))


def _with_attributes(batch: pa.Table, further: Sequence[str]) -> pa.Table:
    """The further columns as one, of JSON objects, so that every catalogue has the same columns."""
    columns = [batch[name].to_pylist() for name in further]
    objects = [
        {name: value for name, value in zip(further, row, strict=True) if value}
        for row in (zip(*columns, strict=True) if columns else [()] * len(batch))
    ]
    texts = [json.dumps(of, ensure_ascii=False, sort_keys=True) if of else None for of in objects]
    return batch.drop_columns(list(further)).append_column("attributes", pa.array(texts, pa.string()))


def _write_catalogue(
    connection: duckdb.DuckDBPyConnection,
    files: Mapping[str, Path],
    counts: list[dict[str, object]],
    paths: Mapping[str, Path],
) -> None:
    """The catalogue, from the Steam catalogue or a file of items, and the quarantine of all files."""
    catalogue = Catalogue()
    if "games" in files:
        catalogue = read_games(files["games"])
        counts.append(count_games(catalogue))
        write_catalogue(catalogue, paths["catalogue"])
    else:
        write_parquet(connection, statement("described_items"), paths["catalogue"])
    entries = [{"file": "games"} | asdict(entry) for entry in catalogue.quarantine]
    connection.register("catalogue_quarantine", pa.Table.from_pylist(entries, QUARANTINE))
    write_parquet(connection, statement("played_quarantine"), paths["quarantine"])
