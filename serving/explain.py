"""Which item of a history contributed most: the one without which a recommendation's score falls most."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models.blend.scorer import Blend
from models.moment import Moment
from models.scorer import OnnxScorer, Scorer, scores_at
from models.stages.scorer import Staged

MOST_LEFT_OUT = 32  # newest items of a history that are left out in turns: bounds the batch


def contributors(
    scorer: Scorer,
    history: NDArray[np.int64],
    items: NDArray[np.int64],
    max_length: int,
    asked_ms: int | None = None,
) -> list[int | None]:
    """For each of `items` the item of `history` (indexes, oldest first) that contributed most to its score.

    Each of the newest items of the history is left out in turn, and all these histories are encoded as one
    batch; only `items` are scored. None where leaving out any of them lowers no score.
    """
    if len(items) == 0 or len(history) == 0 or max_length == 0:
        return [None] * len(items)
    if len(history) == 1:
        return [int(history[0])] * len(items)
    seen = history[-(max_length + 1) :]  # one more than the scorer looks at: it moves up
    places = range(len(seen) - 1, max(-1, len(seen) - 1 - min(max_length, MOST_LEFT_OUT)), -1)
    without = [np.delete(seen, place) for place in places]
    scores = _score_items(scorer, [seen, *without], items, asked_ms)  # [1 + places, items]
    falls = scores[0] - scores[1:]  # [places, items]
    most = falls.argmax(axis=0)  # [items]
    return [
        int(seen[places[place]]) if fall > 0 else None
        for place, fall in zip(most.tolist(), falls.max(axis=0).tolist(), strict=True)
    ]


def _score_items(
    scorer: Scorer,
    histories: Sequence[NDArray[np.int64]],
    items: NDArray[np.int64],
    asked_ms: int | None,
) -> NDArray[np.float32]:
    if isinstance(scorer, OnnxScorer | Blend | Staged):
        return scorer.score_items(histories, items)
    moment = None if asked_ms is None else Moment.all_at(asked_ms, 1)
    return np.stack([scores_at(scorer, [history], moment)[0][items] for history in histories])
