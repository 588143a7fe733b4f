"""From raw files to interactions to learn from: typed, quarantined, united, long enough, k-core."""

import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import dagster as dg
import duckdb

from assets.contracts import contract, no_faults
from assets.io.engine import Engine
from assets.io.forgetting import without_users
from assets.io.gunzip import DamagedFileError
from assets.io.lake import Lake, TableVersion, fingerprint
from assets.io.play_tables import PLAY_STATEMENTS, reader_of, write_play_tables
from assets.io.raw_file import RawFile
from assets.io.sql import markdown, preview, query, statement
from assets.io.steam_format import read_libraries
from assets.io.steam_games import Catalogue, read_games
from assets.io.steam_tables import (
    Owned,
    write_catalogue,
    write_interactions,
    write_item_names,
    write_quarantine,
    write_raw_counts,
)
from assets.plots import BLUE, figure, markdown_image
from assets.raw import current_raw_files, shared_address
from assets.resources import Cleaning, Home

CODE_VERSION = "4"
CLEAN_TABLES = {
    "interactions": "One row a user and game, in the order of time or, where there is none, of the library.",
    "quarantine": "What was left out of the raw files, with its reason.",
    "catalogue": "What the store says about its games.",
    "item_names": "What the libraries call their games.",
    "raw_counts": "How much each raw file holds, and how much of it was accepted.",
}
CORE_STATEMENTS = (
    "candidate_users",
    "candidate_items",
    "candidates",
    "weak_users",
    "weak_items",
    "remaining",
    "core_interactions",
)

# The file of McAuley's lab (2018), and what others count in it; see docs/data.md.
PINNED_LIBRARIES = "0b329f79ddf450aba0aad923c8cb6d1affac0c98efaf70242d22fd10987a8d99"
REFERENCE = {"users": 56_808, "games": 6_382, "interactions": 2_235_453}
REFERENCE_CLEANING = {"min_playtime": 60, "core": 5}


@dg.multi_asset(
    pool="lake",
    name="clean",
    specs=[
        dg.AssetSpec(
            table,
            description=description,
            group_name="clean",
            kinds={"python", "parquet"},
            code_version=CODE_VERSION,
            deps=["raw_files"],
        )
        for table, description in CLEAN_TABLES.items()
    ],
)
def clean(home: Home, cleaning: Cleaning) -> Iterator[dg.MaterializeResult[None]]:
    started, lake = time.monotonic(), home.lake()
    raw_files = current_raw_files(home)
    files = {file.role: file.path for file in raw_files}
    forgotten = home.forgotten_users()
    write, made_how = partial(write_clean, files, forgotten=forgotten), list[object]([forgotten])
    if any(reader_of(role) for role in files):
        write = partial(_write_plays, lake, files, cleaning.repeats, forgotten)
        made_how += [cleaning.repeats, [statement(name) for name in PLAY_STATEMENTS]]
    if home.engine == "spark":
        write = partial(_write_on_spark, home, raw_files, cleaning.repeats, forgotten)
    made_from = fingerprint("clean", CODE_VERSION, lake.current("raw_files").fingerprint, *made_how)
    try:
        versions = lake.publish_many(made_from, list(CLEAN_TABLES), write)
    except DamagedFileError as error:
        raise dg.Failure(str(error), allow_retries=False) from None
    with lake.connect(*CLEAN_TABLES) as connection:
        told: dict[str, dict[str, Any]] = {
            "interactions": {
                "library sizes": dg.MetadataValue.md(library_sizes(connection)),
                "left out as forgotten": _forgotten_items(connection),
            },
            "quarantine": {"by reason": dg.MetadataValue.md(query(connection, "quarantine_reasons"))},
        }
        for table, version in versions.items():
            yield table_result(connection, version, started, told.get(table, {}))


def _forgotten_items(connection: duckdb.DuckDBPyConnection) -> int:
    """Plays in the raw files that are in no table, as their users asked to be forgotten."""
    row = connection.execute("SELECT CAST(sum(items_forgotten) AS BIGINT) FROM raw_counts").fetchone()
    return int(row[0] or 0) if row else 0


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


def _write_on_spark(
    home: Home,
    files: Sequence[RawFile],
    repeats: str,
    forgotten: Collection[str],
    paths: Mapping[str, Path],
) -> None:
    from assets.io.spark_clean import write_clean_on_spark

    addresses = {file.role: shared_address(home, file) for file in files}
    with home.spark() as spark:
        write_clean_on_spark(spark, addresses, repeats, paths, forgotten)


def _write_plays(
    lake: Lake,
    files: Mapping[str, Path],
    repeats: str,
    forgotten: Collection[str],
    paths: Mapping[str, Path],
) -> None:
    with lake.connect() as connection:
        write_play_tables(connection, files, repeats, paths, forgotten)


@dg.asset(
    pool="lake",
    deps=["all_interactions"],
    group_name="clean",
    kinds={"duckdb", "sql"},
    code_version=CODE_VERSION,
    description="Interactions long enough to learn from; every user and item has enough of them (k-core).",
)
def core_interactions(home: Home, cleaning: Cleaning) -> dg.MaterializeResult[None]:
    started, lake = time.monotonic(), home.lake()
    settings = {"min_playtime": cleaning.min_playtime, "core": cleaning.core}
    made_from = fingerprint(
        "core",
        CODE_VERSION,
        lake.current("all_interactions").fingerprint,
        settings,
        [statement(name) for name in CORE_STATEMENTS],
    )
    rounds: list[Dropped] = []

    def write(path: Path) -> None:
        with home.engine_on("all_interactions") as engine:
            engine.alias("interactions", "all_interactions")
            rounds.extend(write_core(engine, path, **settings))

    version = lake.publish("core_interactions", made_from, write)
    with lake.connect("core_interactions") as connection:
        told = {"k-core rounds": dg.MetadataValue.md(markdown(Dropped._fields, rounds))} if rounds else {}
        return table_result(connection, version, started, {**told, **count_core(connection)})


class Dropped(NamedTuple):
    """What one round of the k-core dropped."""

    users: int
    items: int


def write_core(engine: Engine, path: Path, min_playtime: int, core: int) -> list[Dropped]:
    """Write the k-core of the view `interactions`; returns what each round dropped, the last one nothing.

    Users and items with fewer than `core` interactions are dropped in turns until none is left: the largest
    part of the bipartite graph in which every degree is at least `core` (Seidman, "Network structure and
    minimum degree", 1983), whatever the order of dropping.
    """
    for table in ("candidate_users", "candidate_items", "candidates"):
        engine.make_table(table, {"min_playtime": min_playtime})
    engine.create("dropped_users", "user_number INTEGER")
    engine.create("dropped_items", "item_number INTEGER")
    engine.make_view("remaining")
    rounds = []
    while True:
        users = engine.append("dropped_users", "weak_users", {"core": core})
        items = engine.append("dropped_items", "weak_items", {"core": core})
        rounds.append(Dropped(users, items))
        if users == items == 0:
            break
    engine.write("core_interactions", path)
    return rounds


def count_core(connection: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """Users, games and interactions of the core."""
    found = connection.execute(statement("core_counts"))
    row = found.fetchone() or ()
    return dict(zip((column[0] for column in found.description), row, strict=True))


def library_sizes(connection: duckdb.DuckDBPyConnection) -> str:
    """A histogram of games a user, on a logarithmic axis, as a Markdown image."""
    sizes = connection.execute(statement("library_sizes")).fetchnumpy()
    made, axes = figure(height=2.6)
    axes.bar(
        sizes["at_least"],
        sizes["users"],
        width=sizes["at_least"],
        align="edge",
        color=BLUE,
        edgecolor="white",
    )
    axes.set_xscale("log", base=2)
    axes.set_xlabel("games in a library (each bar twice as wide as the one before)")
    axes.set_ylabel("users")
    return markdown_image(made, "Library sizes")


def table_result(
    connection: duckdb.DuckDBPyConnection, version: TableVersion, started: float, told: Mapping[str, Any]
) -> dg.MaterializeResult[None]:
    """A published table with what the UI shows of it."""
    return dg.MaterializeResult(
        asset_key=version.table,
        metadata={
            "dagster/row_count": version.rows,
            **told,
            "first rows": dg.MetadataValue.md(preview(connection, version.table)),
            "fingerprint": version.fingerprint,
            "seconds": round(time.monotonic() - started, 1),
        },
        data_version=dg.DataVersion(version.fingerprint),
    )


def _share(cleaning: Cleaning) -> Mapping[str, Any]:
    return {"max_share": cleaning.max_quarantined_share}


def _core(cleaning: Cleaning) -> Mapping[str, Any]:
    return {"core": cleaning.core}


def _repeats(cleaning: Cleaning) -> Mapping[str, Any]:
    return {"repeats": cleaning.repeats}


def _min_playtime(cleaning: Cleaning) -> Mapping[str, Any]:
    return {"min_playtime": cleaning.min_playtime}


@dg.asset_check(
    asset="core_interactions",
    additional_deps=["raw_files"],
    description="On the file of McAuley's lab: as many users, games and interactions as others count in it.",
)
def core_matches_the_reference(home: Home, cleaning: Cleaning) -> dg.AssetCheckResult:
    pinned = any(file.sha256 == PINNED_LIBRARIES for file in current_raw_files(home))
    settings = {"min_playtime": cleaning.min_playtime, "core": cleaning.core}
    if not pinned or settings != REFERENCE_CLEANING:
        why = "not the settings of the reference" if pinned else "not the pinned file"
        return dg.AssetCheckResult(passed=True, description=why)
    with home.lake().connect("core_interactions") as connection:
        counts = count_core(connection)
    return dg.AssetCheckResult(
        passed=counts == REFERENCE,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"Found {counts}, the reference has {REFERENCE}.",
    )


INTERACTIONS_CHECKS = [
    *(contract(table) for table in ["raw_files", *CLEAN_TABLES, "core_interactions"]),
    no_faults(
        "nothing_is_lost",
        "fault_unaccounted",
        ["interactions", "raw_counts", "catalogue", "quarantine"],
        "Accepted, quarantined and forgotten add up to what was read, and all accepted is in the tables.",
    ),
    no_faults(
        "little_is_quarantined",
        "fault_quarantined",
        ["interactions", "raw_counts"],
        "No more is quarantined than the settings allow, and something is left.",
        _share,
    ),
    no_faults(
        "interactions_once",
        "fault_repeated",
        ["interactions"],
        "No user has an item twice, unless repeats are kept.",
        _repeats,
        checked="interactions",
    ),
    no_faults(
        "interactions_positions",
        "fault_positions",
        ["interactions"],
        "The positions of each user are 0, 1, 2, ...",
        checked="interactions",
    ),
    no_faults(
        "core_is_a_core",
        "fault_core",
        ["core_interactions"],
        "Every user and every item has as many interactions as the settings ask for.",
        _core,
    ),
    no_faults(
        "core_played_long_enough",
        "fault_short_play",
        ["core_interactions", "all_interactions"],
        "Every interaction whose length is known is longer than the settings ask for, and as it was read.",
        _min_playtime,
    ),
    no_faults(
        "core_positions",
        "fault_positions",
        ["core_interactions"],
        "The positions of each user are 0, 1, 2, ...",
        checked="core_interactions",
    ),
]
