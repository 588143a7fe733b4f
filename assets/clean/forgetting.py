"""Leaves users who asked to be forgotten out of what was read."""

from collections.abc import Collection
from dataclasses import replace

import numpy as np
import pyarrow as pa

from assets.formats.literals import Quarantined
from assets.formats.steam_format import Libraries

HIDDEN = "(it names a forgotten user)"
SEPARATORS = ",;|:'\"{}[]\t"  # of words in a raw file
HIDE = {"separators": SEPARATORS, "spaces": " " * len(SEPARATORS), "hidden": HIDDEN}  # of played_quarantine
_SPACES = str.maketrans(dict.fromkeys(SEPARATORS, " "))
FORGOTTEN = pa.schema({"user_id": pa.string()})


def without_users(libraries: Libraries, forgotten: Collection[str]) -> Libraries:
    """Libraries without those of some users; how many lines and items these had is counted."""
    if not forgotten:
        return libraries
    users = set(forgotten)
    dropped = np.array([owner in users for owner in libraries.owners], dtype=bool)  # [lines]
    rows = np.repeat(~dropped, libraries.sizes)  # [rows]
    stays = [entry for entry in libraries.quarantine if not dropped[entry.line - 1]]
    left_out = len(libraries.quarantine) - len(stays)  # items of the dropped lines that were quarantined
    return replace(
        libraries,
        owners=[None if drop else owner for owner, drop in zip(libraries.owners, dropped, strict=True)],
        sizes=np.where(dropped, 0, libraries.sizes).astype(np.int32),
        game=libraries.game[rows],
        playtime=libraries.playtime[rows],
        quarantine=hide_users(stays, users),
        lines_forgotten=int(dropped.sum()),
        items_forgotten=int((~rows).sum()) + left_out,
    )


def hide_users(entries: Collection[Quarantined], forgotten: Collection[str]) -> list[Quarantined]:
    """What could not be read, and so belongs to nobody for sure, without the texts that name a user."""
    names = [_words(user) for user in forgotten]

    def tells(entry: Quarantined) -> bool:
        return any(name in text for text in [_words(entry.text)] for name in names)

    return [replace(entry, text=HIDDEN) if tells(entry) else entry for entry in entries]


def forgotten_table(forgotten: Collection[str]) -> pa.Table:
    """What the statements know as `forgotten`."""
    return pa.table({"user_id": sorted(forgotten)}, FORGOTTEN)


def _words(text: str) -> str:
    """Words between spaces, so that an id is found only as a whole."""
    return f" {text.translate(_SPACES)} "
