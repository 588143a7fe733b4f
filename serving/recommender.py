"""From a history of item ids to the best next items: one bundle, opened, verified and warmed up."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.answering import unplayed
from models.blend.scorer import Blend
from models.bundle.agreement import agree, allowance
from models.bundle.bundle import (
    PADDING,
    BundleError,
    GoldenRequest,
    ItemTable,
    read_golden,
    read_items,
    read_manifest,
)
from models.moment import Moment
from models.opening import open_scorer
from models.prior import Prior
from models.scorer import MovingScorer, OnnxScorer, Scorer, scores_at
from models.stages.scorer import Staged
from serving.explain import contributors
from serving.exploring import Exploration
from serving.filters import Filters
from serving.ranking import top_k
from serving.search import TitleSearch


@dataclass(frozen=True)
class Scored:
    """A recommended item; `rank` starts at 1, `because` is id and title of what contributed most to it.

    `propensity` is the chance with which it came to its place, where chance took part.
    """

    item_id: str
    title: str
    score: float
    rank: int
    because: tuple[str, str] | None = None
    propensity: float | None = None


@dataclass(frozen=True)
class Recommendation:
    """`items` best first; `fallback` says that no item of the history was known and popularity answered."""

    items: list[Scored]
    unknown_ids: list[str]
    fallback: bool


@dataclass
class Moving:
    """A scorer as it was trained, and as it is now, with the plays since."""

    trained: Scorer
    now: Scorer


class Recommender:
    """Serves one bundle. Ready for its first request once constructed; safe to use from several threads.

    Raises BundleError where the bundle is broken or does not give the golden answers that it came with.
    `beside` is one of the same items: what is known of them is then held once. BundleError where they differ.
    """

    def __init__(self, folder: Path, threads: int = 1, beside: "Recommender | None" = None) -> None:
        self.manifest = read_manifest(folder)
        if beside is None:
            self._items = read_items(folder)
            self._index = self._items.index()
            self._filters = Filters(self._items.attributes)
            self._search = TitleSearch(self._items)
        elif beside.manifest.vocabulary_hash == self.manifest.vocabulary_hash:
            self._items, self._index = beside._items, beside._index
            self._filters, self._search = beside._filters, beside._search
        else:
            raise BundleError(f"{folder} knows other items than the model beside it.")
        if self._items.n_items != self.manifest.n_items:
            raise BundleError(f"{folder} holds {self._items.n_items} items, not {self.manifest.n_items}.")
        scorer = open_scorer(folder, threads)
        self._moving = Moving(scorer, scorer)
        self._unplayed = unplayed(self._items, self.manifest, scorer)
        for golden in read_golden(folder):
            self._verify(golden, folder)
        self._warm_up()

    @property
    def items(self) -> ItemTable:
        """The catalogue that this model chooses from."""
        return self._items

    @property
    def scorer(self) -> Scorer:
        """What gives the scores of the items that this model has learned."""
        return self._moving.now

    @property
    def trained(self) -> Scorer:
        """The scorer without the plays since its training."""
        return self._moving.trained

    @property
    def prior(self) -> Prior | None:
        """What the recent popularity in it stands for; None where none can be moved."""
        return self.trained.prior if isinstance(self.trained, MovingScorer) else None

    def move(self, items: NDArray[np.int64], played_ms: NDArray[np.int64]) -> None:
        """From now on these plays, later than all that was learned from, count in recent popularity, too.

        Safe while others ask. Raises ValueError where there is none.
        """
        if not isinstance(self.trained, MovingScorer):
            raise ValueError("This model has no recent popularity that moves.")
        self._moving.now = self.trained.moved(items, played_ms)

    @property
    def index(self) -> Mapping[str, int]:
        """Item id -> item index, of the items that this model chooses from."""
        return self._index

    def title(self, item_id: str) -> str | None:
        """None for an item that the model does not know."""
        index = self._index.get(item_id)
        return None if index is None else self._items.titles[index]

    def recommend(
        self,
        history_ids: Sequence[str],
        k: int,
        exclude_seen: bool | None = None,
        exclude: Iterable[str] = (),
        filters: Mapping[str, Any] | None = None,
        explain: bool = False,
        asked_ms: int | None = None,
        explore: Exploration | None = None,
    ) -> Recommendation:
        """The `k` best items after a history of item ids, oldest first, that pass all filters.

        `asked_ms` is when this is asked, since the epoch; None: as of the training.
        Items of the history are left out as `exclude_seen` says, or else as the model was judged.
        Ties go to the lower item index. An item whose score is not finite is never recommended. Raises
        FilterError.
        """
        history = self._indexes(history_ids)
        unknown = [item_id for item_id in dict.fromkeys(history_ids) if item_id not in self._index]
        passing = self._filters.mask(filters) if filters else None
        looked_at = self._looked_at(history)
        moment = None if asked_ms is None else Moment.all_at(asked_ms, 1)
        scores = self._score(looked_at, moment) if len(looked_at) else self._popularity()
        if passing is not None:
            np.copyto(scores, -np.inf, where=~passing)
        if self.manifest.exclude_seen if exclude_seen is None else exclude_seen:
            scores[history] = -np.inf
        scores[self._indexes(exclude)] = scores[self._unplayed] = -np.inf
        best, chance = self._best(scores, k), 1.0
        if explore is not None:
            best, chance = explore.drawn(best, self._new_beside(best, scores))
        because: Sequence[int | None] = [None] * len(best)
        if explain and len(looked_at):
            because = self._contributors(history, best, asked_ms)
        items = self._named(scores, best, because)
        if chance < 1:
            items[-1] = replace(items[-1], propensity=chance)
        return Recommendation(items, unknown, fallback=len(looked_at) == 0)

    def similar(self, item_id: str, k: int, exclude: Iterable[str] = ()) -> list[Scored]:
        """The `k` items most like a known one, itself left out; raises KeyError for an unknown one.

        By the cosine between item embeddings; where the model has none, by what it recommends after the item.
        """
        index = self._index[item_id]
        scores = self._likeness(index)  # [items + 1]
        scores[index] = -np.inf
        scores[self._indexes(exclude)] = scores[self._unplayed] = -np.inf
        best = self._best(scores, k)
        return self._named(scores, best, [None] * len(best))

    def search(self, query: str, limit: int) -> list[tuple[str, str]]:
        """Id and title of the items whose titles look most like the query."""
        found = self._search.find(query, limit)
        return [(self._items.ids[i], self._items.titles[i]) for i in found]

    def fields(self) -> dict[str, dict[str, Any]]:
        """What can be filtered by."""
        return self._filters.describe()

    def _indexes(self, ids: Iterable[str]) -> NDArray[np.int64]:
        """Of those that are known, in their order."""
        index = self._index
        return np.array([index[item_id] for item_id in ids if item_id in index], dtype=np.int64)

    def _best(self, scores: NDArray[Any], k: int) -> NDArray[np.int64]:
        scores[PADDING] = -np.inf
        if not np.isfinite(scores.max()):  # NaN and infinity are the highest to NumPy
            scores[~np.isfinite(scores)] = -np.inf
        return top_k(scores, k)

    def _new_beside(self, best: NDArray[np.int64], scores: NDArray[Any]) -> NDArray[np.int64]:
        """New items that could be an answer and are none."""
        found = np.setdiff1d(self._new, best)
        kept: NDArray[np.int64] = found[np.isfinite(scores[found])]
        return kept

    @cached_property
    def _new(self) -> NDArray[np.int64]:
        """Items of which the model knows no play, and that are offered."""
        nobody = np.flatnonzero(self._items.counts == 0)
        return np.setdiff1d(nobody, np.append(self._unplayed, PADDING))

    def _named(
        self, scores: NDArray[Any], best: NDArray[np.int64], because: Sequence[int | None]
    ) -> list[Scored]:
        ids, titles = self._items.ids, self._items.titles
        return [
            Scored(ids[i], titles[i], score, rank, None if why is None else (ids[why], titles[why]))
            for rank, (i, score, why) in enumerate(
                zip(best.tolist(), scores[best].tolist(), because, strict=True), start=1
            )
        ]

    def knows(self, item_id: str) -> bool:
        """Is it in the item vocabulary?"""
        return item_id in self._index

    def _looked_at(self, history: NDArray[np.int64]) -> NDArray[np.int64]:
        """What of a history the model can look at."""
        return history

    def _score(self, history: NDArray[np.int64], moment: Moment | None = None) -> NDArray[Any]:
        scores: NDArray[np.float32] = scores_at(self.scorer, [history], moment)[0]  # [n_items + 1]
        return scores

    def _popularity(self) -> NDArray[Any]:
        """Scores for an empty history, [n_items + 1]."""
        return self._items.counts.astype(np.float64)

    def _likeness(self, index: int) -> NDArray[Any]:
        """How much each item is like one, [n_items + 1]."""
        if isinstance(self.scorer, OnnxScorer | Blend | Staged):
            return self.scorer.similarities(index)
        return Recommender._score(self, np.array([index]))

    def _contributors(
        self, history: NDArray[np.int64], best: NDArray[np.int64], asked_ms: int | None
    ) -> Sequence[int | None]:
        """For each of the best items the one of the history that contributed most."""
        return contributors(self.scorer, history, best, self.manifest.max_length, asked_ms)

    def _verify(self, golden: GoldenRequest, folder: Path) -> None:
        """Compare with the trained model's answer, whether or not that left out seen items."""
        if not (len(golden.items) == len(golden.scores) and self._knows(golden.history + golden.items)):
            raise BundleError(f"A golden request of {folder} does not fit its item table.")
        history = np.array(golden.history, dtype=np.int64)
        scores = self._score(history)  # [n_items + 1]
        expected = np.array(golden.scores)
        same = agree(scores[golden.items], golden.scores)
        rivals = np.delete(scores, [PADDING, *golden.history, *golden.items])
        best = bool(np.all(rivals.max(initial=-np.inf) <= expected + allowance(expected)))
        if not (same and best):
            raise BundleError(f"{folder} does not give the answers that the trained model gave.")

    def _knows(self, indexes: Sequence[Any]) -> bool:
        return all(isinstance(i, int) and PADDING < i <= self._items.n_items for i in indexes)

    def _warm_up(self) -> None:
        """Run the shortest and the longest history, so that no user waits for buffers to be allocated."""
        for length in (1, self.manifest.max_length):
            self.recommend(self._items.ids[1:2] * length, k=1)
        self.recommend([], k=1)
        self.recommend(self._items.ids[1:2] * 2, k=1, explain=True)
