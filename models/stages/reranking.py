"""The last stage: what goes together on one list. Off unless a setting asks for it."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

DEPTH = 50  # best items that are put in another order


@dataclass(frozen=True)
class Rules:
    """How a list is put together.

    `diversity` from 0 to 1 is how much it counts that an item is unlike those before it. `at_most` says how
    many items of one value of an attribute come before the others, such as {"developer": 2}.
    """

    diversity: float = 0.0
    at_most: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not 0 <= self.diversity <= 1:
            raise ValueError(f"diversity={self.diversity} is not from 0 to 1")
        for name, most in self.at_most.items():
            if not (isinstance(most, int) and most >= 1):
                raise ValueError(f"at most {most!r} of one {name} is no whole number from 1")

    @property
    def off(self) -> bool:
        return self.diversity == 0 and not self.at_most

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Self:
        """Raises ValueError for what are no such rules."""
        try:
            return cls(**config)
        except TypeError as error:
            raise ValueError(f"its rules are not understood ({error})") from error


def rearranged(
    scores: NDArray[np.float64],
    vectors: NDArray[np.float32],
    labels: Sequence[Sequence[tuple[str, str]]],
    rules: Rules,
) -> NDArray[np.int64]:
    """The order in which items are shown, [n], of the best items, best first.

    One after the other the item follows that has the highest (1 - diversity) * relevance - diversity * cosine
    with the one most like it before (maximal marginal relevance: Carbonell and Goldstein, SIGIR 1998), of
    those that the rules allow, as long as there are any. Relevance is the score [n], from 0 for the last to 1
    for the first; `vectors` [n, width] have length 1 or 0; `labels` are the values of each item by attribute.
    """
    span = scores.max() - scores.min()
    relevance = (scores - scores.min()) / span if span > 0 else np.ones(len(scores))
    alike = np.zeros(len(scores))  # each to the one most like it that was taken
    left, taken, shown = np.ones(len(scores), dtype=np.bool_), [], dict[tuple[str, str], int]()
    for _ in range(len(scores)):
        allowed = left & np.array([_fits(of_item, shown, rules) for of_item in labels])
        value = (1 - rules.diversity) * relevance - rules.diversity * alike
        item = int(np.where(allowed if allowed.any() else left, value, -np.inf).argmax())
        taken.append(item)
        left[item] = False
        for label in labels[item]:
            shown[label] = shown.get(label, 0) + 1
        alike = np.maximum(alike, vectors @ vectors[item])
    return np.array(taken, dtype=np.int64)


def _fits(labels: Sequence[tuple[str, str]], shown: Mapping[tuple[str, str], int], rules: Rules) -> bool:
    return all(shown.get(label, 0) < rules.at_most[label[0]] for label in labels)
