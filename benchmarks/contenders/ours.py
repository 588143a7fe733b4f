"""Our networks, by the code that the pipeline trains with."""

import time

import numpy as np
import torch
from common import (
    HEADS,
    LAYERS,
    LENGTH,
    VALIDATION_USERS,
    WIDTH,
    Clock,
    Course,
    arguments,
    load_split,
    report,
)

from models.config import TrainConfig
from models.data import Split, plan_epoch
from models.evaluation.metrics import rank_targets
from models.networks import default_config
from models.training.device import reproducible
from models.training.train import NetworkScorer, Training, train

SAME_AS_PEERS = {"width": WIDTH, "layers": LAYERS, "heads": HEADS, "max_length": LENGTH, "feed_factor": 1}


def measure(name: str, split: Split, config: TrainConfig, clock: Clock) -> None:
    """Training steps until the clock says that it is enough."""
    with reproducible(config.threads):
        training = Training(name, split, config)
        training.network.train()
        clock.start()
        for epoch in range(1, 1000):
            rng = np.random.default_rng(epoch)
            length, positions = config.network.max_length, config.batch_positions
            for windows in plan_epoch(split.train, length, positions, config.seed, epoch):
                _, n = training.step(training.gather(windows, rng), progress=0.1)
                if clock.step(n):
                    return


def main() -> None:
    options = arguments()
    split = load_split(options.data)
    settings = dict(options.settings)
    name = settings.pop("network", "sasrec")
    fair = {"seed": options.seed, "validation_users": VALIDATION_USERS, "device": "cpu"}
    config = default_config(name, split.train).with_changes(
        **{**fair, "patience": options.patience, **settings}
    )
    clock, versions = Clock(options.seconds), {"torch": torch.__version__}
    if options.seconds:
        same = {**SAME_AS_PEERS, "loss": options.loss, **settings}
        measure(name, split, config.with_changes(**same), clock)
        report(options.report, clock, versions, None, None)
        return
    course = Course(split, options.patience, clock, options.hours * 3600)
    started = time.process_time()
    trained = train(name, split, config)
    for epoch in trained.curve:
        clock.positions, clock.seconds = clock.positions + epoch.positions, clock.seconds + epoch.seconds
        course.curve.append({"epoch": epoch.epoch, "seconds": clock.seconds, "ndcg": epoch.ndcg})
    clock.processor_seconds = time.process_time() - started
    report(options.report, clock, versions, course, rank_targets(NetworkScorer(trained.network), split.test))


if __name__ == "__main__":
    main()
