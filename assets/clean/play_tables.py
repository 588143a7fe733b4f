"""Makes the clean tables from files of plays, row by row: anybody's table, and the Steam reviews."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import duckdb
import pyarrow as pa

from assets.clean.clean_tables import CATALOGUE, ITEM_NAMES, QUARANTINE, RAW_COUNTS, UNREAD_VALUES
from assets.clean.doubtful_files import warn_of_files
from assets.clean.forgetting import HIDE, forgotten_table
from assets.clean.left_out import TIME_FORMAT_HINT
from assets.clean.steam_tables import count_games, count_rows, write_catalogue, write_rows
from assets.engines.engine import DuckDB, Engine
from assets.engines.sql import append, make_table, make_view, statement
from assets.formats.ids import with_usable_ids
from assets.formats.item_rows import UNREAD
from assets.formats.reading import AS_IT_IS, Reading
from assets.formats.rows import ID_COLUMNS, ITEM_COLUMNS, RowReader, with_file
from assets.formats.steam_games import Catalogue, read_games
from assets.formats.timestamps import clock_of
from assets.ingest.sources import catalogue_reader, plays_reader

PLAYS = {
    "plays": pa.schema(
        {
            "file": pa.int32(),
            "line": pa.int32(),
            "user_id": pa.string(),
            "item_id": pa.string(),
            "time": pa.int64(),
            "parts": pa.int32(),  # millionths behind the point of the time
            "zoned": pa.bool_(),  # whether a time of day says how far it is from UTC
        }
    ),
    "refused": pa.schema(
        {"file": pa.int32(), "line": pa.int32(), "reason": pa.string(), "text": pa.string()}
    ),
    "forgotten_plays": pa.schema({"file": pa.int32()}),
    "all_items": pa.schema(
        [
            pa.field("line", pa.int32()),
            *CATALOGUE.schema,
            *(pa.field(unread, pa.string()) for unread in UNREAD.values()),
        ]
    ),
}
FILES = pa.schema({"file": pa.int32(), "role": pa.string()})


def write_play_tables(
    connection: duckdb.DuckDBPyConnection,
    files: Mapping[str, Path],
    repeats: str,
    paths: Mapping[str, Path],
    forgotten: Collection[str] = (),
    reading: Reading = AS_IT_IS,
) -> None:
    """Read raw files, given by role in the order that breaks ties in time, and write all clean tables.

    Plays of forgotten users are left out and counted. `connection` is empty and its own.
    Raises DamagedFileError.
    """
    engine = DuckDB(connection)
    connection.execute("SET TimeZone = 'UTC'")
    for table, columns in PLAYS.items():
        engine.create(table, columns)
    engine.load("forgotten", forgotten_table(forgotten))
    counts, form = list[dict[str, object]](), None
    rows_read: dict[str, int] = {}
    for number, (role, path) in enumerate(files.items()):
        if plays := plays_reader(role):
            judged = {"unread_time": unread_time([plays])}
            batches = plays.reading(reading).read(path)
            rows_read[role], form = _add_plays(connection, number, batches, form, judged)
        elif items := catalogue_reader(role):
            counts.append(_add_items(connection, number, role, items.reading(reading).read(path)))
    catalogue = read_games(files["games"]) if "games" in files else Catalogue()
    make_plays(engine, list(files), rows_read, form, repeats, paths, counts)
    warn_of_files(engine, list(files))
    if "games" in files:
        counts.append(count_games(catalogue))
        write_catalogue(catalogue, paths["catalogue"])
    else:
        engine.write("described_items", paths["catalogue"])
    entries = [{"file": "games"} | asdict(entry) for entry in catalogue.quarantine]
    engine.load("catalogue_quarantine", QUARANTINE.rows(entries))
    engine.write("played_quarantine", paths["quarantine"], HIDE)
    write_unread_values(engine, list(files), paths)
    write_rows(counts, RAW_COUNTS, paths["raw_counts"])


def unread_time(readers: Iterable[RowReader]) -> str:
    """The reason of plays with a time that cannot be read."""
    way_on = TIME_FORMAT_HINT if any(one.read_as for one in readers) else ""
    return f"a timestamp that is neither a whole number nor an ISO date or time{way_on}"


def make_plays(
    engine: Engine,
    roles: Sequence[str],
    rows_read: Mapping[str, int],
    form: str | None,
    repeats: str,
    paths: Mapping[str, Path],
    counts: list[dict[str, object]],
) -> None:
    """From `plays` and `refused`: interactions, no item names, and a row of `counts` for each file of plays.

    `roles` are those of the raw files in their order, `form` is that of the times.
    """
    _settle_times(engine, form)
    files = [{"file": number, "role": role} for number, role in enumerate(roles)]
    engine.load("files", pa.Table.from_pylist(files, FILES))
    engine.make_table("numbered_plays")
    kept = {"repeats": repeats}
    engine.write("played_interactions", paths["interactions"], kept)
    accepted = {file: found for file, *found in engine.find("play_counts", kept).rows}
    left_out = dict(engine.find("forgotten_counts").rows)
    zoned = {file: found for file, *found in engine.find("zoned_counts").rows}
    for number, role in enumerate(roles):
        if role in rows_read:
            n_accepted, n_repeats = map(int, accepted.get(number, (0, 0)))
            n_forgotten = int(left_out.get(number, 0))
            row = count_rows(role, rows_read[role], n_accepted, n_repeats, n_forgotten)
            n_zoned, n_plain = map(int, zoned.get(number, (0, 0)))
            counts.append(row | {"times_zoned": n_zoned, "times_plain": n_plain})
    write_rows([], ITEM_NAMES, paths["item_names"])


def write_unread_values(engine: Engine, roles: Sequence[str], paths: Mapping[str, Path]) -> None:
    """What could not be read in the file of items, if there is one, as `all_items` has it."""
    items = [role for role in roles if catalogue_reader(role)]
    if items:
        engine.write("unread_values", paths["unread_values"], {"file": items[0]})
    else:
        write_rows([], UNREAD_VALUES, paths["unread_values"])


def _settle_times(engine: Engine, form: str | None) -> None:
    """From `plays`: `timed_plays`, in one unit of time; what is in another, or none, is `refused`."""
    clock = None
    if form == "date":
        engine.make_view("measured_dates")
        if clock_of({unit: int(n) for unit, n in engine.find("date_units").rows}, 0):
            engine.append("refused", "mistimed_dates")
            engine.make_table("timed_dates")
            engine.alias("timed_plays", "timed_dates")
            return
    if form == "number":
        engine.make_view("measured_plays")
        found = engine.find("time_units").rows
        clock = clock_of({unit: int(n) for unit, n, _ in found}, sum(int(broken) for *_, broken in found))
    if clock is None:
        engine.alias("timed_plays", "plays")
        return
    engine.append("refused", "mistimed_plays", {"unit": clock.unit, "zeros": clock.zeros})
    engine.make_table("timed_plays", clock._asdict())


def _add_plays(
    connection: duckdb.DuckDBPyConnection,
    number: int,
    batches: Iterator[pa.Table],
    form: str | None,
    judged: Mapping[str, str],
) -> tuple[int, str | None]:
    """Take in a file of plays; returns how many rows it had, and the form of the timestamps as known then."""
    rows = 0
    for batch in batches:
        connection.register("batch", with_file(with_usable_ids(batch, ID_COLUMNS), number))
        make_view(connection, "read_plays")
        if form is None:
            first = connection.execute(statement("first_form")).fetchone()
            form = first[0] if first else None
        make_table(connection, "judged_plays", {"form": form or "", **judged})
        append(connection, "plays", "accepted_plays", {})
        append(connection, "refused", "refused_plays", {})
        append(connection, "forgotten_plays", "forgotten_plays", {})
        rows += len(batch)
    return rows, form


def _add_items(
    connection: duckdb.DuckDBPyConnection, number: int, role: str, batches: Iterator[pa.Table]
) -> dict[str, object]:
    """Take in a file of items; returns its row of raw_counts."""
    rows = accepted = 0
    for batch in batches:
        connection.register("batch", with_file(with_usable_ids(batch, ITEM_COLUMNS), number))
        accepted += append(connection, "all_items", "read_items", {})
        append(connection, "refused", "refused_items", {})
        rows += len(batch)
    different = DuckDB(connection).find("item_counts").one()["different"]
    return count_rows(role, rows, accepted, accepted - int(different))
