"""A graph of what follows what, walked for one step and for two."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from models.baselines.base import NO_FACTS, Facts, ndcg, some_users
from models.baselines.item_weights import ItemWeights, blocks_of_items, largest_of_rows
from models.baselines.transitions import KEPT, Counted, Settings, Transitions, chosen
from models.data import Holdout, Sequences

if TYPE_CHECKING:
    from scipy.sparse import csr_array

WAYS = 100  # out of each item that a walk may take
FEW = 20.0  # followers that an item seems to have more: what few people played leads less far
SPREAD = 0.5  # power of its popularity by which an item that all ways lead to counts less
SECONDS = (0.0, 0.3, 1.0)  # tried on validation


@dataclass(frozen=True, eq=False)
class Graph(Transitions):
    """Transitions, and what they lead to in two steps: an item whose followers are few borrows theirs.

    The first step has the weights of Transitions, with settings chosen as there. The second goes from a
    follower to one of its own by count(i, j) / (count(i) + FEW) / popularity(j) ** SPREAD. Together the
    second steps weigh `second` times as much as the first ones. With 0 this is Transitions.
    """

    architecture: ClassVar[str] = "graph"

    second: float = SECONDS[1]

    @classmethod
    def fit(cls, train: Sequences, validation: Holdout | None = None, facts: Facts = NO_FACTS) -> Self:
        """With settings chosen as for Transitions, then the best of SECONDS on validation by NDCG@10.

        Raises ValueError without any interaction.
        """
        counted = Counted(train, facts)
        if validation is None or len(validation) == 0:
            (usual,) = cls.walked(counted, Settings(), SECONDS[1:2])
            return usual
        some = some_users(validation)
        return max(cls.walked(counted, chosen(counted, some), SECONDS), key=lambda graph: ndcg(graph, some))

    def refit(self, train: Sequences, facts: Facts = NO_FACTS) -> Self:
        (again,) = self.walked(Counted(train, facts), self.settings, [self.second])
        return again

    @classmethod
    def walked(cls, counted: Counted, settings: Settings, seconds: Sequence[float]) -> Iterator[Self]:
        """One graph for each weight of the second step; the steps are walked once."""
        first, back_off = counted.weighted(settings)
        further = second_steps(counted, first, settings.closeness) if max(seconds) > 0 else first
        for second in seconds:
            both = (first + second * further).tocsr() if second else first
            weights = ItemWeights.of(counted.share, iter([largest_of_rows(both, KEPT)]))
            yield cls(weights, back_off, settings, second)

    def config(self) -> dict[str, Any]:
        return {**super().config(), "second": self.second}

    def arrays(self) -> dict[str, NDArray[Any]]:
        return super().arrays() | {"second": np.array([self.second])}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        return replace(super().from_arrays(arrays), second=float(arrays["second"][0]))


def second_steps(counted: Counted, first: "csr_array", closeness: float) -> "csr_array":
    """Where two steps lead to, [n_items + 1, n_items + 1]; all together they weigh as much as `first`.

    A row keeps 2 * KEPT entries, and is made in a block of rows, so memory stays bounded.
    """
    from scipy.sparse import diags_array, vstack

    pairs = counted.pairs(closeness)
    begun, came = pairs.sum(axis=1), pairs.sum(axis=0)  # [n_items + 1]
    popular = np.where(came > 0, counted.share * counted.train.n_items, 1)  # [n_items + 1], above 0
    onward = (diags_array(1 / (begun + FEW)) @ largest_of_rows(pairs, WAYS)).tocsr()
    onward = (onward @ diags_array(popular**-SPREAD)).tocsr()
    ways = largest_of_rows(first, WAYS)
    blocks = [largest_of_rows((ways[b] @ onward).tocsr(), 2 * KEPT) for b in blocks_of_items(len(popular))]
    steps: csr_array = vstack(blocks, format="csr")
    total = steps.sum()
    return steps * (first.sum() / total) if total > 0 else steps
