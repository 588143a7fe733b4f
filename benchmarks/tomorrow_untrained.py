"""Rows without training, for games that nobody has played: by their text, and the newest by their text."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.baselines import NotApplicableError
from models.baselines.new_releases import NewReleases
from models.bundle.bundle import PADDING
from models.content.likeness import likeness
from models.scorer import Scorer

TEXT, NEWEST_TEXT = "text", "newest_text"
UNTRAINED = (TEXT, NEWEST_TEXT)
RELEASES = "new_releases-0"  # the bundle in which vectors and dates are


@dataclass(frozen=True, eq=False)
class Text:
    """All items by their likeness to the history, as `content` has it, and by nothing else."""

    vectors: NDArray[np.float32]  # [n_items + 1, width]

    def score(self, histories: Sequence[NDArray[np.integer]]) -> NDArray[np.float32]:
        scores = np.array(likeness(self.vectors, histories, NewReleases.max_length))
        scores[:, PADDING] = -np.inf
        return scores


def untrained(name: str, models: Path) -> Scorer:
    """Of the bundles of a folder; raises NotApplicableError where nothing is known of the items."""
    if not (models / RELEASES).exists():
        raise NotApplicableError("no releases are known")
    releases = NewReleases.load(models / RELEASES)
    if name == TEXT:
        return Text(releases.vectors)
    return replace(releases, power=1.0, fade=1.0, undated=0.1)  # likeness over the days since the release
