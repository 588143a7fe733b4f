"""How alike items are to a history by their content, and how new they are."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.bundle.attributes import DATE
from models.bundle.bundle import ItemTable

DECAY = 0.8  # of an item of the history for each newer one
LEAST = 0.01  # likeness: what has nothing in common with the history comes in the order of what is beside it
RELEASE_DATE = "release_date"  # the attribute


def likeness(
    vectors: NDArray[np.float32],
    histories: Sequence[NDArray[np.integer]],
    max_length: int,
    items: NDArray[np.integer] | None = None,
) -> NDArray[np.float32]:
    """The cosine of content vectors [n_items + 1, width] with the mean of each history's, LEAST at least.

    Of the newest `max_length` items of a history the newest counts 1, the one before it DECAY, and so on.
    Of some items [users, items], or of all [users, n_items + 1].
    """
    wanted = np.zeros((len(histories), vectors.shape[1]), dtype=np.float32)  # [users, width]
    for row, history in zip(wanted, histories, strict=True):
        newest = history[-max_length:]
        weights = (DECAY ** np.arange(len(newest) - 1, -1, -1.0)).astype(np.float32)
        row[:] = (weights[:, None] * vectors[newest]).sum(axis=0)
    lengths = np.linalg.norm(wanted, axis=1, keepdims=True)
    wanted /= np.where(lengths > 0, lengths, 1)
    of = vectors if items is None else vectors[items]
    # One product a user: those of a batch would differ in their last bits with its size.
    found = np.empty((len(histories), len(of)), dtype=np.float32)
    for row, of_user in zip(found, wanted, strict=True):
        np.maximum(of @ of_user, LEAST, out=row)
    return found


def release_days(items: ItemTable) -> NDArray[np.float64]:
    """Days since 1970, [n_items + 1]; NaN where no date is known."""
    dates = items.attributes.get(RELEASE_DATE)
    if dates is None or dates.kind != DATE:
        return np.full(len(items.ids), np.nan)
    days = np.array(["NaT" if day is None else day for day in dates.values], dtype="datetime64[D]")
    return (days - np.datetime64("1970-01-01", "D")) / np.timedelta64(1, "D")


def freshness(age: NDArray[np.floating[Any]], half_life: float) -> NDArray[np.float32]:
    """1, and half of it for each half-life of an age in days; 0 for one that is not known."""
    new: NDArray[np.float32] = np.nan_to_num(0.5 ** (age / half_life), nan=0.0).astype(np.float32)
    return new
