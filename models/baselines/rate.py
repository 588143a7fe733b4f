"""How often items that nobody has played are played, beside the others: learned on validation plays."""

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from models.baselines.base import ndcg, some_users
from models.bundle.bundle import PADDING
from models.data import Holdout
from models.scorer import Scorer, scores_at

SHARES = (1.0, 0.8, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1)  # of the likeliest rate; tried in turn
KNOWN_LOSS = 0.01  # share of NDCG@10 that new items may cost the plays of known items on validation
DECIMALS = 6  # sums in another order give the same bytes
ROUNDS = 100  # of a fixed point, which each comes nearer to
BLOCK = 512  # plays scored at once


def bounded_rate(
    made: Callable[[float], Scorer],
    as_chances: Callable[[NDArray[np.float32]], NDArray[np.float32]],
    validation: Holdout,
    new: NDArray[np.bool_],
) -> float:
    """As high a rate of the items that are `new` [n_items + 1] as plays of known ones can bear; 0 for none.

    `made` is the scorer with a rate, and `as_chances` makes of its scores what is in proportion to chances.
    The likeliest rate serves all plays together, at the cost of those of known items. So it is the first of
    SHARES of it with which these lose no more than KNOWN_LOSS of NDCG@10, or none.
    """
    of_new = new[validation.targets]
    if of_new.all() or not of_new.any():
        return 0.0
    known = some_users(validation.rows(np.flatnonzero(~of_new)))
    rate = likeliest_rate(made(1.0), as_chances, validation, new)
    least = (1 - KNOWN_LOSS) * ndcg(made(10.0**-DECIMALS), known)
    tried = (round(share * rate, DECIMALS) for share in SHARES)
    return next((one for one in tried if one > 0 and ndcg(made(one), known) >= least), 0.0)


def likeliest_rate(
    scorer: Scorer,
    as_chances: Callable[[NDArray[np.float32]], NDArray[np.float32]],
    plays: Holdout,
    new: NDArray[np.bool_],
) -> float:
    """The rate with which what was played is likeliest, of a scorer that has the rate 1.

    With it, as many plays of new items are expected as there were, of those that were out.
    """
    parts = list(_room(scorer, as_chances, plays, new))
    played, room = sum(count for count, _ in parts), np.concatenate([part for _, part in parts])
    rate = 1.0
    for _ in range(ROUNDS):
        expected = float((room / (1 + rate * room)).sum())  # plays of new items at this rate, over the rate
        rate = played / expected if expected > 0 else 0.0
    return rate


def _room(
    scorer: Scorer,
    as_chances: Callable[[NDArray[np.float32]], NDArray[np.float32]],
    plays: Holdout,
    new: NDArray[np.bool_],
) -> Iterator[tuple[int, NDArray[np.float64]]]:
    """Block by block the number of plays of new items, and chances of new items over others, [plays]."""
    for start in range(0, len(plays), BLOCK):
        part = plays.rows(np.arange(start, min(start + BLOCK, len(plays))))
        histories = [part.histories.user(row) for row in range(len(part))]
        chances = as_chances(scores_at(scorer, histories, part.moment)).astype(np.float64)
        chances *= allowed(part, chances.shape[1])
        possible = chances[np.arange(len(part)), part.targets] > 0
        room = chances[:, new].sum(axis=1) / chances[:, ~new].sum(axis=1)
        yield int(new[part.targets][possible].sum()), room[possible]


def allowed(part: Holdout, width: int) -> NDArray[np.bool_]:
    """What can be an answer, [plays, n_items + 1]."""
    can_be = np.ones((len(part), width), dtype=np.bool_)
    can_be[:, PADDING] = False
    if part.exclude_seen:
        can_be[np.repeat(np.arange(len(part)), part.histories.lengths), part.histories.items] = False
    return can_be
