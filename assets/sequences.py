"""The item vocabulary and the sequences of each user with their split."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from assets.attributes import item_attributes
from assets.contracts import contract, no_faults
from assets.interactions import table_result
from assets.io.lake import Lake, fingerprint
from assets.io.sql import statement
from assets.resources import Home, Splitting
from assets.splitting import SPLIT_STATEMENTS, TEMPORAL, SplitError, make_splits
from assets.vocabulary import order_items, played_items
from models.bundle import BundleError, ItemTable, read_items
from models.data import Holdout, Sequences, Split, labelled
from models.pointer import read_pointer

CODE_VERSION = "3"
VOCABULARY_STATEMENTS = ("items", "ordered_items", "kept_items")
TABLES = {
    "items": "The item vocabulary: index, id, title, occurrences in the training part, attributes.",
    "items_before": "The champion's vocabulary, where tonight's keeps its indexes; else empty.",
    "sequences": "Item indexes a user, oldest first, each in train, validation, test or context.",
    "split": "How the sequences are split, and how large the parts are.",
}


@dg.multi_asset(
    pool="lake",
    name="vocabulary_and_sequences",
    specs=[
        dg.AssetSpec(
            table,
            description=description,
            group_name="sequences",
            kinds={"duckdb", "sql"},
            code_version=CODE_VERSION,
            deps=["core_interactions", "catalogue", "item_names"],
        )
        for table, description in TABLES.items()
    ],
)
def vocabulary_and_sequences(home: Home, splitting: Splitting) -> Iterator[dg.MaterializeResult[None]]:
    started, lake = time.monotonic(), home.lake()
    inputs = ["core_interactions", "catalogue", "item_names"]
    with lake.connect("core_interactions") as connection:
        vocabulary = order_items(_champion_items(home), played_items(connection))
    made_from = fingerprint(
        "sequences",
        CODE_VERSION,
        [lake.current(table).fingerprint for table in inputs],
        [splitting.split, splitting.cutoffs if splitting.split == TEMPORAL else None],
        [statement(name) for name in (*SPLIT_STATEMENTS, *VOCABULARY_STATEMENTS, "sequences")],
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


def load_sequences(lake: Lake) -> tuple[Sequences, NDArray[np.str_]]:
    """All users' sequences, and the user ids in the same order, [users]. Raises LakeError."""
    return read_sequences(lake.current("sequences").path, lake.current("items").rows)


def read_sequences(path: Path, n_items: int) -> tuple[Sequences, NDArray[np.str_]]:
    """As `load_sequences`, of any version of the table `sequences`."""
    columns = ["user_index", "user_id", "item_index"]
    rows = pq.read_table(path, columns=columns, read_dictionary=["user_id"])
    user = rows["user_index"].to_numpy()  # [interactions]
    starts = np.flatnonzero(np.diff(user, prepend=-1))  # [users]
    offsets = np.append(starts, len(user)).astype(np.int64)  # [users + 1]
    items = rows["item_index"].to_numpy().astype(np.int32)  # [interactions]
    user_ids = np.array(rows["user_id"].take(starts).to_pylist(), dtype=np.str_)
    return Sequences(items, offsets, n_items), user_ids


def load_split(lake: Lake) -> Split:
    """All users' sequences, split as the table `sequences` says. Raises LakeError."""
    sequences, _ = load_sequences(lake)
    parts = pq.read_table(lake.current("sequences").path, columns=["split"])["split"]
    return labelled(sequences, parts.to_numpy().astype(np.str_), split_name(lake))


@dataclass(frozen=True, eq=False)
class Times:
    """When it was played, in the unit of the column `timestamp`."""

    plays: NDArray[np.int64]  # [interactions]
    train: NDArray[np.int64]  # [interactions of the training part]
    units_a_second: float | None  # None where the numbers are no time since 1970

    def gaps(self, sequences: Sequences, test: Holdout) -> NDArray[np.int64]:
        """From the play before each held-out item to that item, [test users]; none is a first play."""
        place = sequences.offsets[test.users] + test.histories.lengths  # [test users], of the held-out item
        found: NDArray[np.int64] = self.plays[place] - self.plays[place - 1]
        return found


def load_times(lake: Lake) -> Times | None:
    """The times of the current sequences, aligned with `load_split`; None for undated data.

    Raises LakeError.
    """
    rows = pq.read_table(lake.current("sequences").path, columns=["split", "timestamp"])
    if rows["timestamp"].null_count:
        return None
    parts, times = rows["split"].to_numpy().astype(np.str_), rows["timestamp"].to_numpy()  # [interactions]
    return Times(times, times[parts == "train"], units_a_second(int(times.max(initial=0))))


def units_a_second(newest: int) -> float | None:
    """The unit of whole numbers that are times since 1970, told from the size of the newest.

    Seconds, milliseconds and microseconds of a time between 1973 and 2286; None for other numbers.
    """
    return next((unit for unit in (1.0, 1e3, 1e6) if 1e8 <= newest / unit < 1e10), None)


def split_name(lake: Lake) -> str:
    """Such as leave-one-out or temporal (0.8,0.9). Raises LakeError."""
    return str(pq.read_table(lake.current("split").path)["name"][0].as_py())


def split_times(lake: Lake) -> tuple[int | None, int | None]:
    """Where validation and test begin, as the column `timestamp` has it; None for a split without times."""
    row = pq.read_table(lake.current("split").path, columns=["validation_from", "test_from"]).to_pylist()[0]
    return row["validation_from"], row["test_from"]


def load_items(lake: Lake) -> ItemTable:
    """The item vocabulary, padding first. Raises LakeError."""
    return read_item_table(lake.current("items").path)


def read_item_table(path: Path) -> ItemTable:
    """As `load_items`, of any version of the table `items`."""
    rows = pq.read_table(path)
    counts = np.append(0, rows["count"].to_numpy()).astype(np.int64)  # [n_items + 1]
    ids, titles = ["", *rows["item_id"].to_pylist()], ["", *rows["title"].to_pylist()]
    return ItemTable(ids, titles, counts, item_attributes(rows))


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
