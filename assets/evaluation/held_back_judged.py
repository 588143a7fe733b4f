"""What a home whose plays were held back served to each user, against the first play that was held back."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from assets.engines.sql import statement
from assets.evaluation.as_served import plays_of
from assets.evaluation.as_served_tables import JUDGED, SERVED
from assets.evaluation.next_plays import (
    LISTED,
    Answers,
    Judged,
    NextPlays,
    answers_of,
    recommended,
    trained_items,
)
from assets.resources import Home
from assets.training.bundling import load_everything
from models.baselines import BASELINES
from models.bundle.bundle import bundle_hash
from models.mistakes import UserError


class NothingServedError(UserError):
    """A home has no champion, so that nothing can be judged."""


def judge_home(home: Home, source: str, min_playtime: int) -> list[Judged]:
    """What was served, the twin that the gate judged where that is another, and the baselines.

    Baselines have the settings that the night chose for them and are fitted on all that the night knew.
    Raises NothingServedError, BundleError and LakeError.
    """
    plays = held_back_plays(home, min_playtime)
    return [Judged(answers, plays) for answers in _answers(home, source, plays)]


def held_back_plays(home: Home, min_playtime: int) -> NextPlays:
    """The first play of each user that was held back, with the history before it."""
    with home.lake().connect("held_back", "all_interactions", "sequences") as connection:
        found = connection.execute(statement("held_back_plays"), {"min_playtime": min_playtime}).fetchall()
    return plays_of((user, history, item, known) for user, history, item, known in found)


def _answers(home: Home, source: str, plays: NextPlays) -> Iterator[Answers]:
    champions = home.champions()
    pointer = champions.current()
    if pointer is None:
        raise NothingServedError(
            f"The night in {home.folder()} ended without a champion, so nothing is served there: see its "
            "report for the reasons."
        )
    folder, twin = champions.folder(pointer), champions.twin(pointer)
    served = answers_of(folder, SERVED, plays)
    served.lists[plays.learned] = _batch(home, plays.users[plays.learned])
    yield served
    if twin != folder:
        yield answers_of(twin, JUDGED, plays)
    data, store = load_everything(home.lake(), source), home.bundles()
    for name in filter(store.has, BASELINES):
        chosen = store.current(name)
        fitted = BASELINES[name].load(chosen).refit(data.split.train, data.facts)
        lists = recommended(fitted, data.items, plays.histories, data.split.exclude_seen)
        yield Answers(name, name, bundle_hash(chosen), lists, trained_items(data.items))


def _batch(home: Home, users: NDArray[np.str_]) -> NDArray[np.str_]:
    """The first LISTED items of `batch_recommendations` of some users, [users, LISTED] ids."""
    place = {user: row for row, user in enumerate(users.tolist())}
    with home.lake().connect("batch_recommendations") as connection:
        rows = connection.execute(
            "SELECT user_id, item_id, rank FROM batch_recommendations WHERE rank <= ?", [LISTED]
        ).fetchall()
    longest = max((len(item) for _, item, _ in rows), default=1)
    lists = np.full((len(users), LISTED), "", dtype=f"<U{longest}")
    for user, item, rank in rows:
        if user in place:
            lists[place[user], rank - 1] = item
    return lists
