"""What a ranker sees of each retrieved item. One function, in training and in serving, NumPy alone.

Nothing looks ahead: of plays with a clock those before the moment of asking count, and no others. What was
learned from ends at some play; later than that it is always as late as that play, so that a model that has
aged sees what it was trained to see.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from models.baselines.base import log_shares
from models.bundle.bundle import PADDING
from models.content.likeness import likeness
from models.moment import Moment
from models.scorer import Scorer, padded, scores_at
from models.stages.item_facts import MINUTES_A_DAY, MS_A_MINUTE, ItemFacts
from models.stages.names import COUNTING

WINDOWS = (7, 30, 90)  # days
HISTORY = 64  # newest items of a history that are looked at

FEATURES = (
    "first",  # the score of the first stage minus that of its best item
    "place",  # its rank there: the logarithm, base 2, of 1 + rank, from 0
    *COUNTING,  # logarithms of shares: see models.baselines.base
    "likeness",  # of its content to the history's
    "popularity",  # logarithm of its share of all plays before, counted in items
    *(f"last {days} days" for days in WINDOWS),  # the same of the plays of those days
    "trend",  # logarithm of its plays in 30 days over a third of those in 90
    "idle",  # logarithm of the days since it was last played
    "played for",  # logarithm of the days since it was first played
    "age",  # days since it came out; below 0: not yet
    "price",  # logarithm
    "dearer",  # the same minus the mean of the history's
    "later",  # days that it came out after the newest item of the history
    "length",  # of the history, logarithm
    "usual",  # mean logarithm of how often the history's items had been played
    "as usual",  # its own minus that
)


def retrieve(
    scores: NDArray[np.float32], histories: Sequence[NDArray[np.integer]], k: int, exclude_seen: bool
) -> NDArray[np.int64]:
    """The `k` best items of each user, best first, [users, k]; PADDING where there are fewer.

    Exact: of scores [users, n_items + 1] of every item. Where seen items are no answers they take no place.
    """
    left = np.where(np.isfinite(scores), scores, np.float32(-np.inf))
    left[:, PADDING] = -np.inf
    if exclude_seen:
        lengths = [len(history) for history in histories]
        seen = np.concatenate([np.empty(0, dtype=np.int64), *histories]).astype(np.int64)
        left[np.repeat(np.arange(len(histories)), lengths), seen] = -np.inf
    k = min(k, left.shape[1])
    best = np.sort(np.argpartition(left, -k, axis=1)[:, -k:], axis=1)  # so ties go to the lower index
    given = np.take_along_axis(left, best, axis=1)  # [users, k]
    order = np.argsort(-given, axis=1, kind="stable")
    best = np.take_along_axis(best, order, axis=1)
    found: NDArray[np.int64] = np.where(np.take_along_axis(given, order, axis=1) > -np.inf, best, PADDING)
    return found


def features(
    facts: ItemFacts,
    counting: Mapping[str, Scorer],
    scores: NDArray[np.float32],
    best: NDArray[np.int64],
    histories: Sequence[NDArray[np.integer]],
    moment: Moment | None,
) -> NDArray[np.float32]:
    """FEATURES of the retrieved items `best` [users, k], [users, k, features]; NaN where not known.

    `scores` [users, n_items + 1] are those of the first stage. Without a moment it is the newest play's.
    """
    lengths = np.array([len(history) for history in histories], dtype=np.int64)
    first = np.where(best == PADDING, np.nan, np.take_along_axis(scores, best, axis=1))
    columns: dict[str, NDArray[np.floating]] = {
        "first": first - first[:, :1],
        "place": np.broadcast_to(np.log2(1.0 + np.arange(best.shape[1])), best.shape),
        **_counted(counting, best, histories, moment),
        "likeness": _likeness(facts, best, histories),
        **_played(facts, best, moment),
        **_described(facts, best, histories, moment),
        "length": np.broadcast_to(np.log1p(lengths)[:, None], best.shape),
        **_usual(facts, best, histories, moment),
    }
    made = np.full((*best.shape, len(FEATURES)), np.nan, dtype=np.float32)
    for place, name in enumerate(FEATURES):
        if name in columns:
            made[:, :, place] = columns[name]
    return made


Columns = dict[str, "NDArray[np.floating]"]


def _counted(
    counting: Mapping[str, Scorer],
    best: NDArray[np.int64],
    histories: Sequence[NDArray[np.integer]],
    moment: Moment | None,
) -> Columns:
    return {
        name: np.take_along_axis(log_shares(scores_at(one, histories, moment)), best, axis=1)
        for name, one in counting.items()
    }


def _likeness(
    facts: ItemFacts, best: NDArray[np.int64], histories: Sequence[NDArray[np.integer]]
) -> NDArray[np.floating]:
    alike = np.full(best.shape, np.nan)
    if facts.vectors.shape[1]:
        for row, history, items in zip(alike, histories, best, strict=True):
            row[:] = likeness(facts.vectors, [history], HISTORY, items)[0]
    return alike


def _minutes(facts: ItemFacts, moment: Moment | None, users: int) -> NDArray[np.int64]:
    """Plays before this minute count, [users]: that of asking, as far as there are plays."""
    behind = facts.newest + 1
    if moment is None:
        return np.full(users, behind, dtype=np.int64)
    return np.minimum(moment.asked_ms // MS_A_MINUTE, behind)


def _share(plays: NDArray[np.int64], of_all: NDArray[np.int64], n_items: int) -> NDArray[np.floating]:
    """The logarithm of 1 + the share of each item [users, k] of all plays [users], counted in items."""
    return np.log1p(n_items * plays / np.maximum(of_all, 1)[:, None])


def _played(facts: ItemFacts, best: NDArray[np.int64], moment: Moment | None) -> Columns:
    """How often, and when, others had played each of the retrieved items."""
    if not facts.clock:
        everything = np.full(len(best), facts.counts.sum())
        return {"popularity": _share(facts.counts[best], everything, facts.n_items)}
    until = _minutes(facts, moment, len(best))
    plays, of_all = facts.plays_before(best, until), facts.all_before(until)
    columns = {"popularity": _share(plays, of_all, facts.n_items)}
    lately: dict[int, NDArray[np.int64]] = {}
    for days in WINDOWS:
        since = until - days * MINUTES_A_DAY
        lately[days] = plays - facts.plays_before(best, since)
        columns[f"last {days} days"] = _share(lately[days], of_all - facts.all_before(since), facts.n_items)
    now = until[:, None]
    for name, play in (("idle", plays - 1), ("played for", np.where(plays > 0, 0, -1))):
        columns[name] = np.log1p((now - facts.minute_of(best, play)) / MINUTES_A_DAY)
    return {**columns, "trend": np.log((1 + lately[30]) / (1 + lately[90] / 3))}


def _described(
    facts: ItemFacts,
    best: NDArray[np.int64],
    histories: Sequence[NDArray[np.integer]],
    moment: Moment | None,
) -> Columns:
    """What the catalogue says, beside what it says of the history."""
    rows = padded(histories, HISTORY)  # [users, length]
    newest = np.array([history[-1] if len(history) else PADDING for history in histories], dtype=np.int64)
    price = np.log1p(np.maximum(facts.price, 0))
    released = facts.released.copy()
    price[PADDING] = released[PADDING] = np.nan
    columns: Columns = {
        "price": price[best],
        "dearer": price[best] - _mean(price[rows], ~np.isnan(price[rows])),
        "later": released[best] - released[newest][:, None],
    }
    if facts.clock:
        asked = _minutes(facts, None, len(best)) if moment is None else moment.asked_ms // MS_A_MINUTE
        columns["age"] = (asked[:, None] / MINUTES_A_DAY).astype(np.float32) - released[best]
    return columns


def _usual(
    facts: ItemFacts,
    best: NDArray[np.int64],
    histories: Sequence[NDArray[np.integer]],
    moment: Moment | None,
) -> Columns:
    """How popular what this user plays usually is."""
    rows = padded(histories, HISTORY)
    if facts.clock:
        until = _minutes(facts, moment, len(best))
        of_history, own = facts.plays_before(rows, until), facts.plays_before(best, until)
    else:
        of_history, own = facts.counts[rows], facts.counts[best]
    usual = _mean(np.log1p(of_history), rows != PADDING)  # [users, 1]
    return {"usual": np.broadcast_to(usual, best.shape), "as usual": np.log1p(own) - usual}


def _mean(values: NDArray[np.floating], there: NDArray[np.bool_]) -> NDArray[np.floating]:
    """Of those that are there, [users, 1]; NaN where none is."""
    n = there.sum(axis=1, keepdims=True)
    total = np.where(there, values, 0).sum(axis=1, keepdims=True)
    mean: NDArray[np.floating] = np.divide(total, n, out=np.full(total.shape, np.nan), where=n > 0)
    return mean
