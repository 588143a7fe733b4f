"""Makes the clean tables of the two Steam files, as Parquet."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from assets.clean.clean_tables import CATALOGUE, ITEM_NAMES, QUARANTINE, RAW_COUNTS
from assets.formats.literals import Quarantined
from assets.formats.parallel import in_order
from assets.formats.steam_format import Libraries
from assets.formats.steam_games import Catalogue
from assets.formats.table import Table

ROW_GROUP = 1 << 18  # rows; several, so that readers can share the work
NO_TIMES = {"times_zoned": 0, "times_plain": 0}  # of a file without plays, or whose plays have no time of day


@dataclass(frozen=True)
class Block:
    """Interactions of some users, ordered by user, then as first seen: parallel arrays of int32."""

    user: NDArray[np.int32]  # index into Owned.user_ids
    item: NDArray[np.int32]  # index into Owned.item_ids
    playtime: NDArray[np.int32]  # minutes

    @property
    def position(self) -> NDArray[np.int32]:
        """Place of a row within its user, from 0."""
        starts = np.flatnonzero(np.diff(self.user, prepend=-1))  # [users]
        place = np.arange(len(self.user)) - np.repeat(starts, np.diff(starts, append=len(self.user)))
        return place.astype(np.int32)


class Owned:
    """Libraries united by user: a game stands where it was seen first, with its largest playtime."""

    def __init__(self, libraries: Libraries) -> None:
        self.user_ids = sorted({owner for owner in libraries.owners if owner is not None})
        self.item_ids = sorted({item_id for item_id, _ in libraries.games})
        user, item = _numbers(self.user_ids), _numbers(self.item_ids)
        owners = np.array([-1 if o is None else user[o] for o in libraries.owners], dtype=np.int32)  # [lines]
        starts = np.cumsum(libraries.sizes, dtype=np.int64) - libraries.sizes  # [lines]
        lines = np.argsort(owners, kind="stable")
        lines = lines[libraries.sizes[lines] > 0]  # [lines with rows], by user
        self._libraries = libraries
        self._owners, self._starts, self._sizes = owners[lines], starts[lines], libraries.sizes[lines]
        self._item = np.array([item[item_id] for item_id, _ in libraries.games], dtype=np.int32)  # [games]

    def blocks(self, rows: int = ROW_GROUP) -> Iterator[Block]:
        """All interactions, in blocks of whole users with about `rows` rows each."""
        return in_order(self._block, self._cuts(rows))

    def _cuts(self, rows: int) -> Iterator[slice]:
        ends = np.flatnonzero(np.diff(self._owners, append=-2)) + 1  # [users], of their lines
        block = np.cumsum(self._sizes)[ends - 1] // rows  # [users]
        last = ends[np.flatnonzero(np.diff(block, append=-1))]  # [blocks]
        first = 0
        for end in last.tolist():
            yield slice(first, end)
            first = end

    def _block(self, lines: slice) -> Block:
        sizes = self._sizes[lines]
        user = np.repeat(self._owners[lines], sizes)  # [rows]
        place = np.arange(len(user)) + np.repeat(self._starts[lines] - np.cumsum(sizes) + sizes, sizes)
        item = self._item[self._libraries.game[place]]
        return _once(Block(user, item, self._libraries.playtime[place]), len(self.item_ids))


def _numbers(ids: Sequence[str]) -> dict[str, int]:
    return {name: number for number, name in enumerate(ids)}


def _once(block: Block, n_items: int) -> Block:
    """Each user and item once, where it stood first, with its largest playtime."""
    pair = block.user.astype(np.int64) * n_items + block.item
    ascending = np.sort(pair)
    repeated = ascending[1:][ascending[1:] == ascending[:-1]]
    if len(repeated) == 0:
        return block
    rows = np.flatnonzero(np.isin(block.user, repeated // n_items))  # few: most users have one library
    rows = rows[np.argsort(pair[rows], kind="stable")]
    starts = np.flatnonzero(np.diff(pair[rows], prepend=-1))
    firsts = rows[starts]
    playtime, keep = block.playtime.copy(), np.ones(len(pair), dtype=bool)
    playtime[firsts] = np.maximum.reduceat(playtime[rows], starts)
    keep[rows] = False
    keep[firsts] = True
    return Block(block.user[keep], block.item[keep], playtime[keep])


def write_interactions(owned: Owned, path: Path) -> int:
    """Columns user_id, item_id, position, playtime, timestamp (none).

    The ids stay numbers until the file itself. Returns the number of rows.
    """
    ids = pa.dictionary(pa.int32(), pa.string())
    schema = pa.schema({"user_id": ids, "item_id": ids, "position": pa.int32(), "playtime": pa.int32()})
    schema = schema.append(pa.field("timestamp", pa.int64()))
    item_ids, rows = pa.array(owned.item_ids, pa.string()), 0
    with pq.ParquetWriter(path, schema, compression="zstd", store_schema=False) as writer:
        for block in owned.blocks():
            first, last = int(block.user[0]), int(block.user[-1])  # a block needs a part of the ids
            user_ids = pa.array(owned.user_ids[first : last + 1], pa.string())
            columns = [
                pa.DictionaryArray.from_arrays(block.user - first, user_ids),
                pa.DictionaryArray.from_arrays(block.item, item_ids),
                pa.array(block.position),
                pa.array(block.playtime),
                pa.nulls(len(block.user), pa.int64()),
            ]
            writer.write_table(pa.table(columns, schema=schema))
            rows += len(block.user)
    return rows


def write_quarantine(entries: Mapping[str, Sequence[Quarantined]], path: Path) -> None:
    """`entries` are given by file."""
    rows = [{"file": file} | asdict(entry) for file in sorted(entries) for entry in entries[file]]
    write_rows(rows, QUARANTINE, path)


def write_catalogue(catalogue: Catalogue, path: Path) -> None:
    write_rows([asdict(catalogue.games[item_id]) for item_id in sorted(catalogue.games)], CATALOGUE, path)


def write_item_names(libraries: Libraries, path: Path) -> None:
    """The name of each item that players own; where the libraries disagree, the first in the alphabet."""
    used = np.zeros(len(libraries.games), dtype=bool)
    for start in range(0, len(libraries.game), ROW_GROUP):  # as an index it is copied, with twice its bits
        used[libraries.game[start : start + ROW_GROUP]] = True
    names: dict[str, str] = {}
    for number, (item_id, name) in enumerate(libraries.games):
        if used[number] and name:
            names[item_id] = min(name, names.get(item_id, name))
    write_rows([{"item_id": item_id, "name": names[item_id]} for item_id in sorted(names)], ITEM_NAMES, path)


def write_raw_counts(libraries: Libraries, interactions: int, catalogue: Catalogue, path: Path) -> None:
    """What was read beside what was made of it. A line of the catalogue counts as one item."""
    of_libraries = {
        "file": "libraries",
        "lines_read": libraries.lines_read,
        "items_read": libraries.items_read,
        "lines_accepted": sum(owner is not None for owner in libraries.owners),
        "items_accepted": len(libraries.game),
        "lines_forgotten": libraries.lines_forgotten,
        "items_forgotten": libraries.items_forgotten,
        "repeats": len(libraries.game) - interactions,
        **NO_TIMES,
    }
    write_rows([count_games(catalogue), of_libraries], RAW_COUNTS, path)


def count_games(catalogue: Catalogue) -> dict[str, object]:
    """The row of raw_counts of a catalogue."""
    return count_rows(
        "games", catalogue.lines_read, len(catalogue.games) + catalogue.repeats, catalogue.repeats
    )


def count_rows(file: str, read: int, accepted: int, repeats: int, forgotten: int = 0) -> dict[str, object]:
    """The row of raw_counts of a file in which every line holds one item; a quarantined line holds none."""
    counts = {
        "lines_read": read,
        "items_read": accepted + forgotten,
        "lines_accepted": accepted,
        "items_accepted": accepted,
        "lines_forgotten": forgotten,
        "items_forgotten": forgotten,
    }
    return {"file": file, **counts, "repeats": repeats, **NO_TIMES}


def write_rows(rows: Sequence[Mapping[str, object]], table: Table, path: Path) -> None:
    pq.write_table(table.rows(rows), path, compression="zstd", store_schema=False)
