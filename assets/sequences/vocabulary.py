"""The order of the item vocabulary: items keep the index that they have in the champion's.

New items follow behind, in the order of their ids. Items that nobody plays any more keep their index, with
nothing to learn from. Where more than a tenth of the champion's items are gone, or there is no champion, the
vocabulary begins anew in the order of the ids: other data are not an update of these.
"""

from collections.abc import Collection
from dataclasses import dataclass

import duckdb
import pyarrow as pa

from models.bundle.bundle import ItemTable

MOST_GONE = 0.1  # share of the champion's items


@dataclass(frozen=True)
class Vocabulary:
    """Item ids in the order of their indexes, from 1. The first `kept` of them have those of the champion."""

    order: list[str]
    titles: list[str | None]  # in the champion
    kept: int = 0

    def rows(self) -> pa.Table:
        """The view `item_order`: item_index, item_id, title (or none), kept."""
        indexes = range(1, len(self.order) + 1)
        columns = {
            "item_index": pa.array(indexes, pa.int32()),
            "item_id": pa.array(self.order, pa.string()),
            "title": pa.array(self.titles, pa.string()),
            "kept": pa.array([index <= self.kept for index in indexes], pa.bool_()),
        }
        return pa.table(columns)


def order_items(champion: ItemTable | None, played: Collection[str]) -> Vocabulary:
    """The vocabulary of the items that are played. It depends on the champion only where it has to.

    Where the champion's order is the order of the ids, it is as if there was none, so that the same data give
    the same tables before and after they have made a champion.
    """
    plain = Vocabulary(sorted(played), [None] * len(played))
    if champion is None:
        return plain
    before = champion.ids[1:]
    there = set(before)
    if len(there - set(played)) > MOST_GONE * len(before):
        return plain
    new = sorted(set(played) - there)
    order = [*before, *new]
    titles = [*champion.titles[1:], *[None] * len(new)]
    return plain if order == plain.order else Vocabulary(order, titles, len(before))


def played_items(connection: duckdb.DuckDBPyConnection) -> set[str]:
    """The items of the view `core_interactions`."""
    found = connection.execute("SELECT DISTINCT item_id FROM core_interactions").fetchall()
    return {item_id for (item_id,) in found}
