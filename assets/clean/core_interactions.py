"""The k-core: users and items with enough interactions to learn from."""

import time
from pathlib import Path
from typing import NamedTuple

import dagster as dg
import duckdb
import pyarrow as pa

from assets.clean.clean_tables import PLAYED, numbered
from assets.clean.too_little import CoreError, too_little, why_too_little
from assets.contracts import checks_of
from assets.engines.engine import Engine
from assets.engines.sql import markdown, statement
from assets.formats.table import Rule, Table
from assets.ingest.raw_files import current_raw_files
from assets.ingest.sources import steam
from assets.resources import Cleaning, Home
from assets.shown.tables import columns_shown, table_result
from assets.state.code import made_by
from assets.state.files import literal
from assets.state.lake import fingerprint

CODE = made_by(__name__, "assets.engines")
CORE_INTERACTIONS = Table(
    "core_interactions",
    "Interactions long enough to learn from; every user and item has enough of them (k-core).",
    PLAYED,
    (
        Rule(
            "core_is_a_core",
            "fault_core",
            "Every user and every item has as many interactions as the settings ask for.",
            settings=("core",),
        ),
        Rule(
            "core_played_long_enough",
            "fault_short_play",
            "Every interaction whose length is known is longer than the settings ask for, and as it was "
            "read.",
            beside=("all_interactions",),
            settings=("min_playtime",),
        ),
        numbered("core_positions"),
    ),
)
DROPPED_USERS = pa.schema({"user_number": pa.int32()})
DROPPED_ITEMS = pa.schema({"item_number": pa.int32()})

PINNED_LIBRARIES = steam.LIBRARIES.sha256
REFERENCE = {"users": 56_808, "games": 6_382, "interactions": 2_235_453}  # in that file; see docs/data.md
REFERENCE_CLEANING = {"min_playtime": 60, "core": 5}


@dg.asset(
    pool="lake",
    deps=["all_interactions"],
    kinds={"duckdb", "sql"},
    code_version=CODE,
    description=CORE_INTERACTIONS.words,
    metadata=columns_shown(CORE_INTERACTIONS),
)
def core_interactions(home: Home, cleaning: Cleaning) -> dg.MaterializeResult[None]:
    started, lake = time.monotonic(), home.lake()
    settings = {"min_playtime": cleaning.min_playtime, "core": cleaning.core}
    made_from = fingerprint(
        "core",
        CODE,
        lake.current("all_interactions").fingerprint,
        settings,
    )
    rounds: list[Dropped] = []

    def write(path: Path) -> None:
        with home.engine_on("all_interactions") as engine:
            engine.alias("interactions", "all_interactions")
            rounds.extend(write_core(engine, path, **settings))
            with lake.connect() as connection:
                connection.from_parquet(literal(path)).create_view("core_interactions")
                left = count_core(connection)
            if too_little(left["users"], left["games"]):
                raise CoreError(why_too_little(engine, drop=drop_weak, **settings))

    try:
        version = lake.publish("core_interactions", made_from, write)
    except CoreError as error:
        raise dg.Failure(str(error), allow_retries=False) from None
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
    rounds = drop_weak(engine, core)
    engine.write("core_interactions", path)
    return rounds


def drop_weak(engine: Engine, core: int) -> list[Dropped]:
    """Make the view `remaining` the k-core of `candidates`; returns what each round dropped."""
    engine.create("dropped_users", DROPPED_USERS)
    engine.create("dropped_items", DROPPED_ITEMS)
    engine.make_view("remaining")
    rounds = []
    while True:
        users = engine.append("dropped_users", "weak_users", {"core": core})
        items = engine.append("dropped_items", "weak_items", {"core": core})
        rounds.append(Dropped(users, items))
        if users == items == 0:
            return rounds


def count_core(connection: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """Users, games and interactions of the core."""
    found = connection.execute(statement("core_counts"))
    row = found.fetchone() or ()
    return dict(zip((column[0] for column in found.description), row, strict=True))


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


CORE_CHECKS = checks_of(CORE_INTERACTIONS)
