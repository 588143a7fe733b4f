"""What is like the items of the history by its description, the well liked and the new first. Not trained."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from models.baselines.base import (
    NO_FACTS,
    Facts,
    NotApplicableError,
    ndcg,
    popularity,
    save_weights,
    saved_weights,
    some_users,
    vector,
)
from models.baselines.popularity import Popularity, RecentPopularity
from models.bundle.attributes import DATE
from models.bundle.bundle import PADDING, ItemTable
from models.content.vectors import content_vectors
from models.data import Holdout, Sequences

DECAY = 0.8  # of an item of the history for each newer one
HALF_LIFE_DAYS = 90.0  # of being new
LEAST = 0.01  # likeness: what has nothing in common with the history comes in the order of the prior
POWERS = (0.25, 1.0, 2.0)  # of the likeness; tried on validation
NEWNESS = (0.0, 3.0, 10.0)  # average items that one released today is worth; tried on validation
RELEASE_DATE = "release_date"  # the attribute


@dataclass(frozen=True, eq=False)
class Content:
    """The score of an item is its likeness to the history times a prior of popularity and newness.

    Likeness is the cosine of the item's content vector with the mean of the history's, the newest counting 1,
    the one before it DECAY, and so on. The prior is the item's share of the plays, the recent ones counting
    more where there are times, and a share that a new release starts with: it halves every HALF_LIFE_DAYS,
    counted back from the newest release that has been played. So what nobody has played can be an answer.
    """

    architecture: ClassVar[str] = "content"
    max_length: ClassVar[int] = 20

    vectors: NDArray[np.float32]  # [n_items + 1, width]
    share: NDArray[np.float32]  # [n_items + 1], of the plays
    new: NDArray[np.float32]  # [n_items + 1], from 0 to 1, what was released last
    power: float
    newness: float
    half_life: float = 0.0  # of recent popularity; 0 where there are no times

    @classmethod
    def fit(cls, train: Sequences, validation: Holdout | None = None, facts: Facts = NO_FACTS) -> Self:
        """With the power and the newness that are best on validation by NDCG@10, else the first ones.

        Raises NotApplicableError where nothing is known of the items, and ValueError without any interaction.
        """
        popularity(train)  # raises where there is nothing to count
        items, vectors = _described(facts)
        liked: Popularity | RecentPopularity = Popularity.fit(train, validation, facts)
        half_life = 0.0
        if facts.times is not None:
            recent = RecentPopularity.fit(train, validation, facts)
            liked, half_life = recent, recent.half_life
        new = _newness(items, train)
        tried = product(POWERS, NEWNESS if new.any() else NEWNESS[:1])
        made = (cls(vectors, liked.share, new, *settings, half_life) for settings in tried)
        if validation is None or len(validation) == 0:
            return next(made)
        some = some_users(validation)
        return max(made, key=lambda content: ndcg(content, some))

    def refit(self, train: Sequences, facts: Facts = NO_FACTS) -> Self:
        """Raises as `fit` does."""
        items, vectors = _described(facts)
        if self.half_life and facts.times is not None:
            share = RecentPopularity(self.share, self.half_life).refit(train, facts).share
        else:
            share = Popularity.fit(train, None, facts).share
        new = _newness(items, train)
        return type(self)(vectors, share, new, self.power, self.newness, self.half_life)

    def score(self, histories: Sequence[NDArray[np.integer]]) -> NDArray[np.float32]:
        wanted = np.zeros((len(histories), self.vectors.shape[1]), dtype=np.float32)  # [users, width]
        for row, history in zip(wanted, histories, strict=True):
            newest = history[-self.max_length :]
            weights = (DECAY ** np.arange(len(newest) - 1, -1, -1.0)).astype(np.float32)
            row[:] = (weights[:, None] * self.vectors[newest]).sum(axis=0)
        lengths = np.linalg.norm(wanted, axis=1, keepdims=True)
        wanted /= np.where(lengths > 0, lengths, 1)
        # One product a user: those of a batch would differ in their last bits with its size.
        scores = np.empty((len(histories), len(self.vectors)), dtype=np.float32)
        for row, of_user in zip(scores, wanted, strict=True):
            np.maximum(self.vectors @ of_user, LEAST, out=row)
        scores **= np.float32(self.power)
        scores *= self._prior
        scores[:, PADDING] = -np.inf
        return scores

    @property
    def _prior(self) -> NDArray[np.float32]:
        of_new = np.float32(self.newness / max(len(self.share) - 1, 1))
        prior: NDArray[np.float32] = self.share + of_new * self.new
        return prior

    def config(self) -> dict[str, Any]:
        half_life = {"half_life": self.half_life} if self.half_life else {}
        return {"power": self.power, "newness": self.newness, **half_life}

    def save(self, folder: Path) -> None:
        settings = np.array([self.power, self.newness, self.half_life])
        arrays = {"vectors": self.vectors, "share": self.share, "new": self.new}
        save_weights(folder, {**arrays, "settings": settings})

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Raises BundleError where the weights cannot be read or are not those of a content baseline."""
        with saved_weights(folder, cls.architecture) as weights:
            vectors, settings = weights["vectors"], vector(weights["settings"], np.float64, 3).tolist()
            if vectors.ndim != 2 or vectors.dtype != np.float32:
                raise ValueError(f"an array has shape {vectors.shape} and type {vectors.dtype}")
            share, new = (vector(weights[name], np.float32, len(vectors)) for name in ("share", "new"))
            return cls(vectors, share, new, *settings)


def _described(facts: Facts) -> tuple[ItemTable, NDArray[np.float32]]:
    """The items and their vectors. Raises NotApplicableError where titles are all that is known of them."""
    if facts.items is not None and facts.items.attributes:
        vectors = content_vectors(facts.items)
        if vectors is not None:
            return facts.items, vectors
    raise NotApplicableError("nothing is known of the items but their ids and titles")


def _newness(items: ItemTable, train: Sequences) -> NDArray[np.float32]:
    """1 for what was released when the newest played item was, or later; 0 where no date is known."""
    dates = items.attributes.get(RELEASE_DATE)
    if dates is None or dates.kind != DATE:
        return np.zeros(len(items.ids), dtype=np.float32)
    days = np.array(["NaT" if day is None else day for day in dates.values], dtype="datetime64[D]")
    played = days[np.unique(train.items)]
    if np.isnat(played).all():
        return np.zeros(len(items.ids), dtype=np.float32)
    age = np.maximum((np.nanmax(played) - days) / np.timedelta64(1, "D"), 0.0)
    new: NDArray[np.float32] = np.nan_to_num(0.5 ** (age / HALF_LIFE_DAYS), nan=0.0).astype(np.float32)
    return new
