"""Makes the clean tables on Spark: raw lines are parsed on the executors, all else is `assets/sql`."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from assets.clean.clean_tables import RAW_COUNTS, UNREAD_VALUES
from assets.clean.forgetting import HIDE, forgotten_table
from assets.clean.play_tables import PLAYS, make_plays, unread_time, write_unread_values
from assets.clean.spark_raw import WORK, Reader, games_reader, libraries_reader, rows_reader
from assets.clean.steam_tables import NO_TIMES, count_rows, write_rows
from assets.engines.spark import Spark
from assets.formats.item_rows import READ_COLUMNS
from assets.formats.reading import AS_IT_IS, Reading
from assets.formats.rows import ID_COLUMNS, ITEM_COLUMNS, TABLE_COLUMNS, RowReader
from assets.ingest.sources import catalogue_reader, plays_reader

Addresses = Mapping[str, str]  # of the raw files, by role


def write_clean_on_spark(
    spark: Spark,
    files: Addresses,
    repeats: str,
    paths: Mapping[str, Path],
    forgotten: Collection[str] = (),
    reading: Reading = AS_IT_IS,
) -> None:
    """Read raw files, given by role in the order that breaks ties in time, and write all clean tables.

    Plays of forgotten users are left out and counted. The executors have to reach the addresses.
    Raises DamagedFileError.
    """
    if any(plays_reader(role) for role in files):
        spark.load("forgotten", forgotten_table(forgotten))
        _write_plays(spark, files, repeats, paths, reading)
    else:
        _write_libraries(spark, files, paths, forgotten)


def _write_libraries(
    spark: Spark, files: Addresses, paths: Mapping[str, Path], forgotten: Collection[str]
) -> None:
    reader = libraries_reader(frozenset(forgotten))
    _read(spark, "read_libraries", [(0, files["libraries"])], reader, spark.tasks)
    counts = _read_games(spark, files)
    spark.write("owned_interactions", paths["interactions"])
    spark.write("owned_names", paths["item_names"])
    spark.write("described_items", paths["catalogue"])
    spark.write("owned_quarantine", paths["quarantine"])
    write_rows([], UNREAD_VALUES, paths["unread_values"])
    found = spark.find("library_counts").one()
    kept = spark.rows(paths["interactions"])
    repeats = int(found["items_accepted"]) - kept
    counts.append({"file": "libraries", **found, "repeats": repeats, **NO_TIMES})
    write_rows(counts, RAW_COUNTS, paths["raw_counts"])


def _write_plays(
    spark: Spark, files: Addresses, repeats: str, paths: Mapping[str, Path], reading: Reading
) -> None:
    roles = list(files)
    readers = {number: one for number, role in enumerate(roles) if (one := plays_reader(role))}
    plays = {number: one.reading(reading) for number, one in readers.items()}
    items = {
        number: one.reading(reading) for number, role in enumerate(roles) if (one := catalogue_reader(role))
    }
    for table, columns in PLAYS.items():
        if table != "all_items" or items:
            spark.create(table, columns)
    _read_rows(spark, files, plays, TABLE_COLUMNS, ID_COLUMNS)
    spark.make_table("read_plays")
    first = spark.find("first_form").rows
    form = first[0][0] if first else None
    spark.make_view("judged_plays", {"form": form or "", "unread_time": unread_time(readers.values())})
    spark.append("plays", "accepted_plays")
    spark.append("refused", "refused_plays")
    spark.append("forgotten_plays", "forgotten_plays")
    rows = {roles[file]: int(count) for file, count in spark.find("rows_read").rows}
    rows_read = {roles[number]: rows.get(roles[number], 0) for number in plays}
    counts = _add_items(spark, files, items)
    make_plays(spark, roles, rows_read, form, repeats, paths, counts)
    counts += _read_games(spark, files)
    spark.write("described_items", paths["catalogue"])
    spark.write("played_quarantine", paths["quarantine"], HIDE)
    write_unread_values(spark, roles, paths)
    write_rows(counts, RAW_COUNTS, paths["raw_counts"])


def _add_items(spark: Spark, files: Addresses, items: Mapping[int, RowReader]) -> list[dict[str, object]]:
    """Take in the file of items, if there is one; returns its row of raw_counts."""
    if not items:
        return []
    _read_rows(spark, files, items, READ_COLUMNS, ITEM_COLUMNS)
    (role,) = (list(files)[number] for number in items)
    accepted = spark.append("all_items", "read_items")
    refused = spark.append("refused", "refused_items")
    different = spark.find("item_counts").one()["different"]
    return [count_rows(role, accepted + refused, accepted, accepted - int(different))]


def _read_games(spark: Spark, files: Addresses) -> list[dict[str, object]]:
    """Take in the catalogue of the store, if there is one; returns its row of raw_counts."""
    games = [(0, files["games"])] if "games" in files else []
    _read(spark, "read_games", games, games_reader(), spark.tasks)
    spark.make_view("catalogue_quarantine")
    if any(catalogue_reader(role) for role in files):
        return []
    spark.make_view("all_items")
    found = spark.find("game_counts").one()
    accepted = int(found["accepted"])
    games_row = count_rows("games", int(found["lines_read"]), accepted, accepted - int(found["different"]))
    return [games_row] if games or "libraries" in files else []


def _read_rows(
    spark: Spark,
    files: Addresses,
    readers: Mapping[int, RowReader],
    columns: tuple[str, ...],
    ids: tuple[str, ...],
) -> None:
    """Parse files of rows, each with its reader, given by number; tasks share one that has chunks."""
    addresses = list(files.values())
    work = [
        (number, addresses[number], part, parts)
        for number, reader in readers.items()
        for parts in [spark.tasks if reader.read_chunk else 1]
        for part in range(parts)
    ]
    spark.make_rows("batch", work, WORK, rows_reader(readers, columns, ids))


def _read(spark: Spark, table: str, files: Sequence[tuple[int, str]], reader: Reader, parts: int) -> None:
    """Parse files, given by number and address, each in `parts` tasks."""
    work = [(number, address, part, parts) for number, address in files for part in range(parts)]
    spark.make_rows(table, work, WORK, reader)
