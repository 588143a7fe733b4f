"""Which plays teach which stage.

The first stage and what counts beside it learn from the training part. The ranker must learn from plays that
they have not learned from, or it would trust them too much: so its teachers are a first stage, counts and
facts of the training part without its newest plays, and these plays are what it learns to rank. Validation
says how many trees are best, and the test part is seen by none.
"""

from dataclasses import dataclass, replace

import numpy as np

from models.baselines.base import Facts
from models.data import Holdout, Sequences, Split, everything, holdout_at

MOST_PLAYS = 10_000  # that the ranker learns from, evenly spaced over the users
SLICE = 0.15  # share of the training part, of a split in time


@dataclass(frozen=True, eq=False)
class Slices:
    """What the ranker's teachers learn from, and what it learns to rank."""

    before: Split
    facts: Facts
    plays: Holdout


def slices(split: Split, facts: Facts) -> Slices:
    """The newest plays of the training part apart: each user's last one, or in time all of the last stretch.

    As the split itself has it, so that the ranker is asked what it will be asked. Raises ValueError where
    nothing is left on one of the sides.
    """
    train = split.train
    owner = np.repeat(np.arange(len(train)), train.lengths)  # [plays]
    place = np.arange(len(train.items)) - train.offsets[:-1][owner]  # [plays]
    if split.name.startswith("temporal") and facts.times is not None:
        late = facts.times >= np.quantile(facts.times, 1 - SLICE)
    else:
        late = (place == train.lengths[owner] - 1) & (place > 0)
    asked = np.flatnonzero(late & (place > 0))
    kept = ~late
    if not len(asked) or not kept.any():
        raise ValueError("there are no plays to rank")
    asked = asked[np.linspace(0, len(asked) - 1, min(len(asked), MOST_PLAYS)).astype(np.int64)]
    plays = holdout_at(train, owner[asked], place[asked], split.exclude_seen)
    lengths = np.bincount(owner[kept], minlength=len(train))
    before = Sequences(train.items[kept], np.append(0, np.cumsum(lengths)), train.n_items)
    times = None if facts.times is None else facts.times[kept]
    ages = None if split.ages is None else split.ages[kept] - split.ages[kept].min()
    made = replace(
        everything(before, split.exclude_seen), ages=ages, content=split.content, codes=split.codes
    )
    if facts.units_a_second is not None and facts.times is not None:
        plays = plays.asked_at((facts.times * (1000 / facts.units_a_second)).astype(np.int64), train)
    return Slices(made, replace(facts, times=times), plays)
