"""Items that are listed while a model serves, and that nobody has played yet, in its answers.

The model has nothing to say about them. So each is compared with the NEAREST played items, those most like it
by their description, and scores as the PLACE-th best of them does, right behind it. In a history it counts as
the one that is most like it.
"""

import json
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.bundle.attributes import DATE, FLAG, NUMBER, TEXT, Attribute, is_date, parts
from models.bundle.bundle import PADDING, ItemTable
from models.content.features import item_features, table_features
from models.content.tfidf import ContentIndex
from models.moment import Moment
from serving.filters import Filters
from serving.recommender import Recommender
from serving.search import TitleSearch
from serving.state.events import ListedItem

NEAREST = 5
PLACE = 2


class Content:
    """What the items of a model are like, and which of them others are most like."""

    def __init__(self, items: ItemTable) -> None:
        self._items = items
        self._found: dict[tuple[str, str], NDArray[np.int64]] = {}

    def nearest(self, item: ListedItem, kinds: dict[str, str]) -> NDArray[np.int64]:
        """Indexes of the NEAREST played items, most like it first, or fewer; none where nothing is known."""
        described = (item.title, item.attributes)
        if described not in self._found:
            self._found[described] = self._nearest(item, kinds)
        return self._found[described]

    def keep(self, items: Sequence[ListedItem]) -> None:
        """Forget what was found for others."""
        described = {(item.title, item.attributes) for item in items}
        self._found = {key: found for key, found in self._found.items() if key in described}

    def _nearest(self, item: ListedItem, kinds: dict[str, str]) -> NDArray[np.int64]:
        features = item_features(item.title, _typed(json.loads(item.attributes), kinds))
        counts = self._items.counts
        cosines = np.where(counts > 0, self._index.cosines(features), 0.0)
        order = np.lexsort((-counts, -cosines))[:NEAREST]
        return order[cosines[order] > 0].astype(np.int64)

    @cached_property
    def _index(self) -> ContentIndex:
        return ContentIndex.of(table_features(self._items))


class WithListed(Recommender):
    """A model whose catalogue has listed items, too. What it has learned stays; safe as it is.

    A listed item that people have played is the model's own: its listing changes nothing.
    """

    def __init__(self, model: Recommender, content: Content, listed: Sequence[ListedItem]) -> None:
        known = model.items
        cold = [item for item in listed if not known.counts[model.index.get(item.item_id, PADDING)]]
        self.manifest, self._moving = model.manifest, model._moving
        self._n_known = len(known.ids)
        self._items = extended(known, cold)
        self._index = self._items.index()
        self._filters, self._search = Filters(self._items.attributes), TitleSearch(self._items)
        self._cold = np.array([self._index[item.item_id] for item in cold], dtype=np.int64)  # [cold]
        self._unplayed = np.setdiff1d(model._unplayed, self._cold)
        kinds = {name: attribute.kind for name, attribute in self._items.attributes.items()}
        nearest = [content.nearest(item, kinds) for item in cold]
        self._stands_for = np.arange(len(self._items.ids))  # [items + 1], in a history
        self._stands_for[self._cold] = [found[0] if len(found) else PADDING for found in nearest]
        self._nearest = np.array(  # [cold, NEAREST]; fewer are repeated
            [np.resize(found, NEAREST) if len(found) else [PADDING] * NEAREST for found in nearest],
            dtype=np.int64,
        ).reshape(-1, NEAREST)
        self._played = np.flatnonzero(known.counts > 0)

    def _looked_at(self, history: NDArray[np.int64]) -> NDArray[np.int64]:
        of = self._stands_for[history]
        kept: NDArray[np.int64] = of[of != PADDING]
        return kept

    def _score(self, history: NDArray[np.int64], moment: Moment | None = None) -> NDArray[Any]:
        return self._with_cold(super()._score(history, moment))

    def _popularity(self) -> NDArray[Any]:
        return self._with_cold(self._items.counts[: self._n_known].astype(np.float64))

    def _likeness(self, index: int) -> NDArray[Any]:
        of = int(self._stands_for[index])
        if of == PADDING:  # nothing is known of it: what is popular
            return self._popularity()
        if of == index:
            return self._with_cold(super()._likeness(index))
        likeness = self._with_cold(super()._likeness(of))
        likeness[of] = likeness[np.isfinite(likeness)].max()  # itself the likest
        return likeness

    def _contributors(
        self, history: NDArray[np.int64], best: NDArray[np.int64], asked_ms: int | None
    ) -> Sequence[int | None]:
        kept = history[self._stands_for[history] != PADDING]
        given = dict(zip(self._stands_for[kept].tolist(), kept.tolist(), strict=True))
        stand = self._stands_for[best]
        stands = np.where(stand == PADDING, 1, stand)
        found = super()._contributors(self._looked_at(history), stands, asked_ms)
        return [
            None if why is None or of == PADDING else given[why]
            for why, of in zip(found, stand.tolist(), strict=True)
        ]

    def _with_cold(self, scores: NDArray[Any]) -> NDArray[Any]:
        """Scores of the model's items [n_known] -> with those of the listed ones, [items + 1]."""
        whole = np.append(scores, np.full(len(self._items.ids) - len(scores), -np.inf, scores.dtype))
        if len(self._cold):
            near = scores[self._nearest]  # [cold, NEAREST]
            whole[self._cold] = np.partition(near, -PLACE, axis=1)[:, -PLACE]
            lost = self._cold[self._nearest[:, 0] == PADDING]
            if len(lost):  # like nothing else: in the middle
                whole[lost] = np.median(scores[self._played])
        return whole


def extended(known: ItemTable, cold: Sequence[ListedItem]) -> ItemTable:
    """The table with listed items: those that it holds are described anew, the others follow behind."""
    there = known.index()
    new = [item.item_id for item in cold if item.item_id not in there]
    index = there | {item_id: len(known.ids) + i for i, item_id in enumerate(new)}
    titles = [*known.titles, *[""] * len(new)]
    given: dict[str, dict[int, Any]] = {}
    for item in cold:
        titles[index[item.item_id]] = item.title
        for name, value in json.loads(item.attributes).items():
            given.setdefault(name, {})[index[item.item_id]] = value
    attributes: dict[str, Attribute] = {}
    for name in [*known.attributes, *sorted(set(given) - set(known.attributes))]:
        of = known.attributes.get(name)
        kind = of.kind if of else kind_of(next(iter(given[name].values())))
        values = [*(of.values if of else [None] * len(known.ids)), *[None] * len(new)]
        for i, value in given.get(name, {}).items():
            values[i] = value_of(kind, value)
        attributes[name] = Attribute(kind, values)
    counts = np.append(known.counts, np.zeros(len(new), known.counts.dtype))
    return ItemTable([*known.ids, *new], titles, counts, attributes)


def kind_of(value: Any) -> str:
    """Of a value as JSON has it."""
    if isinstance(value, bool):
        return FLAG
    if isinstance(value, int | float):
        return NUMBER
    return DATE if is_date(value) else TEXT


def value_of(kind: str, given: Any) -> Any:
    """A value as JSON has it, as one of this kind; None where it is none."""
    if given is None or (kind != TEXT and kind_of(given) != kind):
        return None
    if kind != TEXT:
        return given
    if not isinstance(given, str | list):
        return None
    texts = given if isinstance(given, list) else [given]
    return list(dict.fromkeys(part for text in texts for part in parts(text))) or None


def _typed(given: dict[str, Any], kinds: dict[str, str]) -> dict[str, tuple[str, Any]]:
    return {name: (kinds[name], value_of(kinds[name], value)) for name, value in given.items()}
