"""What models would have recommended before each user's next play, and how near that came to it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assets.evaluation.as_served_tables import MEASURES
from models.answering import answering
from models.bundle.bundle import PADDING, ItemTable, bundle_hash, read_items, read_manifest
from models.data import Sequences
from models.evaluation.metrics import per_user, top_k
from models.evaluation.served import estimate, places
from models.moment import Moment
from models.opening import open_scorer
from models.scorer import Scorer

LISTED = 10  # items of a list


@dataclass(frozen=True, eq=False)
class NextPlays:
    """One play of each user, and what the user had played before it, oldest first, in item ids."""

    users: NDArray[np.str_]  # [users]
    histories: Sequence[Sequence[str]]  # [users]
    targets: NDArray[np.str_]  # [users]
    learned: NDArray[np.bool_]  # [users], whether the user was learned from: others are counted apart
    asked_ms: NDArray[np.int64] | None = None  # [users], when each is asked for; None: as of the training

    def __len__(self) -> int:
        return len(self.users)


@dataclass(frozen=True, eq=False)
class Answers:
    """What one model recommends to each user before the play."""

    model: str
    architecture: str
    bundle_hash: str
    lists: NDArray[np.str_]  # [users, LISTED] item ids, best first, empty where a list is short
    trained: frozenset[str]  # the items that it has trained on


@dataclass(frozen=True, eq=False)
class Judged:
    """How near a model's answers came to the plays of one cut."""

    answers: Answers
    plays: NextPlays

    @property
    def ranks(self) -> NDArray[np.int32]:
        return places(self.answers.lists, self.plays.targets)


def answers_of(folder: Path, model: str, plays: NextPlays) -> Answers:
    """Of a bundle, as the endpoint would give them. Raises BundleError."""
    items, manifest = read_items(folder), read_manifest(folder)
    scorer = answering(open_scorer(folder), items, manifest)
    lists = recommended(scorer, items, plays.histories, manifest.exclude_seen, plays.asked_ms)
    return Answers(model, manifest.architecture, bundle_hash(folder), lists, trained_items(items))


def trained_items(items: ItemTable) -> frozenset[str]:
    """The ids of the items that occur in what a bundle was trained on."""
    return frozenset(items.ids[i] for i in np.flatnonzero(items.counts) if i != PADDING)


def recommended(
    scorer: Scorer,
    items: ItemTable,
    histories: Sequence[Sequence[str]],
    exclude_seen: bool = True,
    asked_ms: NDArray[np.int64] | None = None,
) -> NDArray[np.str_]:
    """The best LISTED items of each user, [users, LISTED] ids, as `serving.recommender` answers them.

    Items that the model does not know are no part of a history; where nothing is left popularity answers.
    `asked_ms` [users] is when each of them asks.
    """
    index = items.index()
    known = Sequences.from_lists(
        ([index[item] for item in history if item in index] for history in histories), items.n_items
    )
    lists = np.full((len(known), LISTED), PADDING, dtype=np.int32)
    empty = known.lengths == 0
    for rows, asked in ((np.flatnonzero(~empty), scorer), (np.flatnonzero(empty), Counts(items.counts))):
        if len(rows):
            moment = None if asked_ms is None else Moment(asked_ms[rows])
            lists[rows], _ = top_k(asked, known.rows(rows), LISTED, exclude_seen=exclude_seen, moment=moment)
    return np.asarray(items.ids, dtype=np.str_)[lists]


def figures(judged: Sequence[Judged]) -> dict[str, Any]:
    """The columns of a row of `as_served`, of one model on one cut or on several. Raises ValueError.

    Users who were learned from count; how the others fared is said apart.
    """
    first = judged[0].answers
    row: dict[str, Any] = {"model": first.model, "architecture": first.architecture}
    row["bundle_hash"] = first.bundle_hash if len({j.answers.bundle_hash for j in judged}) == 1 else ""
    learned = [j.plays.learned for j in judged]
    users = [j.plays.users[who] for j, who in zip(judged, learned, strict=True)]
    row["users"] = sum(len(some) for some in users)
    row["never_trained"] = sum(_never_trained(j) for j in judged)
    for name, _ in MEASURES:
        values = [per_user(f"{name}@10", j.ranks[who]) for j, who in zip(judged, learned, strict=True)]
        found = estimate(values, users)
        row |= {
            f"{name}_at_10": found.value,
            f"{name}_at_10_low": found.low,
            f"{name}_at_10_high": found.high,
        }
    others = np.concatenate(
        [per_user("ndcg@10", j.ranks[~who]) for j, who in zip(judged, learned, strict=True)]
    )
    row["new_users"] = len(others)
    row["new_users_ndcg_at_10"] = float(others.mean()) if len(others) else None
    return row


def _never_trained(judged: Judged) -> int:
    targets: Iterable[str] = judged.plays.targets[judged.plays.learned].tolist()
    return sum(item not in judged.answers.trained for item in targets)


class Counts:
    """How often each item occurs in training: what the endpoint answers where it knows nothing of a user."""

    def __init__(self, counts: NDArray[np.integer]) -> None:
        self._counts = counts.astype(np.float32)  # [n_items + 1]

    def score(self, histories: Sequence[NDArray[np.integer]]) -> NDArray[np.float32]:
        return np.tile(self._counts, (len(histories), 1))
