"""What every baseline is, and what their files share: popularity, choosing on validation, saved arrays."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol, Self

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from models.bundle.bundle import WEIGHTS_FILE, BundleError, ItemTable
from models.data import Holdout, Sequences
from models.evaluation.metrics import per_user, rank_targets
from models.scorer import Scorer

CHOOSING_USERS = 2_000  # at most; on whose validation items settings are compared


class NotApplicableError(Exception):
    """A baseline cannot be fitted on these data; the message says why."""


@dataclass(frozen=True, eq=False)
class Facts:
    """What is known of the data beside the order of the items; some baselines need it."""

    ids: Sequence[str] | None = None  # [n_items + 1], of the item vocabulary, padding first
    times: NDArray[np.int64] | None = None  # [interactions of the training part], in any one unit
    exclude_seen: bool = True  # the items of a history are no answers
    items: ItemTable | None = None  # what the catalogue says of them
    units_a_second: float | None = None  # of the times, where they are a clock: counted from 1970, UTC

    @property
    def newest_ms(self) -> int | None:
        """Time of the newest play of the training part since 1970, UTC; None where that is not known."""
        if self.times is None or self.units_a_second is None or not len(self.times):
            return None
        return int(int(self.times.max()) * 1000 // self.units_a_second)


NO_FACTS = Facts(exclude_seen=False)  # every play counts


class Baseline(Protocol):
    """A scorer (models.scorer.Scorer) that is fitted by counting or in closed form, saved and loaded."""

    architecture: ClassVar[str]
    max_length: ClassVar[int]

    @classmethod
    def fit(cls, train: Sequences, validation: Holdout | None = None, facts: Facts = NO_FACTS) -> Self:
        """Settings are chosen on validation. Raises NotApplicableError, and ValueError without any play."""
        ...

    def refit(self, train: Sequences, facts: Facts = NO_FACTS) -> Self:
        """The same settings, fitted on other plays; raises as `fit` does."""
        ...

    def score(self, histories: Sequence[NDArray[np.integer]]) -> NDArray[np.float32]: ...
    def config(self) -> dict[str, Any]: ...
    def save(self, folder: Path) -> None: ...
    @classmethod
    def load(cls, folder: Path) -> Self: ...


def popularity(train: Sequences, weights: NDArray[np.float64] | None = None) -> NDArray[np.float32]:
    """Share of each item in the interactions, [n_items + 1], each counting as `weights` [interactions] says.

    Raises ValueError without any interaction.
    """
    if len(train.items) == 0:
        raise ValueError("A baseline cannot be fitted: the training part holds no interaction.")
    counts = np.bincount(train.items, weights, minlength=train.n_items + 1)
    share: NDArray[np.float32] = (counts / counts.sum()).astype(np.float32)  # [n_items + 1]
    return share


def log_shares(scores: NDArray[np.float32]) -> NDArray[np.float32]:
    """Scores of a baseline [users, n_items + 1] as logarithms of shares, smoothed by one more for each item.

    Scores below 0, and padding's, count as 0; a share of all that is positive is counted in items. So an item
    of which the baseline knows nothing has 0, and one with the share p has log(1 + p * n_items).
    """
    shares = np.maximum(scores, 0)
    total = shares.sum(axis=1, keepdims=True)  # [users, 1]
    shares *= np.divide(shares.shape[1] - 1, total, out=np.zeros_like(total), where=total != 0)
    logs: NDArray[np.float32] = np.log1p(shares, out=shares)
    return logs


def ndcg(scorer: Scorer, holdout: Holdout) -> float:
    """Mean NDCG@10, by which settings are chosen."""
    return float(per_user("ndcg@10", rank_targets(scorer, holdout)).mean())


def some_users(validation: Holdout, most: int = CHOOSING_USERS) -> Holdout:
    """At most so many of them, evenly spaced, so that choosing costs the same on data of any size."""
    if len(validation) <= most:
        return validation
    return validation.rows(np.linspace(0, len(validation) - 1, most).astype(np.int64))


def one_by_one(
    start: Mapping[str, float],
    options: Mapping[str, Sequence[float]],
    value: Callable[[dict[str, float]], float],
) -> dict[str, float]:
    """Settings of a high value: from `start`, each one in turn takes the first of its best options.

    One pass: as many values as there are options, where trying all together would take their product.
    """
    best = dict(start)
    highest = value(best)
    for name, values in options.items():
        for option in values:
            if option == start[name]:
                continue
            tried = {**best, name: option}
            if (found := value(tried)) > highest:
                best, highest = tried, found
    return best


def save_weights(folder: Path, weights: dict[str, NDArray[Any]]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / WEIGHTS_FILE).write_bytes(save(weights))  # no metadata: its order would differ from run to run


@contextmanager
def saved_weights(folder: Path, architecture: str) -> Iterator[dict[str, NDArray[Any]]]:
    """The saved arrays; whatever the caller finds wrong with them becomes a BundleError too."""
    path = folder / WEIGHTS_FILE
    try:
        yield load_file(path)
    except (OSError, SafetensorError, KeyError, IndexError, ValueError) as error:
        raise BundleError(
            f"{path} does not hold the weights of a {architecture} baseline ({error})."
        ) from error


def vector(values: NDArray[Any], dtype: type[np.generic], length: int | None = None) -> NDArray[Any]:
    """The array itself; raises ValueError where it is not one of this type and length."""
    if (
        values.ndim != 1
        or values.dtype != dtype
        or len(values) != (len(values) if length is None else length)
    ):
        raise ValueError(f"an array has shape {values.shape} and type {values.dtype}")
    return values
