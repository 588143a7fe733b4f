"""From raw files to interactions to learn from: typed, quarantined, united, long enough, k-core."""

import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb

from assets.clean.clean_tables import CLEAN_TABLES, UNREAD_VALUES
from assets.clean.forgetting import without_users
from assets.clean.left_out import unread_files
from assets.clean.play_tables import write_play_tables
from assets.clean.steam_tables import (
    Owned,
    write_catalogue,
    write_interactions,
    write_item_names,
    write_quarantine,
    write_raw_counts,
    write_rows,
)
from assets.contracts import checks_of
from assets.engines.sql import query, statement
from assets.formats.gunzip import DamagedFileError
from assets.formats.reading import Reading
from assets.formats.steam_format import read_libraries
from assets.formats.steam_games import Catalogue, read_games
from assets.ingest.raw_file import RawFile
from assets.ingest.raw_files import current_raw_files, shared_address
from assets.ingest.sources import plays_reader
from assets.resources import Cleaning, Home, Source
from assets.shown.charts import markdown_image
from assets.shown.plots import size_chart
from assets.shown.tables import table_result, table_specs
from assets.state.code import made_by
from assets.state.lake import Lake, fingerprint

CODE = made_by(__name__)


@dg.multi_asset(
    pool="lake",
    name="clean",
    specs=table_specs(CLEAN_TABLES.values(), ["raw_files"], {"python", "parquet"}, CODE),
)
def clean(home: Home, source: Source, cleaning: Cleaning) -> Iterator[dg.MaterializeResult[None]]:
    started, lake = time.monotonic(), home.lake()
    raw_files = current_raw_files(home)
    files = {file.role: file.path for file in raw_files}
    forgotten, reading = home.forgotten_users(), source.reading()
    write, made_how = partial(write_clean, files, forgotten=forgotten), list[object]([forgotten])
    if any(plays_reader(role) for role in files):
        write = partial(_write_plays, lake, files, cleaning.repeats, forgotten, reading)
        made_how += [cleaning.repeats, asdict(reading)]
    if home.engine == "spark":
        write = partial(_write_on_spark, home, raw_files, cleaning.repeats, forgotten, reading)
    made_from = fingerprint("clean", CODE, lake.current("raw_files").fingerprint, *made_how)
    try:
        versions = lake.publish_many(made_from, list(CLEAN_TABLES), write)
    except DamagedFileError as error:
        raise dg.Failure(str(error), allow_retries=False) from None
    with lake.connect(*CLEAN_TABLES) as connection:
        told: dict[str, dict[str, Any]] = {
            "interactions": {
                "library sizes": dg.MetadataValue.md(library_sizes(connection)),
                "left out as forgotten": _forgotten_items(connection),
                **_shown_zones(connection),
            },
            "quarantine": {"by reason": dg.MetadataValue.md(query(connection, "quarantine_reasons"))},
        }
        for table, version in versions.items():
            yield table_result(connection, version, started, told.get(table, {}))


def _forgotten_items(connection: duckdb.DuckDBPyConnection) -> int:
    """Plays in the raw files that are in no table, as their users asked to be forgotten."""
    row = connection.execute("SELECT CAST(sum(items_forgotten) AS BIGINT) FROM raw_counts").fetchone()
    return int(row[0] or 0) if row else 0


def zones(connection: duckdb.DuckDBPyConnection) -> tuple[int, int]:
    """How many times of day say how far they are from UTC, and how many do not; of `raw_counts`."""
    (zoned, plain) = connection.execute(
        "SELECT CAST(sum(times_zoned) AS BIGINT), CAST(sum(times_plain) AS BIGINT) FROM raw_counts"
    ).fetchone() or (0, 0)
    return zoned or 0, plain or 0


def _shown_zones(connection: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """Nothing where no play has a time of day."""
    zoned, plain = zones(connection)
    shown = {"times with an offset from UTC": zoned, "times without one, read as UTC": plain}
    return shown if zoned or plain else {}


def write_clean(
    files: Mapping[str, Path], paths: Mapping[str, Path], forgotten: Collection[str] = ()
) -> None:
    """Read the raw files, given by role, and write all clean tables, without what forgotten users did.

    A source may have no catalogue.
    """
    read = read_libraries(files["libraries"], spill=paths["interactions"].parent)
    libraries = without_users(read, forgotten)
    catalogue = read_games(files["games"]) if "games" in files else Catalogue()
    quarantine = {"games": catalogue.quarantine, "libraries": libraries.quarantine}
    interactions = write_interactions(Owned(libraries), paths["interactions"])
    write_quarantine(quarantine, paths["quarantine"])
    write_catalogue(catalogue, paths["catalogue"])
    write_item_names(libraries, paths["item_names"])
    write_raw_counts(libraries, interactions, catalogue, paths["raw_counts"])
    write_rows([], UNREAD_VALUES, paths["unread_values"])


def _write_on_spark(
    home: Home,
    files: Sequence[RawFile],
    repeats: str,
    forgotten: Collection[str],
    reading: Reading,
    paths: Mapping[str, Path],
) -> None:
    from assets.clean.spark_clean import write_clean_on_spark

    addresses = {file.role: shared_address(home, file) for file in files}
    with home.spark() as spark:
        write_clean_on_spark(spark, addresses, repeats, paths, forgotten, reading)


def _write_plays(
    lake: Lake,
    files: Mapping[str, Path],
    repeats: str,
    forgotten: Collection[str],
    reading: Reading,
    paths: Mapping[str, Path],
) -> None:
    with lake.connect() as connection:
        write_play_tables(connection, files, repeats, paths, forgotten, reading)


def library_sizes(connection: duckdb.DuckDBPyConnection) -> str:
    """A histogram of games per user, on a logarithmic axis, as a Markdown image."""
    sizes = connection.execute(statement("library_sizes")).fetchall()
    return markdown_image(size_chart(dict(sizes)), "Library sizes")


@dg.asset_check(
    asset="raw_counts",
    additional_deps=["quarantine"],  # not interactions, whose failed checks would keep this one from running
    description="Of no raw file most was left out. Among others it may be too little to stop the run.",
)
def each_file_is_read(home: Home, cleaning: Cleaning) -> dg.AssetCheckResult:
    with home.engine_on("raw_counts", "quarantine", "interactions") as engine:
        told = unread_files(engine, cleaning.max_quarantined_share)
    return dg.AssetCheckResult(passed=not told, severity=dg.AssetCheckSeverity.WARN, description=told)


CLEAN_CHECKS = checks_of(*CLEAN_TABLES.values())
