"""How often items that nobody has played are played, beside the others: learned on validation plays."""

from collections.abc import Callable, Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from models.baselines.base import some_users
from models.bundle.bundle import PADDING
from models.data import Holdout
from models.evaluation.metrics import per_user, rank_targets, users_at_once
from models.scorer import Scorer, scores_at

SHARES = (1.0, 0.8, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1)  # of the likeliest rate; the best of them is taken
KNOWN_LOSS = 0.05  # share of NDCG@10 that new items may cost the plays of known items on validation, at most
ALONE_LOSS = 0.01  # by which these may be below what each member alone has there; the gate's least margin
DECIMALS = 6  # sums in another order give the same bytes
ROUNDS = 100  # of a fixed point, which each comes nearer to
BLOCK = 512  # plays scored at once, fewer where that would take more than BLOCK_BYTES
BLOCK_BYTES = 1 << 30
CELL = 16  # bytes that are held of a play and an item: its score, its chance, whether it can be an answer


def bounded_rate(
    made: Callable[[float], Scorer],
    as_chances: Callable[[NDArray[np.float32]], NDArray[np.float32]],
    validation: Holdout,
    new: NDArray[np.bool_],
    alone: Iterable[Scorer] = (),
) -> float:
    """The rate of the items that are `new` [n_items + 1] that serves all plays together best; 0 for none.

    `made` is the scorer with a rate, and `as_chances` makes of its scores what is in proportion to chances.
    New items take their places from known ones. So of SHARES of the likeliest rate it is the one with the
    highest NDCG@10 on all plays, among those with which the plays of known items lose no more than KNOWN_LOSS
    of theirs, or none. Beside scorers that could serve `alone`, which `made` was to improve on, the plays of
    known items are not worse by more than ALONE_LOSS.
    """
    of_new = new[validation.targets]
    if of_new.all() or not of_new.any():
        return 0.0
    some = some_users(validation)
    known = ~new[some.targets]  # [plays]

    def of_known_and_all(scorer: Scorer) -> tuple[float, float]:
        each = per_user("ndcg@10", rank_targets(scorer, some))  # [plays]
        return float(each[known].sum()), float(each.sum())

    likely = likeliest_rate(made(1.0), as_chances, validation, new)
    of_known, highest = of_known_and_all(made(10.0**-DECIMALS))
    at_least = [(1 - ALONE_LOSS) * of_known_and_all(scorer)[0] for scorer in alone]
    least, best = max([(1 - KNOWN_LOSS) * of_known, *at_least]), 0.0
    for rate in (round(share * likely, DECIMALS) for share in SHARES):
        of_known, of_all = of_known_and_all(made(rate)) if rate > 0 else (0.0, 0.0)
        if of_known >= least and of_all > highest:
            best, highest = rate, of_all
    return best


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
    block = users_at_once(BLOCK, CELL * (plays.histories.n_items + 1), BLOCK_BYTES)
    for start in range(0, len(plays), block):
        part = plays.rows(np.arange(start, min(start + block, len(plays))))
        histories = [part.histories.user(row) for row in range(len(part))]
        chances = as_chances(scores_at(scorer, histories, part.moment)).astype(np.float64)
        chances *= allowed(part, chances.shape[1])
        others = chances[:, ~new].sum(axis=1)  # of none but new items any rate makes the play as likely
        possible = (chances[np.arange(len(part)), part.targets] > 0) & (others > 0)
        room = chances[:, new].sum(axis=1) / np.where(others > 0, others, 1)
        yield int(new[part.targets][possible].sum()), room[possible]


def allowed(part: Holdout, width: int) -> NDArray[np.bool_]:
    """What can be an answer, [plays, n_items + 1]."""
    can_be = np.ones((len(part), width), dtype=np.bool_)
    can_be[:, PADDING] = False
    if part.exclude_seen:
        can_be[np.repeat(np.arange(len(part)), part.histories.lengths), part.histories.items] = False
    return can_be
