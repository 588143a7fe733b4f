"""Splits of dated plays at any cut, in memory: for what is judged beside the split of the night."""

import numpy as np
from numpy.typing import NDArray

from models.data import Sequences, Split, labelled


def split_in_time(
    sequences: Sequences,
    times: NDArray[np.int64],
    cuts: tuple[float, float, float],
    exclude_seen: bool,
) -> Split:
    """Trained on before the first cut, validated up to the second, tested up to the third.

    `times` [interactions] rise within each user; cuts are shares of the plays that come before them, 1 for
    all. A user's very first play after the first cut, and what comes after the third, is in histories alone.
    """
    first, second, last = (at(times, share) for share in cuts)
    owner_start = np.repeat(sequences.offsets[:-1], sequences.lengths)  # [interactions]
    first_play = np.arange(len(times)) == owner_start
    labels = np.select(
        [times < first, first_play, times < second, times < last],
        ["train", "context", "validation", "test"],
        "context",
    )
    name = f"temporal ({cuts[0]:g},{cuts[1]:g})"
    return labelled(sequences, labels.astype(np.str_), name, exclude_seen)


def at(times: NDArray[np.int64], share: float) -> int:
    """The time before which a share of the plays lies; after the last for all of them."""
    return int(times.max()) + 1 if share >= 1 else int(np.quantile(times, share, method="inverted_cdf"))
