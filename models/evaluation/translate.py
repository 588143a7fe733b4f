"""A scorer that answers in another vocabulary, so that yesterday's champion is evaluated on today's data."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models.bundle.bundle import PADDING, ItemTable
from models.moment import Moment
from models.scorer import Scorer, scores_at


class TranslatedScorer:
    """Takes and gives item indexes of `outer` while `scorer` works in `inner`; items are matched by id.

    Items that `inner` lacks are dropped from histories and scored -inf; a user of whom nothing is left is
    scored -inf throughout, so that the target is missed.
    """

    def __init__(self, scorer: Scorer, inner: ItemTable, outer: ItemTable) -> None:
        index = inner.index()
        self._scorer = scorer
        self._inner_of = np.array([index.get(item_id, PADDING) for item_id in outer.ids], dtype=np.int32)
        self._inner_of[PADDING] = PADDING

    def score(self, histories: Sequence[NDArray[np.integer]]) -> NDArray[np.float32]:
        return self._scored(histories, None)

    def score_at(self, histories: Sequence[NDArray[np.integer]], moment: Moment) -> NDArray[np.float32]:
        return self._scored(histories, moment)

    def _scored(self, histories: Sequence[NDArray[np.integer]], moment: Moment | None) -> NDArray[np.float32]:
        known = [inner[inner != PADDING] for inner in (self._inner_of[history] for history in histories)]
        scores = np.full((len(known), len(self._inner_of)), -np.inf, dtype=np.float32)  # [users, outer + 1]
        users = np.flatnonzero([len(history) > 0 for history in known])
        if len(users):
            some = moment and moment.rows(users).without_plays()  # items were taken out
            inner_scores = scores_at(self._scorer, [known[u] for u in users], some)
            scores[users] = inner_scores[:, self._inner_of]
            scores[:, self._inner_of == PADDING] = -np.inf
        return scores
