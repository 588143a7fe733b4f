"""What people tell of an item beside playing it, and what each kind of it counts.

A kind counts as a play (1), as nothing (0), or as a refusal (-1), by its value where it has steps:
`{"like": 1, "dislike": -1, "rating": {"1": -1, "3": 0, "4": 1}}`. A rating of 3.5 counts as the step of 3.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from models.mistakes import UserError

PLAY = "play"
REFUSAL, NOTHING, A_PLAY = -1, 0, 1
KINDS: Mapping[str, Any] = {"like": A_PLAY, "wishlist": NOTHING, "dislike": REFUSAL, "refund": REFUSAL}
MAX_KINDS, MAX_NAME = 100, 64
Steps = tuple[tuple[float, int], ...]


class FeedbackError(UserError):
    """A table of kinds or a piece of feedback is wrong; the message names what."""


@dataclass(frozen=True)
class Feedback:
    """What each kind counts: by the least value of each step, in their order, from -inf for one without."""

    steps: Mapping[str, Steps]

    @classmethod
    def of(cls, table: Mapping[str, Any]) -> Self:
        """Of a table as in the module's docstring; a play counts as one whatever it says of others.

        Raises FeedbackError.
        """
        if len(table) > MAX_KINDS:
            raise FeedbackError(f"there are {len(table)} kinds of feedback, more than {MAX_KINDS}")
        steps: dict[str, Steps] = {PLAY: ((-math.inf, A_PLAY),)}
        for kind, counts in table.items():
            if not 0 < len(kind) <= MAX_NAME or not kind.isprintable() or kind != kind.strip():
                raise FeedbackError(f"the kind {kind!r} is no name of 1 to {MAX_NAME} printable characters")
            if kind == PLAY:
                raise FeedbackError(f"the kind {PLAY} is a play in any case")
            steps[kind] = _steps(kind, counts)
        return cls(steps)

    def counts(self, kind: str, value: float | None) -> int:
        """A_PLAY, NOTHING or REFUSAL; below the first step it is nothing. Raises FeedbackError."""
        steps = self.steps.get(kind)
        if steps is None:
            raise FeedbackError(f"be one of {', '.join(self.steps)}")
        if value is None:
            if steps[0][0] > -math.inf:
                raise FeedbackError(f"come with a value where it is {kind}")
            return steps[0][1]
        return next((counts for least, counts in reversed(steps) if value >= least), NOTHING)


def _steps(kind: str, counts: Any) -> Steps:
    if not isinstance(counts, Mapping):
        return ((-math.inf, _counted(kind, counts)),)
    if not counts:
        raise FeedbackError(f'{kind} has no step: give it one, such as {{"4": 1}}')
    steps = {_least(kind, least): _counted(kind, of) for least, of in counts.items()}
    if len(steps) < len(counts):
        raise FeedbackError(f"a step of {kind} stands there twice")
    return tuple(sorted(steps.items()))


def _least(kind: str, text: str) -> float:
    try:
        least = float(text)
    except ValueError:
        least = math.nan
    if not math.isfinite(least):
        raise FeedbackError(f"the step {text!r} of {kind} is no number")
    return least


def _counted(kind: str, counts: Any) -> int:
    if isinstance(counts, bool) or counts not in (REFUSAL, NOTHING, A_PLAY):
        raise FeedbackError(f"{kind} counts {counts!r}: give 1 (a play), 0 (nothing) or -1 (a refusal)")
    return int(counts)
