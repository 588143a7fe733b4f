"""The item vocabulary and the sequences of each user with their split."""

import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow.parquet as pq

from assets.contracts import checks_of
from assets.resources import Home, Splitting
from assets.sequences import seen
from assets.sequences.listed_items import listed
from assets.sequences.new_items import new_items
from assets.sequences.sequences_tables import NEW_ITEMS, SEQUENCES_TABLES
from assets.sequences.splitting import (
    AUTO,
    CUTOFFS,
    LEAVE_ONE_OUT,
    SplitError,
    check_parts,
    make_splits,
)
from assets.sequences.vocabulary import order_items, played_items
from assets.sequences.why_split import why_split
from assets.shown.tables import table_result, table_specs
from assets.state.code import made_by
from assets.state.lake import fingerprint
from models.bundle.bundle import BundleError, ItemTable, read_items
from serving.state.pointer import read_pointer

CODE = made_by(__name__, "assets.engines")
INPUTS = ("core_interactions", "catalogue", "item_names")
DEPENDENCIES = (*INPUTS, "listed_items")


@dg.multi_asset(
    pool="lake",
    name="sequences",
    specs=table_specs(SEQUENCES_TABLES.values(), DEPENDENCIES, {"duckdb", "sql"}, CODE),
)
def sequences(home: Home, splitting: Splitting) -> Iterator[dg.MaterializeResult[None]]:
    started, lake = time.monotonic(), home.lake()
    offered = listed(lake)
    new = new_items(lake, splitting.new_items, NEW_ITEMS.schema)
    with lake.connect("core_interactions") as connection:
        wanted = played_items(connection).union(*(rows["item_id"].to_pylist() for rows in (offered, new)))
        vocabulary = order_items(_champion_items(home), wanted)
    made_from = fingerprint(
        "sequences",
        CODE,
        [lake.current(table).fingerprint for table in INPUTS],
        [splitting.split, splitting.cutoffs if splitting.split != LEAVE_ONE_OUT else None],
        splitting.exclude_seen,
        *([vocabulary.order] if vocabulary.kept else []),
        *([lake.current("listed_items").fingerprint] if offered.num_rows else []),
        *([f"new items of {splitting.new_items} days"] if new.num_rows else []),
    )

    def write(paths: Mapping[str, Path]) -> None:
        with home.engine_on(*INPUTS) as engine:
            engine.load("item_order", vocabulary.rows())
            engine.load("listed", offered)
            counted = seen.count_seen(engine, splitting.exclude_seen)
            made = make_splits(engine, splitting.split, splitting.cutoffs, counted)
            engine.make_table("items")
            engine.write("ordered_items", paths["items"])
            engine.write("kept_items", paths["items_before"])
            engine.write("sequences", paths["sequences"])
            engine.write("split", paths["split"], made)
        pq.write_table(new, paths["new_items"])
        check_parts(pq.read_table(paths["split"]).to_pylist()[0])

    try:
        versions = lake.publish_many(made_from, list(SEQUENCES_TABLES), write)
    except SplitError as error:
        raise dg.Failure(str(error), allow_retries=False) from None
    row = pq.read_table(versions["split"].path).to_pylist()[0]
    _say(row, splitting)
    with lake.connect(*SEQUENCES_TABLES) as connection:
        for version in versions.values():
            told = {"split": why_split(row), "seen items": seen.told(row, splitting.exclude_seen)}
            yield table_result(connection, version, started, told if version.table == "split" else {})


def _say(row: Mapping[str, Any], splitting: Splitting) -> None:
    log, setting = dg.get_dagster_logger(), splitting.exclude_seen
    log.info("%s", why_split(row))
    if splitting.split == AUTO and splitting.cutoffs != CUTOFFS and row["test_from"] is None:
        log.warning(
            "NEXTPLAY_CUTOFFS=%s has no effect, for the plays are not split in time.", splitting.cutoffs
        )
    log.info("%s", seen.told(row, setting))
    if against := seen.warning(row, setting):
        log.warning("%s", against)


def _champion_items(home: Home) -> ItemTable | None:
    """The champion's vocabulary, if there is a champion that can be read."""
    try:
        pointer = read_pointer(home.pointer_file)
        return read_items(pointer.folder(home.pointer_file)) if pointer else None
    except BundleError as error:
        dg.get_dagster_logger().warning(
            "The vocabulary begins anew, for the champion cannot be read: %s", error
        )
        return None


SEQUENCES_CHECKS = checks_of(*SEQUENCES_TABLES.values())
