"""Semantic ids in the order of an item vocabulary. NumPy alone."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

Id = tuple[int, ...]


def as_array(item_ids: Sequence[str], ids: Mapping[str, Id]) -> NDArray[np.int32] | None:
    """The ids of a vocabulary, [n_items + 1, levels], padding first; None where an item has none."""
    if not all(item_id in ids for item_id in item_ids[1:]):
        return None
    rows = [ids[item_id] for item_id in item_ids[1:]]
    if not rows or len({len(row) for row in rows}) != 1:
        return None
    return np.array([[0] * len(rows[0]), *rows], dtype=np.int32)
