"""Our networks, by the code that the pipeline trains with."""

import os
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import numpy as np
import torch
from common import HEADS, LAYERS, LENGTH, VALIDATION_USERS, WIDTH, Course, Settings, main

from models.config import TrainConfig
from models.cores import usable_cores
from models.data import Split, plan_epoch
from models.networks import default_config
from models.training.device import reproducible
from models.training.reports import EpochReport
from models.training.scoring import NetworkScorer
from models.training.train import Training, train

THREADS = int(os.environ["OMP_NUM_THREADS"]) if "OMP_NUM_THREADS" in os.environ else usable_cores()
SAME_AS_PEERS = {"width": WIDTH, "layers": LAYERS, "heads": HEADS, "max_length": LENGTH, "feed_factor": 1}
PLAIN = {"length": "max_length"}  # what has another name here
LOSSES: Mapping[str, Mapping[str, Any]] = {
    "full": {"loss": "full"},
    "sampled": {"loss": "sampled"},
    "binary": {"loss": "gbce", "negatives": 32},  # as RecTools has it
}


def config_of(name: str, split: Split, settings: Settings, course: Course) -> TrainConfig:
    """The rule that ships, with the peers' shape where speed is measured, and with the settings."""
    config = default_config(name, split.train)
    if course.measuring:
        config = config.with_changes(**SAME_AS_PEERS)
    changes: dict[str, Any] = {PLAIN.get(key, key): value for key, value in settings.items()}
    if rate := changes.pop("rate", None):
        for field in ("learning_rate", "embedding_learning_rate"):
            changes[field] = rate * getattr(config, field)
    if loss := changes.pop("loss", None):
        changes = {**LOSSES[loss], **changes}
    return config.with_changes(**changes)


def measure(name: str, split: Split, config: TrainConfig, course: Course) -> None:
    """Training steps until the clock says that it is enough."""
    with reproducible(config.threads):
        training = Training(name, split, config)
        training.network.train()
        course.clock.start()
        for epoch in range(1, 1000):
            rng = np.random.default_rng(epoch)
            length, positions = config.network.max_length, config.batch_positions
            for windows in plan_epoch(split.train, length, positions, config.seed, epoch, training.wanted):
                _, n = training.step(training.gather(windows, rng), progress=0.1)
                if course.clock.step(n):
                    return


class Enough(Exception):  # noqa: N818 it is no error
    """A trial has had its epochs."""


def fit(split: Split, settings: Settings, seed: int, course: Course) -> NetworkScorer | None:
    """Trains as it ships; a course of so many epochs is the beginning of that, and leaves no network.

    A rate that fell to 0 within the few epochs of a trial would favour settings that are best in a hurry.
    """
    settings = dict(settings)
    name = settings.pop("network", "sasrec")
    config = config_of(name, split, settings, course).with_changes(
        seed=seed, validation_users=VALIDATION_USERS, device="cpu", threads=THREADS
    )
    if course.measuring:
        measure(name, split, config, course)
        return None

    def look(epoch: EpochReport) -> None:
        course.curve.append(epoch.ndcg)
        if len(course.curve) == course.epochs:
            raise Enough

    with suppress(Enough):
        return NetworkScorer(train(name, split, config, on_epoch=look).network)
    return None


if __name__ == "__main__":
    main(fit, {"torch": torch.__version__})
