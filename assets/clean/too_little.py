"""Where the k-core leaves too little to learn from, one sentence says what came in and which core helps."""

from collections.abc import Callable, Mapping
from typing import Any

from assets.engines.engine import Engine
from models.mistakes import UserError

FEWEST = 2  # users, and items: nobody can be told from others, or nothing chosen, among fewer
FEWEST_PLAYS = 3  # of some user: one to learn from, one to validate on, one to test on


class CoreError(UserError):
    """Too little is left to learn from; the message says which settings would keep more."""


def too_little(users: int, items: int) -> bool:
    """Whether so many are too few to learn from."""
    return min(users, items) < FEWEST


def why_too_little(
    engine: Engine, core: int, min_playtime: int, drop: Callable[[Engine, int], object]
) -> str:
    """The sentence, where `drop`, which makes `remaining` the k-core of a size, has left too little."""
    left = engine.find("remaining_counts").one()
    drop(engine, 0)
    before = engine.find("remaining_counts").one()
    if not before["plays"]:
        return (
            f"NEXTPLAY_MIN_PLAYTIME={min_playtime} leaves no play to learn from: none is longer than so many "
            "minutes. Set a smaller one, or bring longer plays."
        )
    kept = "no play" if not left["plays"] else _plays(left)
    asked = f"NEXTPLAY_CORE={core} keeps {kept} of {_plays(before)}, as every user and item must keep {core}."
    found = _largest(engine, core, drop)
    if found is None:
        return f"{asked} No smaller core keeps enough either: bring plays of more users and items."
    largest, counts = found
    advice = f"set NEXTPLAY_CORE={largest}"
    return f"{asked} The largest core that keeps enough is {largest} ({_plays(counts)}): {advice}."


def _largest(
    engine: Engine, core: int, drop: Callable[[Engine, int], object]
) -> tuple[int, Mapping[str, Any]] | None:
    """The largest core below `core` that keeps enough, with its counts: cores lie within each other."""
    found, low, high = None, 1, core - 1
    while low <= high:
        middle = (low + high) // 2
        drop(engine, middle)
        counts = engine.find("remaining_counts").one()
        if too_little(counts["users"], counts["items"]) or counts["longest"] < FEWEST_PLAYS:
            high = middle - 1
        else:
            found, low = (middle, counts), middle + 1
    return found


def _plays(counts: Mapping[str, Any]) -> str:
    named = [
        f"{counts[what]:,} {what if counts[what] != 1 else what[:-1]}" for what in ("plays", "users", "items")
    ]
    return f"{named[0]} by {named[1]} of {named[2]}"
