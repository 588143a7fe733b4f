"""Settings that a night has searched for itself: kept in the home, and used until the data change much.

`tuning/found.json` says of each network what was found, and of how much data.
"""

import json
import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from assets.resources import Home, Training
from assets.state.files import replace_text
from assets.training.bundling import TrainingData
from assets.training.tuning import Best, OtherSearchError, require_optuna, tune
from models.config import ConfigError, TrainConfig

MUCH = 1.5  # times as many plays, users or items, or as few: then settings are searched for anew


@dataclass(frozen=True)
class Found:
    """What a search came to, and for which data."""

    best: Best
    fixed: Mapping[str, Any]  # what NEXTPLAY_TRAINING said, and was not searched
    facts: Mapping[str, Any]  # of the data: a search on others says nothing of these
    sizes: Sequence[int]  # plays, users and items

    @property
    def changes(self) -> Mapping[str, Any]:
        """What is trained with; nothing where nothing was surely better than the defaults."""
        return self.best.changes if self.best.sure else {}

    def __str__(self) -> str:
        best, usual = f"{self.best.ndcg:.4f}", f"{self.best.default_ndcg:.4f}"
        told = f"{self.best.trials} trials, the best at {best} on validation, the defaults at {usual}"
        if not self.changes:
            return f"{told}: not surely above them, so they stay"
        return f"{told}: trained with {json.dumps(dict(self.changes))}"

    def before(self, training: Training) -> Training:
        """The settings of a run with what was found; what the run itself says comes first."""
        return training.model_copy(update={"changes": {**self.changes, **training.changes}})

    def holds(self, data: TrainingData, training: Training) -> bool:
        """Whether the search was one for data like these."""
        near = all(
            now <= MUCH * then <= MUCH**2 * now for now, then in zip(sizes(data), self.sizes, strict=True)
        )
        return near and (self.fixed, self.facts) == (training.changes, facts(data))


def found_settings(
    home: Home, networks: Sequence[str], data: TrainingData, training: Training, log: logging.Logger
) -> dict[str, Found]:
    """What is known for each network, where the run may search; it searches first where nothing is.

    The networks share the minutes. Raises TuningError where Optuna is not installed.
    """
    if not training.search_minutes or not networks:
        return {}
    require_optuna()
    file = home.folder("tuning") / "found.json"
    known = {name: found for name, found in _read(file).items() if found.holds(data, training)}
    for name in networks:
        if name not in known:
            with suppress(OtherSearchError):
                known[name] = _searched(
                    home, name, data, training, training.search_minutes / len(networks), log
                )
                kept = {**_read(file), **known}
                replace_text(file, json.dumps({n: asdict(one) for n, one in kept.items()}, indent=1))
        if name in known:
            log.info("The search for settings of %s: %s.", name, known[name])
        else:
            log.warning("%s is trained with the defaults: another search works in this home.", name)
    return known


def _searched(
    home: Home, name: str, data: TrainingData, training: Training, minutes: float, log: logging.Logger
) -> Found:
    log.info("Settings of %s are searched for, on validation, for %.0f minutes.", name, minutes)
    best = tune(home, name, training=training, minutes=minutes, in_all=True, on_trial=log.info)
    return Found(best, training.changes, facts(data), sizes(data))


def facts(data: TrainingData) -> dict[str, Any]:
    """What of the data no search for others speaks of."""
    split = data.split
    return {"source": data.source, "split": split.name, "exclude_seen": split.exclude_seen}


def sizes(data: TrainingData) -> list[int]:
    """Plays, users who have some, and items to train on."""
    train = data.split.train
    return [len(train.items), int((train.lengths > 0).sum()), train.n_items]


def _read(file: Path) -> dict[str, Found]:
    """What can be read and be trained with; nothing where another release has written something else."""
    found = {}
    with suppress(OSError, ValueError, AttributeError):
        for name, values in json.loads(file.read_text(encoding="utf-8")).items():
            with suppress(TypeError, KeyError, ConfigError):
                one = Found(**{**values, "best": Best(**values["best"])})
                TrainConfig().with_changes(**one.changes)
                found[name] = one
    return found
