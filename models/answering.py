"""Which items a model never answers with, whoever asks: the endpoint, the batch, what measures both."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.bundle.bundle import EVERYTHING, PADDING, ItemTable, Manifest
from models.moment import Moment
from models.opening import knows_content
from models.scorer import Scorer, scores_at


def unplayed(items: ItemTable, manifest: Manifest, scorer: Scorer) -> NDArray[np.int64]:
    """Items that a model of all plays has learned nothing of: what is listed no more, or gone from the data.

    And what is new, unless the model knows its content. A model of the training part alone may know plays of
    the others that were held out.
    """
    new = np.array([] if knows_content(scorer) else items.new, dtype=np.int64)
    if manifest.trained_on != EVERYTHING:
        return new
    return np.setdiff1d(np.flatnonzero(items.counts == 0), np.setdiff1d(items.new, new)).astype(np.int64)


def answering(scorer: Scorer, items: ItemTable, manifest: Manifest) -> Scorer:
    """The scorer of a bundle without the items that it never answers with; itself where there are none."""
    never = np.setdiff1d(unplayed(items, manifest, scorer), [PADDING])
    return Without(scorer, never) if len(never) else scorer


@dataclass(frozen=True, eq=False)
class Without:
    """A scorer that scores some items -inf."""

    scorer: Scorer
    items: NDArray[np.int64]

    def score(self, histories: Sequence[NDArray[np.integer]]) -> NDArray[np.float32]:
        return self._scored(histories, None)

    def score_at(self, histories: Sequence[NDArray[np.integer]], moment: Moment) -> NDArray[np.float32]:
        return self._scored(histories, moment)

    def _scored(self, histories: Sequence[NDArray[np.integer]], moment: Moment | None) -> NDArray[np.float32]:
        scores = np.array(scores_at(self.scorer, histories, moment))  # theirs stay as they are
        scores[:, self.items] = -np.inf
        return scores
