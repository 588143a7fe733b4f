"""What has just come out and is like the items of the history, of what nobody has played. Not trained.

Among what has been played a release of today has no chance: what is popular is the better guess for most. So
it is ranked among its like alone, and a blend learns how often it is played beside the others. For that the
scores have to be in proportion to chances, so their settings are the likeliest ones (a conditional logit).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from models.baselines.base import (
    CHOOSING_USERS,
    NO_FACTS,
    Facts,
    NotApplicableError,
    popularity,
    save_weights,
    saved_weights,
    some_users,
    vector,
)
from models.bundle.bundle import PADDING, ItemTable
from models.choice import MOST_CELLS, likeliest
from models.content.likeness import freshness, likeness, release_days
from models.content.vectors import content_vectors
from models.data import Holdout, Sequences
from models.moment import MS_A_DAY, Moment

UNTUNED = (1.0, 0.7, 0.1)  # power, fade and undated without validation plays of new items
UNDATED_BOUNDS = (1e-3, 1.0)
DECIMALS = 3
OLD_SETTINGS = 3  # in bundles whose newness has a half-life


@dataclass(frozen=True, eq=False)
class NewReleases:
    """The score of an item without plays in training is likeness to the history ** power * newness.

    Likeness is that of `content`; newness falls with the days since the release as (1 + days) ** -fade, as
    interest does (Crane and Sornette, PNAS 2008), and is `undated` where no date is known. Those of bundles
    from before has a half-life instead. What is not out on the day of asking is scored -inf. Items that have
    been played come behind, by popularity, scored below 0.
    """

    architecture: ClassVar[str] = "new_releases"
    max_length: ClassVar[int] = 20

    vectors: NDArray[np.float32]  # [n_items + 1, width]
    share: NDArray[np.float32]  # [n_items + 1], of the plays
    released: NDArray[np.float32]  # [n_items + 1], days since 1970, NaN
    day: float  # of the newest play that was learned from
    power: float = UNTUNED[0]
    fade: float = UNTUNED[1]
    undated: float = UNTUNED[2]
    half_life: float = 0.0  # days, of bundles from before; their scores are no chances

    @classmethod
    def fit(cls, train: Sequences, validation: Holdout | None = None, facts: Facts = NO_FACTS) -> Self:
        """With the settings that make the validation plays of items without plays before likeliest.

        Raises NotApplicableError where times are no clock, where no release date is known, or nothing else
        of the items, and ValueError without any interaction.
        """
        made = cls._of(train, facts)
        if validation is None:
            return made
        most = min(CHOOSING_USERS, max(1, MOST_CELLS // max(1, int(made.new.sum()))))
        new = some_users(validation.rows(np.flatnonzero(made.share[validation.targets] == 0)), most)
        power, fade, undated = made._likeliest(new) if len(new) else UNTUNED
        return replace(made, power=power, fade=fade, undated=undated)

    def _likeliest(self, plays: Holdout) -> tuple[float, float, float]:
        """Power, fade and undated for these plays of new items, which they are as far as they were out."""
        new = np.flatnonzero(self.new)
        histories = [plays.histories.user(row) for row in range(len(plays))]
        age = self._age(plays.moment or self._trained(len(plays)))  # [plays, new], NaN
        there = ~(age < 0)
        if plays.exclude_seen:
            there &= ~np.stack([np.isin(new, history) for history in histories])
        played = np.searchsorted(new, plays.targets)
        out = np.flatnonzero(there[np.arange(len(plays)), played])
        if not len(out):
            return UNTUNED
        features = np.zeros((*age.shape, 3), dtype=np.float32)  # [plays, new, settings]
        features[..., 0] = np.log(likeness(self.vectors, histories, self.max_length, new))
        features[..., 1] = -np.log1p(np.maximum(np.nan_to_num(age), 0))
        features[..., 2] = np.isnan(age)
        low, high = (float(np.log(bound)) for bound in UNDATED_BOUNDS)
        start = np.array([*UNTUNED[:2], np.log(UNTUNED[2])])
        bounds: list[tuple[float | None, float | None]] = [(0, None), (0, None), (low, high)]
        (power, fade, undated), _ = likeliest(features[out], there[out], played[out], start, bounds, DECIMALS)
        return float(power), float(fade), round(float(np.exp(undated)), DECIMALS)

    def refit(self, train: Sequences, facts: Facts = NO_FACTS) -> Self:
        """Raises as `fit` does."""
        made = self._of(train, facts)
        kept = {name: getattr(self, name) for name in ("power", "fade", "undated", "half_life")}
        return replace(made, **kept)

    @classmethod
    def _of(cls, train: Sequences, facts: Facts) -> Self:
        share, newest_ms = popularity(train), facts.newest_ms
        if newest_ms is None:
            raise NotApplicableError("the data have no times that are a clock")
        items, vectors = described(facts)
        released = release_days(items).astype(np.float32)
        if np.isnan(released).all():
            raise NotApplicableError("no release date is known")
        return cls(vectors, share, released, float(newest_ms // MS_A_DAY))

    @property
    def new(self) -> NDArray[np.bool_]:
        """Which items nobody has played, [n_items + 1]; padding is none."""
        found: NDArray[np.bool_] = self.share == 0
        found[PADDING] = False
        return found

    @property
    def of_chances(self) -> bool:
        """Whether scores of new items are in proportion to how likely each is played."""
        return not self.half_life

    def score(self, histories: Sequence[NDArray[np.integer]]) -> NDArray[np.float32]:
        return self.score_at(histories, self._trained(len(histories)))

    def score_at(self, histories: Sequence[NDArray[np.integer]], moment: Moment) -> NDArray[np.float32]:
        scores = np.tile(self.share - 1, (len(histories), 1))  # [users, n_items + 1]
        new = np.flatnonzero(self.new)
        alike = likeness(self.vectors, histories, self.max_length, new) ** np.float32(self.power)
        age = self._age(moment)  # [users, new], NaN
        fresh = np.where(np.isnan(age), np.float32(self.undated), self._newness(np.maximum(age, 0)))
        scores[:, new] = np.where(age < 0, -np.inf, alike * fresh)
        scores[:, PADDING] = -np.inf
        return scores

    def _trained(self, users: int) -> Moment:
        return Moment.all_at(int(self.day) * MS_A_DAY, users)

    def _age(self, moment: Moment) -> NDArray[np.float32]:
        """Days since the release of each new item, [users, new]; NaN where it has no date."""
        age: NDArray[np.float32] = moment.days[:, None].astype(np.float32) - self.released[self.new]
        return age

    def _newness(self, age: NDArray[np.float32]) -> NDArray[np.float32]:
        if self.half_life:
            return freshness(age, self.half_life)
        newness: NDArray[np.float32] = (1 + age) ** np.float32(-self.fade)
        return newness

    def config(self) -> dict[str, Any]:
        if self.half_life:
            return {"power": self.power, "newness_half_life": self.half_life}
        return {"power": self.power, "newness_fade": self.fade, "newness_undated": self.undated}

    def save(self, folder: Path) -> None:
        arrays = {"vectors": self.vectors, "share": self.share, "released": self.released}
        save_weights(folder, {**arrays, "settings": self.settings})

    @property
    def settings(self) -> NDArray[np.float64]:
        """All that is no array."""
        own = [self.fade, self.undated] if self.of_chances else [self.half_life]
        return np.array([self.day, self.power, *own])

    @classmethod
    def of_settings(
        cls,
        vectors: NDArray[np.float32],
        share: NDArray[np.float32],
        released: NDArray[np.float32],
        settings: NDArray[Any],
    ) -> Self:
        """The inverse of `settings`. Raises ValueError where they are none."""
        if len(settings) == OLD_SETTINGS:
            day, power, half_life = vector(settings, np.float64).tolist()
            return cls(vectors, share, released, day, power, half_life=half_life)
        return cls(vectors, share, released, *vector(settings, np.float64, 4).tolist())

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Raises BundleError where the weights cannot be read or are not those of such a baseline."""
        with saved_weights(folder, cls.architecture) as weights:
            vectors = weights["vectors"]
            if vectors.ndim != 2 or vectors.dtype != np.float32:
                raise ValueError(f"an array has shape {vectors.shape} and type {vectors.dtype}")
            share, released = (vector(weights[n], np.float32, len(vectors)) for n in ("share", "released"))
            return cls.of_settings(vectors, share, released, weights["settings"])


def described(facts: Facts) -> tuple[ItemTable, NDArray[np.float32]]:
    """The items and their vectors. Raises NotApplicableError where titles are all that is known of them."""
    if facts.items is not None and facts.items.attributes:
        vectors = content_vectors(facts.items)
        if vectors is not None:
            return facts.items, vectors
    raise NotApplicableError("nothing is known of the items but their ids and titles")
