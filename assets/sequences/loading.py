"""The published sequences and their vocabulary in memory, as models take them."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from assets.formats.timestamps import no_clock, units_a_second
from assets.sequences.attributes import item_attributes
from assets.state.lake import Lake, TableVersion
from models.bundle.bundle import ItemTable
from models.codes.vocabulary import as_array
from models.data import Holdout, Sequences, Split, labelled

TABLES = (
    "items",
    "items_before",
    "new_items",
    "sequences",
    "split",
)  # of one step and fingerprint


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
    labels = parts.to_numpy().astype(np.str_)
    split = labelled(sequences, labels, split_name(lake), excludes_seen(lake.current("split")))
    times = load_times(lake)
    validation, test = (asked(lake, sequences, held) for held in (split.validation, split.test))
    old = None if times is None else ages(times.train)
    trained = times.in_ms(times.train) if times and old is not None else None
    return replace(split, validation=validation, test=test, ages=old, played_ms=trained)


def asked(lake: Lake, sequences: Sequences, held: Holdout) -> Holdout:
    """Plays of the current sequences, each asked for at its time where that is known. Raises LakeError."""
    times = load_times(lake)
    return held.asked_at(times.since_1970_ms if times else None, sequences)


@dataclass(frozen=True, eq=False)
class Times:
    """When it was played, in the unit of the column `timestamp`."""

    plays: NDArray[np.int64]  # [interactions]
    train: NDArray[np.int64]  # [interactions of the training part]
    units_a_second: float | None  # None where the numbers are no time since 1970

    @property
    def since_1970_ms(self) -> NDArray[np.int64] | None:
        """The times of all plays in milliseconds, [interactions]; None where they are no clock."""
        return self.in_ms(self.plays)

    def in_ms(self, times: NDArray[np.int64]) -> NDArray[np.int64] | None:
        """Some of the times in milliseconds since 1970; None where they are no clock."""
        return None if self.units_a_second is None else in_ms(times, self.units_a_second)

    def gaps(self, sequences: Sequences, test: Holdout) -> NDArray[np.int64]:
        """From the play before each held-out item to that item, [test plays]; none is a first play."""
        place = _places(sequences, test)
        found: NDArray[np.int64] = self.plays[place] - self.plays[place - 1]
        return found

    def of(self, sequences: Sequences, test: Holdout) -> NDArray[np.int64]:
        """When each held-out item was played, [test plays]."""
        return self.plays[_places(sequences, test)]


def in_ms(times: NDArray[np.int64], units_a_second: float) -> NDArray[np.int64]:
    """Times since 1970 in milliseconds."""
    unit = int(units_a_second)
    return times * (1000 // unit) if unit < 1000 else times // (unit // 1000)


def _places(sequences: Sequences, test: Holdout) -> NDArray[np.int64]:
    """Where the held-out items stand among all plays, [test plays]."""
    return sequences.offsets[test.users] + test.histories.lengths


def load_times(lake: Lake) -> Times | None:
    """The times of the current sequences, aligned with `load_split`; None for undated data.

    Raises LakeError.
    """
    rows = pq.read_table(lake.current("sequences").path, columns=["split", "timestamp"])
    if rows["timestamp"].null_count:
        return None
    parts, times = rows["split"].to_numpy().astype(np.str_), rows["timestamp"].to_numpy()  # [interactions]
    return Times(times, times[parts == "train"], units_a_second(int(times.max(initial=0))))


SECONDS_A_DAY = 86_400


def ages(times: NDArray[np.int64]) -> NDArray[np.float32] | None:
    """Days from each of the plays with these times to the newest, [plays]; None where they are no clock."""
    if len(times) == 0:
        return None
    first, last = int(times.min()), int(times.max())
    unit = units_a_second(last)
    dense = last - first < len(times)  # as numbers of lines are
    different = len(np.unique(times)) if dense else len(times)
    if unit is None or no_clock(len(times), len(times), first, last, different):
        return None
    old: NDArray[np.float32] = ((last - times) / (unit * SECONDS_A_DAY)).astype(np.float32)
    return old


def split_name(lake: Lake) -> str:
    """Such as leave-one-out or temporal (0.8,0.9). Raises LakeError."""
    return str(pq.read_table(lake.current("split").path)["name"][0].as_py())


def split_reason(lake: Lake) -> str:
    """Why it is split so; nothing where the table is from before that was said. Raises LakeError."""
    table = pq.read_table(lake.current("split").path)
    return str(table["reason"][0].as_py()) if "reason" in table.column_names else ""


def excludes_seen(split: TableVersion) -> bool:
    """What a version of the table `split` says; those of before it was said left seen items out."""
    table = pq.read_table(split.path)
    return bool(table["exclude_seen"][0].as_py()) if "exclude_seen" in table.column_names else True


def split_times(lake: Lake) -> tuple[int | None, int | None]:
    """Where validation and test begin, as the column `timestamp` has it; None for a split without times."""
    row = pq.read_table(lake.current("split").path, columns=["validation_from", "test_from"]).to_pylist()[0]
    return row["validation_from"], row["test_from"]


def load_items(lake: Lake) -> ItemTable:
    """The item vocabulary, padding first. Raises LakeError."""
    items = read_item_table(lake.current("items").path)
    return replace(items, new=sorted(items.index()[item_id] for item_id in _new_ids(lake)))


def _new_ids(lake: Lake) -> list[str]:
    """Of the releases that nobody plays; none where the table is from before there were any."""
    made_with = lake.current("items").fingerprint
    if not lake.has("new_items") or lake.current("new_items").fingerprint != made_with:
        return []
    found: list[str] = pq.read_table(lake.current("new_items").path)["item_id"].to_pylist()
    return found


def read_item_table(path: Path) -> ItemTable:
    """As `load_items`, of any version of the table `items`."""
    rows = pq.read_table(path)
    counts = np.append(0, rows["count"].to_numpy()).astype(np.int64)  # [n_items + 1]
    ids, titles = ["", *rows["item_id"].to_pylist()], ["", *rows["title"].to_pylist()]
    return ItemTable(ids, titles, counts, item_attributes(rows))


def load_codes(lake: Lake, items: ItemTable) -> NDArray[np.int32] | None:
    """The semantic ids of a vocabulary, [n_items + 1, levels], padding first; None where an item has none."""
    if not lake.has("semantic_ids"):
        return None
    rows = pq.read_table(lake.current("semantic_ids").path)
    ids = zip(rows["item_id"].to_pylist(), map(tuple, rows["codes"].to_pylist()), strict=True)
    return as_array(items.ids, dict(ids))
