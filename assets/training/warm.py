"""Which bundle a network's training may start from: last night's, where nothing speaks against it.

A start has to have learned from nothing that tonight's training part does not hold. So nothing that is judged
has been learned from, whatever the split is and wherever its cuts lie, and the plays of a user who was
forgotten do not live on in weights. What that start started from has learned from less still, and so on back.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assets.resources import Home
from assets.sequences.loading import load_items, load_sequences, load_split
from assets.state.lake import LakeError, PastLake
from assets.training.bundling import TrainingData, input_tables
from models.bundle.bundle import BundleError, Manifest, read_manifest
from models.config import ConfigError, TrainConfig
from models.data import Sequences

AUTO, YES, NO = "auto", "yes", "no"  # what NEXTPLAY_WARM_START may be
LONG_POSITIONS = 20_000_000  # trained on in all: from some ten minutes of one thread on a start pays
MOST_NIGHTS = 7  # in a row that start from the night before: what each may lose cannot add up
MAY_DIFFER = ("epochs", "threads", "processes", "device")  # of the settings of a start
MAY_DIFFER_IN_SHAPE = ("max_length",)


def pays(wanted: str, config: TrainConfig, plays: int) -> bool:
    """Whether a training on so many plays goes on from a start, where there is one."""
    if wanted == NO or config.content or config.codes or config.processes > 1 or config.exact_epochs:
        return False
    return wanted == YES or config.epochs * plays >= LONG_POSITIONS


class Starts:
    """What tonight's trainings start from. `tell` hears why one starts from nothing in spite of all."""

    def __init__(
        self, home: Home, data: TrainingData, wanted: str, tell: Callable[[str], None] = lambda _: None
    ) -> None:
        self._store, self._lake = home.bundles(), home.lake()
        self._data, self._wanted, self._tell = data, wanted, tell
        self._strangers: dict[str, int] = {}  # by what a bundle was made from: networks of a night share it

    def of(self, architecture: str, config: TrainConfig) -> Path | None:
        """The bundle that a training starts from; None where it starts from nothing."""
        if not pays(self._wanted, config, len(self._data.split.train.items)):
            return None
        try:
            start = self._last_night(architecture)
            why = self._against(start, config) if start else ""
        except (BundleError, LakeError) as error:
            why = str(error)
        if why:
            self._tell(f"{architecture} is trained from nothing: {why}")
        return None if why else start

    def _last_night(self, architecture: str) -> Path | None:
        """The judged bundle of the last night; of a bundle made tonight what it started from itself."""
        if not self._store.has(architecture):
            return None
        folder = self._store.current(architecture)
        manifest = read_manifest(folder)
        if manifest.data_fingerprint == self._data.fingerprint:
            return self._store.with_hash(manifest.started_from) if manifest.started_from else None
        if not self._store.is_whole(folder):
            raise BundleError("the last night's bundle is damaged.")
        return folder

    def _against(self, start: Path, config: TrainConfig) -> str:
        """What speaks against a start; empty where nothing does."""
        last = read_manifest(start)
        if (last.source, last.exclude_seen) != (self._data.source, self._data.split.exclude_seen):
            return "the last night's bundle is of another source, or has other answers."
        if not _same_settings(last, config):
            return "the settings have changed since the last night."
        if last.warm_nights >= MOST_NIGHTS:
            return f"{last.warm_nights} nights in a row have started from the one before."
        if found := self._strangers_of(last):
            return (
                f"{found:,} plays that the last night's bundle has learned from are not among those that "
                "tonight's learns from."
            )
        return ""

    def _strangers_of(self, last: Manifest) -> int:
        """How many plays of its training part are not in tonight's. Raises LakeError."""
        made_from = last.data_fingerprint
        if made_from not in self._strangers:
            tables = input_tables(self._lake, last)
            if not tables:
                raise LakeError("the tables that the last night's bundle has learned from are gone.")
            then = PastLake(self._lake, tables)
            (_, old_users), (_, users) = load_sequences(then), load_sequences(self._lake)
            before = Learned(load_split(then).train, old_users, load_items(then).ids)
            now = Learned(self._data.split.train, users, self._data.items.ids)
            self._strangers[made_from] = strangers(before, now)
        return self._strangers[made_from]


def _same_settings(last: Manifest, config: TrainConfig) -> bool:
    """Whether two trainings differ in nothing but what follows from more plays, or has no effect."""
    try:
        before = TrainConfig.from_dict(last.config)
    except ConfigError:
        return False
    return _essential(before) == _essential(config)


def _essential(config: TrainConfig) -> dict[str, Any]:
    values = config.to_dict()
    shape = values.pop("network")
    return {
        **{name: value for name, value in values.items() if name not in MAY_DIFFER},
        **{name: value for name, value in shape.items() if name not in MAY_DIFFER_IN_SHAPE},
    }


@dataclass(frozen=True, eq=False)
class Learned:
    """Plays, and the ids of their users and items."""

    plays: Sequences
    users: NDArray[np.str_]  # [users]
    items: Sequence[str]  # [n_items + 1]


def strangers(before: Learned, now: Learned) -> int:
    """How many of the plays before are not among those of now; of one play again and again each counts."""
    both = (before, now)
    _, user = np.unique(np.concatenate([one.users for one in both]), return_inverse=True)
    _, item = np.unique(np.concatenate([one.items for one in both]), return_inverse=True)
    users, items = np.split(user, [len(before.users)]), np.split(item, [len(before.items)])
    keys = [
        np.repeat(users[i], both[i].plays.lengths) * len(item) + items[i][both[i].plays.items] for i in (0, 1)
    ]
    (old, times), (new, again) = (np.unique(one, return_counts=True) for one in keys)
    place = np.minimum(np.searchsorted(new, old), max(0, len(new) - 1))
    found = np.where(new[place] == old, again[place], 0) if len(new) else np.zeros_like(times)
    return int(np.maximum(times - found, 0).sum())
