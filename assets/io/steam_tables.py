"""Makes the clean tables of the two Steam files, as Parquet."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from assets.io.literals import Quarantined
from assets.io.steam_format import Libraries, Rows
from assets.io.steam_games import Catalogue

ROW_GROUP = 1 << 18  # rows; several, so that readers can share the work

QUARANTINE = pa.schema(
    {"file": pa.string(), "line": pa.int32(), "item": pa.int32(), "reason": pa.string(), "text": pa.string()}
)
CATALOGUE = pa.schema(
    {
        "item_id": pa.string(),
        "title": pa.string(),
        "genres": pa.list_(pa.string()),
        "tags": pa.list_(pa.string()),
        "price": pa.float64(),
        "release_date": pa.string(),
        "early_access": pa.bool_(),
    }
)
ITEM_NAMES = pa.schema({"item_id": pa.string(), "name": pa.string()})
RAW_COUNTS = pa.schema(
    {
        "file": pa.string(),
        "lines_read": pa.int64(),
        "items_read": pa.int64(),
        "lines_accepted": pa.int64(),
        "items_accepted": pa.int64(),
        "repeats": pa.int64(),  # accepted, but of a user and game (or of a game) that came before
    }
)


@dataclass(frozen=True)
class Interactions:
    """One row a user and game, ordered by user id, then as first seen; parallel arrays of int32."""

    user_ids: list[str]  # sorted
    item_ids: list[str]
    user: NDArray[np.int32]  # index into user_ids
    item: NDArray[np.int32]  # index into item_ids
    playtime: NDArray[np.int32]  # minutes

    @property
    def position(self) -> NDArray[np.int32]:
        """Place of a row within its user, from 0."""
        counts = np.bincount(self.user, minlength=len(self.user_ids))
        starts = np.cumsum(counts) - counts
        return (np.arange(len(self.user)) - starts[self.user]).astype(np.int32)


def unite(libraries: Libraries) -> Interactions:
    """All libraries of a user as one: a game stands where it was seen first, with its largest playtime."""
    rows, user_ids, user = _by_user(libraries)
    item_ids = sorted({item_id for item_id, _ in libraries.games})
    number = {item_id: i for i, item_id in enumerate(item_ids)}
    item = np.array([number[item_id] for item_id, _ in libraries.games], dtype=np.int32)[rows.game]
    keep, playtime = _once(user, item, rows.playtime, len(item_ids))
    return Interactions(user_ids, item_ids, user[keep], item[keep], playtime[keep])


def _by_user(libraries: Libraries) -> tuple[Rows, list[str], NDArray[np.int32]]:
    """The rows ordered by user id, line and place; the sorted user ids; and each row's index into them."""
    user_ids = sorted({owner for owner in libraries.owners if owner is not None})
    number = {user_id: i for i, user_id in enumerate(user_ids)}
    owners = np.array(
        [number[o] if o is not None else -1 for o in libraries.owners], dtype=np.int32
    )  # [lines]
    sizes = np.bincount(libraries.rows.line - 1, minlength=len(owners))  # [lines]
    order = np.argsort(owners, kind="stable")  # [lines], rows of a line stay together
    starts = (np.cumsum(sizes) - sizes)[order]
    within = np.arange(len(libraries.rows)) - np.repeat(np.cumsum(sizes[order]) - sizes[order], sizes[order])
    rows = libraries.rows.take(np.repeat(starts, sizes[order]) + within)
    return rows, user_ids, np.repeat(owners[order], sizes[order])


def _once(
    user: NDArray[np.int32], item: NDArray[np.int32], playtime: NDArray[np.int32], n_items: int
) -> tuple[NDArray[np.bool_], NDArray[np.int32]]:
    """Which rows are the first of their user and item, and the largest playtime of each such pair."""
    keep, playtime = np.ones(len(user), dtype=bool), playtime.copy()
    pair = user.astype(np.int64) * n_items + item
    in_order = np.sort(pair)
    repeated = in_order[1:][in_order[1:] == in_order[:-1]]
    if len(repeated) == 0:
        return keep, playtime
    has_repeats = np.zeros(int(user.max()) + 1, dtype=bool)
    has_repeats[repeated // n_items] = True
    rows = np.flatnonzero(has_repeats[user])  # few: most users have one library
    rows = rows[np.argsort(pair[rows], kind="stable")]
    starts = np.flatnonzero(np.diff(pair[rows], prepend=-1))
    firsts = rows[starts]
    playtime[firsts] = np.maximum.reduceat(playtime[rows], starts)
    keep[rows] = False
    keep[firsts] = True
    return keep, playtime


def write_interactions(interactions: Interactions, path: Path) -> None:
    """Columns user_id, item_id, position, playtime. The ids stay numbers until the file itself."""
    ids = pa.dictionary(pa.int32(), pa.string())
    schema = pa.schema({"user_id": ids, "item_id": ids, "position": pa.int32(), "playtime": pa.int32()})
    item_ids, position = pa.array(interactions.item_ids, pa.string()), interactions.position
    with pq.ParquetWriter(path, schema, compression="zstd", store_schema=False) as writer:
        for start in range(0, len(position), ROW_GROUP):
            rows = slice(start, start + ROW_GROUP)
            user, item = interactions.user[rows], interactions.item[rows]
            first, last = int(user[0]), int(user[-1])  # ordered: a row group needs a part of the ids
            user_ids = pa.array(interactions.user_ids[first : last + 1], pa.string())
            columns = [
                pa.DictionaryArray.from_arrays(user - first, user_ids),
                pa.DictionaryArray.from_arrays(item, item_ids),
                pa.array(position[rows]),
                pa.array(interactions.playtime[rows]),
            ]
            writer.write_table(pa.table(columns, schema=schema))


def write_quarantine(entries: Mapping[str, Sequence[Quarantined]], path: Path) -> None:
    """`entries` are given by file."""
    rows = [{"file": file} | asdict(entry) for file in sorted(entries) for entry in entries[file]]
    _write(rows, QUARANTINE, path)


def write_catalogue(catalogue: Catalogue, path: Path) -> None:
    _write([asdict(catalogue.games[item_id]) for item_id in sorted(catalogue.games)], CATALOGUE, path)


def write_item_names(libraries: Libraries, path: Path) -> None:
    """The name of each item that players own; where the libraries disagree, the first in the alphabet."""
    used = np.bincount(libraries.rows.game, minlength=len(libraries.games)) > 0
    names: dict[str, str] = {}
    for (item_id, name), number in libraries.games.items():
        if used[number] and name:
            names[item_id] = min(name, names.get(item_id, name))
    _write([{"item_id": item_id, "name": names[item_id]} for item_id in sorted(names)], ITEM_NAMES, path)


def write_raw_counts(
    libraries: Libraries, interactions: Interactions, catalogue: Catalogue, path: Path
) -> None:
    """What was read beside what was made of it. A line of the catalogue counts as one item."""
    accepted_games = len(catalogue.games) + catalogue.repeats
    of_games = {
        "file": "games",
        "lines_read": catalogue.lines_read,
        "items_read": catalogue.lines_read - len(catalogue.quarantine),
        "lines_accepted": accepted_games,
        "items_accepted": accepted_games,
        "repeats": catalogue.repeats,
    }
    of_libraries = {
        "file": "libraries",
        "lines_read": libraries.lines_read,
        "items_read": libraries.items_read,
        "lines_accepted": sum(owner is not None for owner in libraries.owners),
        "items_accepted": len(libraries.rows),
        "repeats": len(libraries.rows) - len(interactions.user),
    }
    _write([of_games, of_libraries], RAW_COUNTS, path)


def _write(rows: Sequence[Mapping[str, object]], schema: pa.Schema, path: Path) -> None:
    pq.write_table(pa.Table.from_pylist(list(rows), schema), path, compression="zstd", store_schema=False)
