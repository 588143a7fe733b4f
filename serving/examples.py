"""Histories for somebody who has just opened the page: well known, plausible, and such that order matters."""

from collections.abc import Sequence

import numpy as np

from serving.recommender import Recommender

STARTS = 40  # of the most played items
LENGTH = 3  # items that a newcomer takes in at a glance
EXAMPLES = 6
TOP = 8


def example_histories(model: Recommender) -> list[list[str]]:
    """A few histories of item ids, oldest first, no item in two of them.

    Each begins with one of the most played items and goes on with what the model itself says is played next.
    First come those after which the most answers are other ones once the last item is moved to the front.
    """
    most_played = np.argsort(-model.items.counts[1:], kind="stable")[:STARTS] + 1
    histories = [_continued(model, model.items.ids[i]) for i in most_played.tolist()]
    told: list[list[str]] = []
    for history in sorted(histories, key=lambda history: -_order_effect(model, history)):
        if not any(set(history) & set(other) for other in told):
            told.append(history)
    return told[:EXAMPLES]


def _continued(model: Recommender, start: str) -> list[str]:
    history = [start]
    while len(history) < LENGTH and (following := _best(model, history, 1)):
        history += following
    return history


def _order_effect(model: Recommender, history: Sequence[str]) -> int:
    """How many of the best answers are other ones with the last item played first."""
    return len(set(_best(model, history, TOP)) - set(_best(model, [history[-1], *history[:-1]], TOP)))


def _best(model: Recommender, history: Sequence[str], k: int) -> list[str]:
    return [item.item_id for item in model.recommend(history, k, exclude_seen=True).items]
