"""What is like the items of the history by its description, the well liked and the new first. Not trained."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from models.baselines.base import (
    CHOOSING_USERS,
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
from models.baselines.new_releases import NewReleases, described
from models.baselines.popularity import Popularity, RecentPopularity
from models.baselines.rate import allowed, bounded_rate
from models.bundle.bundle import PADDING, ItemTable
from models.choice import MOST_CELLS, likeliest
from models.content.likeness import freshness, likeness, release_days
from models.data import Holdout, Sequences
from models.moment import Moment
from models.prior import Prior

HALF_LIFE_DAYS = 90.0  # of being new
POWERS = (0.25, 1.0, 2.0)  # of the likeness; tried on validation
DECIMALS = 3
NEWNESS = (0.0, 3.0, 10.0)  # average items that one released today is worth; tried on validation


@dataclass(frozen=True, eq=False)
class Content:
    """The score of an item is its likeness to the history times a prior of popularity and newness.

    Likeness is the cosine of the item's content vector with the mean of the history's, the newest counting 1,
    the one before it DECAY, and so on. The prior is the item's share of the plays, the recent ones counting
    more where there are times, and a share that a new release starts with, which halves every HALF_LIFE_DAYS.
    So what nobody has played can be an answer.

    Where the times are a clock and release dates are known, items without plays have the scores of
    `new_releases` instead, times a rate, which is bounded so that the others lose little; the scores
    of the others are taken to the power that makes them chances. What is not out on the day of asking,
    and has never been played, is scored -inf. Elsewhere a release ages until the newest one that has been
    played; in bundles from before, and of a clock, until the day of asking.
    """

    architecture: ClassVar[str] = "content"
    max_length: ClassVar[int] = 20

    vectors: NDArray[np.float32]  # [n_items + 1, width]
    share: NDArray[np.float32]  # [n_items + 1], of the plays
    new: NDArray[np.float32]  # [n_items + 1], from 0 to 1, what was released last
    power: float
    newness: float
    half_life: float = 0.0  # of recent popularity; 0 where there are no times
    prior: Prior | None = None  # what the shares stand for, where the times are a clock
    released: NDArray[np.float32] | None = None  # [n_items + 1], days since 1970, NaN; where they are a clock
    releases: NewReleases | None = None  # of what nobody has played
    weight: float = 1.0  # power of the scores of what has been played beside them
    rate: float = 0.0  # how likely one of score 1 is played, where all that was played has 1 together

    @classmethod
    def fit(cls, train: Sequences, validation: Holdout | None = None, facts: Facts = NO_FACTS) -> Self:
        """With the power and the newness that are best on validation by NDCG@10, else the first ones.

        Raises NotApplicableError where nothing is known of the items, and ValueError without any interaction.
        """
        popularity(train)  # raises where there is nothing to count
        items, vectors = described(facts)
        liked = Popularity.fit(train, validation, facts)
        if facts.times is not None:
            liked = RecentPopularity.fit(train, validation, facts)
        untuned = cls._of(vectors, liked, items, train)
        if (releases := _releases(train, validation, facts)) is not None:
            return replace(untuned, releases=releases)._tuned(validation)
        tried = product(POWERS, NEWNESS if untuned.new.any() else NEWNESS[:1])
        made = (replace(untuned, power=power, newness=newness) for power, newness in tried)
        if validation is None or len(validation) == 0:
            return next(made)
        some = some_users(validation)
        return max(made, key=lambda content: ndcg(content, some))

    def _tuned(self, validation: Holdout | None) -> Self:
        """With the power that is best for what has been played, and then the rate of what has not."""
        assert self.releases is not None
        if validation is None or len(validation) == 0:
            return self
        new = self.releases.new
        known = validation.rows(np.flatnonzero(~new[validation.targets]))
        chosen = self
        if len(known):
            some = some_users(known)
            chosen = max((replace(self, power=power) for power in POWERS), key=lambda one: ndcg(one, some))
            chosen = replace(chosen, weight=chosen._likeliest(known))
        rate = bounded_rate(lambda one: replace(chosen, rate=one), _positive, some_users(validation), new)
        return replace(chosen, rate=rate)

    def _likeliest(self, plays: Holdout) -> float:
        """The power of scores of known items with which these plays of them are likeliest."""
        some = some_users(plays, min(CHOOSING_USERS, max(1, MOST_CELLS // len(self.share))))
        histories = [some.histories.user(row) for row in range(len(some))]
        scores = self._scored(histories, [self.share] * len(histories))  # [plays, n_items + 1]
        there = allowed(some, len(self.share)) & (scores > 0)
        played = np.flatnonzero(there[np.arange(len(some)), some.targets])
        if not len(played):
            return 1.0
        features = np.log(np.where(there, scores, 1))[:, :, None]
        (weight,), _ = likeliest(
            features[played], there[played], some.targets[played], np.ones(1), [(0, None)], DECIMALS
        )
        return float(weight)

    def refit(self, train: Sequences, facts: Facts = NO_FACTS) -> Self:
        """Raises as `fit` does."""
        items, vectors = described(facts)
        liked = Popularity.fit(train, None, facts)
        if self.half_life and facts.times is not None:
            liked = RecentPopularity(self.share, self.half_life).refit(train, facts)
        untuned = self._of(vectors, liked, items, train)
        releases = None if self.releases is None else self.releases.refit(train, facts)
        return replace(
            untuned, power=self.power, newness=self.newness, half_life=self.half_life,
            releases=releases, weight=self.weight, rate=self.rate,
        )  # fmt: skip

    @classmethod
    def _of(
        cls,
        vectors: NDArray[np.float32],
        liked: Popularity,
        items: ItemTable,
        train: Sequences,
    ) -> Self:
        """With the first settings."""
        days = release_days(items)
        recent = liked if isinstance(liked, RecentPopularity) else None
        half_life, prior = (recent.half_life, recent.prior) if recent else (0.0, None)
        released = days.astype(np.float32) if prior else None
        new = _newness_of_releases(days, train)
        return cls(vectors, liked.share, new, POWERS[0], NEWNESS[0], half_life, prior, released)

    def moved(self, items: NDArray[np.int64], played_ms: NDArray[np.int64]) -> Self:
        """With later plays of these items [plays] at these times [plays]. ValueError without a clock."""
        if self.prior is None:
            raise ValueError("The popularity in this content baseline has no clock: it cannot be moved.")
        share = self.prior.moved(self.share, items, played_ms)
        return replace(self, share=share, releases=self.releases and replace(self.releases, share=share))

    def score(self, histories: Sequence[NDArray[np.integer]]) -> NDArray[np.float32]:
        if self.releases is not None:
            return self._beside_releases(histories, self.releases.score(histories))
        return self._scored(histories, [self._starting] * len(histories))

    def score_at(self, histories: Sequence[NDArray[np.integer]], moment: Moment) -> NDArray[np.float32]:
        if self.releases is not None:
            return self._beside_releases(histories, self.releases.score_at(histories, moment))
        if self.released is None:
            return self.score(histories)
        asked, place = np.unique(moment.days, return_inverse=True)
        of_days = [self._starting_on(int(day)) for day in asked]
        return self._scored(histories, [of_days[i] for i in place])

    def _beside_releases(
        self, histories: Sequence[NDArray[np.integer]], new_scores: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """The scores of what has been played, and those of new items, [users, n_items + 1], at their rate."""
        assert self.releases is not None
        new, scores = self.releases.new, self._scored(histories, [self.share] * len(histories))
        np.power(scores, np.float32(self.weight), out=scores, where=scores > 0)
        total = scores[:, 1:].sum(axis=1, keepdims=True)  # [users, 1], of what was played: new items have 0
        at_rate = np.maximum(new_scores[:, new], 0) * (np.float32(self.rate) * total)  # [users, new]
        scores[:, new] = np.where(np.isneginf(new_scores[:, new]), -np.inf, at_rate)
        return scores

    def _scored(
        self, histories: Sequence[NDArray[np.integer]], starting: Sequence[NDArray[np.float32]]
    ) -> NDArray[np.float32]:
        """`starting` is what each item has before likeness is looked at, [n_items + 1] a user."""
        scores = likeness(self.vectors, histories, self.max_length)
        scores **= np.float32(self.power)
        for row, of_day in zip(scores, starting, strict=True):
            np.multiply(row, of_day, out=row)
        scores[:, PADDING] = -np.inf
        return scores

    @property
    def _starting(self) -> NDArray[np.float32]:
        of_new = np.float32(self.newness / max(len(self.share) - 1, 1))
        starting: NDArray[np.float32] = self.share + of_new * self.new
        return starting

    def _starting_on(self, day: int) -> NDArray[np.float32]:
        """With the releases as old as they are on that day since 1970; -inf for those that are not out.

        What has been played before its release says nothing of its age by that.
        """
        assert self.released is not None
        age = np.float32(day) - self.released  # [n_items + 1], NaN where no date is known
        ahead = age < 0
        new = freshness(np.where(ahead, np.nan, age), HALF_LIFE_DAYS)
        of_day: NDArray[np.float32] = replace(self, new=new)._starting
        of_day[ahead & (self.share == 0)] = -np.inf
        return of_day

    def config(self) -> dict[str, Any]:
        half_life = {"half_life": self.half_life} if self.half_life else {}
        newness = {"newness": self.newness}
        if self.releases is not None:
            newness = {
                "weight": self.weight,
                "rate": self.rate,
                **{f"new_{k}": v for k, v in self.releases.config().items()},
            }
        return {"power": self.power, **newness, **half_life}

    def save(self, folder: Path) -> None:
        settings = np.array([self.power, self.newness, self.half_life])
        arrays = {"vectors": self.vectors, "share": self.share, "new": self.new, "settings": settings}
        if self.prior and self.released is not None:
            arrays |= {"released": self.released, **self.prior.array()}
        if self.releases is not None:
            arrays |= {"releases": self.releases.settings, "rates": np.array([self.weight, self.rate])}
        save_weights(folder, arrays)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Raises BundleError where the weights cannot be read or are not those of a content baseline."""
        with saved_weights(folder, cls.architecture) as weights:
            vectors = weights["vectors"]
            power, newness, half_life = vector(weights["settings"], np.float64, 3).tolist()
            if vectors.ndim != 2 or vectors.dtype != np.float32:
                raise ValueError(f"an array has shape {vectors.shape} and type {vectors.dtype}")
            share, new = (vector(weights[name], np.float32, len(vectors)) for name in ("share", "new"))
            prior, released = Prior.among(weights), weights.get("released")
            if released is not None:
                released = vector(released, np.float32, len(vectors))
            releases, weight, rate = None, 1.0, 0.0
            if "releases" in weights:
                assert released is not None
                releases = NewReleases.of_settings(vectors, share, released, weights["releases"])
                weight, rate = vector(weights["rates"], np.float64, 2).tolist()
            return cls(
                vectors, share, new, power, newness, half_life, prior, released, releases, weight, rate
            )


def _releases(train: Sequences, validation: Holdout | None, facts: Facts) -> NewReleases | None:
    """Where the data allow them."""
    try:
        return NewReleases.fit(train, validation, facts)
    except NotApplicableError:
        return None


def _positive(scores: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.maximum(scores, 0)


def _newness_of_releases(days: NDArray[np.float64], train: Sequences) -> NDArray[np.float32]:
    """1 for what was released when the newest played item was, or later; 0 where no date is known."""
    played = days[np.unique(train.items)]
    if np.isnan(played).all():
        return np.zeros(len(days), dtype=np.float32)
    return freshness(np.maximum(np.nanmax(played) - days, 0.0), HALF_LIFE_DAYS)
