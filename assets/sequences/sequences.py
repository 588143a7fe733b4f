"""The item vocabulary and the sequences of each user with their split."""

import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import dagster as dg

from assets.contracts import contract, no_faults
from assets.resources import Home, Splitting
from assets.sequences.loading import TABLES
from assets.sequences.splitting import TEMPORAL, SplitError, make_splits
from assets.sequences.vocabulary import order_items, played_items
from assets.shown.tables import table_result
from assets.state.code import made_by
from assets.state.lake import fingerprint
from models.bundle.bundle import BundleError, ItemTable, read_items
from serving.state.pointer import read_pointer

CODE = made_by(__name__)


@dg.multi_asset(
    pool="lake",
    name="sequences",
    specs=[
        dg.AssetSpec(
            table,
            description=description,
            kinds={"duckdb", "sql"},
            code_version=CODE,
            deps=["core_interactions", "catalogue", "item_names"],
        )
        for table, description in TABLES.items()
    ],
)
def sequences(home: Home, splitting: Splitting) -> Iterator[dg.MaterializeResult[None]]:
    started, lake = time.monotonic(), home.lake()
    inputs = ["core_interactions", "catalogue", "item_names"]
    with lake.connect("core_interactions") as connection:
        vocabulary = order_items(_champion_items(home), played_items(connection))
    made_from = fingerprint(
        "sequences",
        CODE,
        [lake.current(table).fingerprint for table in inputs],
        [splitting.split, splitting.cutoffs if splitting.split == TEMPORAL else None],
        *([vocabulary.order] if vocabulary.kept else []),
    )

    def write(paths: Mapping[str, Path]) -> None:
        with home.engine_on(*inputs) as engine:
            engine.load("item_order", vocabulary.rows())
            made = make_splits(engine, splitting.split, splitting.cutoffs)
            engine.make_table("items")
            engine.write("ordered_items", paths["items"])
            engine.write("kept_items", paths["items_before"])
            engine.write("sequences", paths["sequences"])
            engine.write("split", paths["split"], made)

    try:
        versions = lake.publish_many(made_from, list(TABLES), write)
    except SplitError as error:
        raise dg.Failure(str(error), allow_retries=False) from None
    with lake.connect(*TABLES) as connection:
        for version in versions.values():
            yield table_result(connection, version, started, {})


def _champion_items(home: Home) -> ItemTable | None:
    """The champion's vocabulary, if there is a champion that can be read."""
    try:
        pointer = read_pointer(home.pointer_file)
        return read_items(pointer.folder(home.pointer_file)) if pointer else None
    except BundleError as error:
        dg.get_dagster_logger().warning("The vocabulary begins anew, for the champion is broken: %s", error)
        return None


SEQUENCES_CHECKS = [
    *(contract(table) for table in TABLES),
    no_faults(
        "vocabulary_is_one_to_one",
        "fault_vocabulary",
        ["items", "core_interactions", "items_before"],
        "Item ids and the indexes 1..n are one to one, for the items of the core; none is renumbered.",
    ),
    no_faults(
        "sequences_are_the_core",
        "fault_sequences",
        ["sequences", "items", "core_interactions"],
        "The sequences hold each interaction of the core, at its place, and nothing else.",
    ),
    no_faults(
        "sequences_positions",
        "fault_positions",
        ["sequences"],
        "The positions of each user are 0, 1, 2, ...",
        checked="sequences",
    ),
    no_faults(
        "sequences_split",
        "fault_splits",
        ["sequences", "split"],
        "Leave-one-out: the last item is the test, the one before the validation; no others are.",
    ),
    no_faults(
        "sequences_temporal_split",
        "fault_temporal",
        ["sequences", "split", "core_interactions"],
        "Temporal: what comes before the cut is trained on, and the first play after it is the target.",
    ),
    no_faults(
        "held_out_items_are_unseen",
        "fault_leak",
        ["sequences"],
        "No held-out item comes in its user's sequence before, unless repeats are kept.",
        lambda cleaning: {"repeats": cleaning.repeats},
    ),
]
