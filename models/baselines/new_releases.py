"""What has just come out and is like the items of the history, of what nobody has played. Not trained.

Among what has been played a release of today has no chance: what is popular is the better guess for most. So
it is ranked among its like alone, and a blend learns how much such a list counts beside the others.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
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
from models.baselines.content import described
from models.bundle.bundle import PADDING
from models.content.likeness import freshness, likeness, release_days
from models.data import Holdout, Sequences
from models.moment import MS_A_DAY, Moment

POWERS = (1.0, 2.0)  # of the likeness; tried on validation
HALF_LIVES = (30.0, 14.0, 7.0, 3.0, 90.0)  # days; tried on validation
UNDATED = 0.1  # newness of what has no date


@dataclass(frozen=True, eq=False)
class NewReleases:
    """The score of an item without plays in training is its likeness to the history times its newness.

    Both are those of `content`, but newness has a half-life of its own. What is not out on the day of asking
    is scored -inf. Items that have been played come behind, by popularity, scored below 0.
    """

    architecture: ClassVar[str] = "new_releases"
    max_length: ClassVar[int] = 20

    vectors: NDArray[np.float32]  # [n_items + 1, width]
    share: NDArray[np.float32]  # [n_items + 1], of the plays
    released: NDArray[np.float32]  # [n_items + 1], days since 1970, NaN
    day: float  # of the newest play that was learned from
    power: float = POWERS[0]
    half_life: float = HALF_LIVES[0]

    @classmethod
    def fit(cls, train: Sequences, validation: Holdout | None = None, facts: Facts = NO_FACTS) -> Self:
        """With the settings that are best by NDCG@10 on the validation plays of items without plays before.

        Raises NotApplicableError where times are no clock, where no release date is known, or nothing else
        of the items, and ValueError without any interaction.
        """
        made = cls._of(train, facts)
        if validation is None:
            return made
        new = some_users(validation.rows(np.flatnonzero(made.share[validation.targets] == 0)))
        if not len(new):
            return made
        tried = (replace(made, power=p, half_life=h) for p, h in product(POWERS, HALF_LIVES))
        return max(tried, key=lambda one: ndcg(one, new))

    def refit(self, train: Sequences, facts: Facts = NO_FACTS) -> Self:
        """Raises as `fit` does."""
        return replace(self._of(train, facts), power=self.power, half_life=self.half_life)

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

    def score(self, histories: Sequence[NDArray[np.integer]]) -> NDArray[np.float32]:
        return self.score_at(histories, Moment.all_at(int(self.day) * MS_A_DAY, len(histories)))

    def score_at(self, histories: Sequence[NDArray[np.integer]], moment: Moment) -> NDArray[np.float32]:
        scores = np.tile(self.share - 1, (len(histories), 1))  # [users, n_items + 1]
        new = np.flatnonzero(self.new)
        alike = likeness(self.vectors, histories, self.max_length, new) ** np.float32(self.power)
        age = moment.days[:, None].astype(np.float32) - self.released[new]  # [users, new], NaN
        fresh = np.where(np.isnan(age), np.float32(UNDATED), freshness(np.maximum(age, 0), self.half_life))
        scores[:, new] = np.where(age < 0, -np.inf, alike * fresh)
        scores[:, PADDING] = -np.inf
        return scores

    def config(self) -> dict[str, Any]:
        return {"power": self.power, "newness_half_life": self.half_life}

    def save(self, folder: Path) -> None:
        arrays = {"vectors": self.vectors, "share": self.share, "released": self.released}
        save_weights(folder, {**arrays, "settings": np.array([self.day, self.power, self.half_life])})

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Raises BundleError where the weights cannot be read or are not those of such a baseline."""
        with saved_weights(folder, cls.architecture) as weights:
            vectors = weights["vectors"]
            if vectors.ndim != 2 or vectors.dtype != np.float32:
                raise ValueError(f"an array has shape {vectors.shape} and type {vectors.dtype}")
            share, released = (vector(weights[n], np.float32, len(vectors)) for n in ("share", "released"))
            return cls(vectors, share, released, *vector(weights["settings"], np.float64, 3).tolist())
