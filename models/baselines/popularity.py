"""How often an item is played, over all of training or recently, whoever asks."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
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
from models.bundle.bundle import PADDING
from models.data import Holdout, Sequences, answers
from models.prior import Prior

# Of the time that training spans, so that no clock is needed; tried on validation. Of ten years the shortest
# is two days. Windows of 1 to 365 days were tried too: on dated Steam reviews each is below a half-life.
HALF_LIVES = (1 / 2, 1 / 8, 1 / 32, 1 / 128, 1 / 512, 1 / 2048)
OLDEST = 100.0  # half-lives; plays that are older count alike, and more than nothing in float32


@dataclass(frozen=True, eq=False)
class Popularity:
    """The score of an item is its share of the interactions in training, whoever asks.

    Where seen items are no answers, an item counts once for each user who played it.
    """

    architecture: ClassVar[str] = "popularity"
    max_length: ClassVar[int] = 0

    share: NDArray[np.float32]  # [n_items + 1]

    @classmethod
    def fit(cls, train: Sequences, validation: Holdout | None = None, facts: Facts = NO_FACTS) -> Self:
        """Count; there is nothing to choose on validation. Raises ValueError without any interaction."""
        wanted = answers(train, facts.exclude_seen)
        return cls(popularity(train, None if wanted is None else wanted.astype(np.float64)))

    def refit(self, train: Sequences, facts: Facts = NO_FACTS) -> Self:
        return self.fit(train, None, facts)

    def score(self, histories: Sequence[NDArray[np.integer]]) -> NDArray[np.float32]:
        scores = np.tile(self.share, (len(histories), 1))  # [users, n_items + 1]
        scores[:, PADDING] = -np.inf
        return scores

    def config(self) -> dict[str, Any]:
        return {}

    def save(self, folder: Path) -> None:
        save_weights(folder, {"share": self.share})

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Raises BundleError where the weights cannot be read or are not those of a popularity baseline."""
        with saved_weights(folder, cls.architecture) as weights:
            return cls(vector(weights["share"], np.float32))


@dataclass(frozen=True, eq=False)
class RecentPopularity(Popularity):
    """Popularity in which a play counts half as much for each half-life that it is older than the newest.

    Where the times are a clock it can be moved: later plays count in it, too.
    """

    architecture: ClassVar[str] = "recent_popularity"

    half_life: float = HALF_LIVES[0]  # share of the time that training spans
    prior: Prior | None = None  # what the shares stand for, where the times are a clock

    @classmethod
    def fit(cls, train: Sequences, validation: Holdout | None = None, facts: Facts = NO_FACTS) -> Self:
        """With the half-life of HALF_LIVES that is best on validation by NDCG@10, else the first.

        Raises NotApplicableError for data without times, and ValueError without any interaction.
        """
        _check_times(train, facts)
        if validation is None or len(validation) == 0:
            return cls._weigh(train, facts, HALF_LIVES[0])
        some = some_users(validation)
        made = (cls._weigh(train, facts, half_life) for half_life in HALF_LIVES)
        return max(made, key=lambda recent: ndcg(recent, some))

    def refit(self, train: Sequences, facts: Facts = NO_FACTS) -> Self:
        _check_times(train, facts)
        return self._weigh(train, facts, self.half_life)

    def moved(self, items: NDArray[np.int64], played_ms: NDArray[np.int64]) -> Self:
        """With later plays of these items [plays] at these times [plays]. ValueError without a clock."""
        if self.prior is None:
            raise ValueError("This recent popularity has no clock: it cannot be moved.")
        return replace(self, share=self.prior.moved(self.share, items, played_ms))

    def config(self) -> dict[str, Any]:
        return {"half_life": self.half_life}

    def save(self, folder: Path) -> None:
        prior = self.prior.array() if self.prior else {}
        save_weights(folder, {"share": self.share, "half_life": np.array([self.half_life]), **prior})

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Raises BundleError as Popularity does."""
        with saved_weights(folder, cls.architecture) as weights:
            share, half_life = vector(weights["share"], np.float32), float(weights["half_life"][0])
            return cls(share, half_life, Prior.among(weights))

    @classmethod
    def _weigh(cls, train: Sequences, facts: Facts, half_life: float) -> Self:
        assert facts.times is not None
        age = (facts.times.max() - facts.times).astype(np.float64)  # [interactions]
        span = max(float(age.max()), 1.0)
        weights = 0.5 ** np.minimum(age / span / half_life, OLDEST)
        if (wanted := answers(train, facts.exclude_seen)) is not None:
            weights *= wanted
        return cls(popularity(train, weights), half_life, _prior(facts, half_life * span, weights))


def _prior(facts: Facts, half_life: float, weights: NDArray[np.float64]) -> Prior | None:
    """Of plays that count by their age, `weights` [interactions]; `half_life` in the unit of the times."""
    newest_ms = facts.newest_ms
    if newest_ms is None or facts.units_a_second is None:
        return None
    plays = max(round(float(weights.sum()), 3), 0.001)
    return Prior(newest_ms, half_life * 1000 / facts.units_a_second, plays)


def _check_times(train: Sequences, facts: Facts) -> None:
    """Raises NotApplicableError for data without times, and ValueError for another number than the plays."""
    popularity(train)  # raises where there is nothing to count
    if facts.times is None:
        raise NotApplicableError("the data have no times")
    if len(facts.times) != len(train.items):
        raise ValueError(f"There are {len(facts.times)} times for {len(train.items)} interactions.")
