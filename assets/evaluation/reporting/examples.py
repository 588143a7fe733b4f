"""Example users of the report: what each had played, took next, and would have been shown."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from assets.evaluation.reporting.evidence import Model, RunEvidence
from models.bundle.bundle import PADDING
from models.evaluation.metrics import MISSED

EXAMPLES = 20
HISTORY_SHOWN = 8


@dataclass(frozen=True)
class Recommended:
    """One model's answer to an example user: titles, best first, each with whether it was taken next."""

    model: str
    rank: int | None  # none where it can never be recommended
    titles: Sequence[tuple[str, bool]]


@dataclass(frozen=True)
class Example:
    number: int
    earlier: int  # items of the history that are not shown
    history: Sequence[str]
    taken: str
    lists: Sequence[Recommended]


def examples(run: RunEvidence) -> list[Example]:
    """Users drawn by the hash of their id: the same ones on the same data, and nobody chose them.

    They are shown as numbers: a page is kept and handed on, and whoever is forgotten must not stand in it.
    """
    shown = [m for m in (run.submitted, *run.references[:1]) if m is not None]
    drawn = sorted(run.first_plays.tolist(), key=lambda play: _hash(str(run.users[play])))[:EXAMPLES]
    return [_example(run, number, play, shown) for number, play in enumerate(drawn, start=1)]


def _example(run: RunEvidence, number: int, user: int, models: Sequence[Model]) -> Example:
    titles, history = run.items.titles, run.histories.user(user)
    target = int(run.targets[user])
    lists = [
        Recommended(
            model.label,
            None if model.ranks[user] == MISSED else int(model.ranks[user]),
            [(titles[item], int(item) == target) for item in model.lists[user] if item != PADDING],
        )
        for model in models
    ]
    return Example(
        number=number,
        earlier=max(len(history) - HISTORY_SHOWN, 0),
        history=[titles[item] for item in history[-HISTORY_SHOWN:]],
        taken=titles[target],
        lists=lists,
    )


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
