"""Training one network: epochs, early stopping on validation NDCG@10, the best weights at the end."""

import hashlib
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from time import perf_counter

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models.config import TrainConfig
from models.data import Holdout, Split, answers, plan_epoch
from models.evaluation.metrics import rank_targets, summary
from models.networks import NETWORKS
from models.networks.base import SequenceNetwork
from models.training.checkpoint import Checkpoint, CheckpointFolder
from models.training.device import find_device, reproducible, seed
from models.training.progress import Look, Progress, likely_epochs
from models.training.ranks import Ranks
from models.training.reports import EpochReport
from models.training.scoring import NetworkScorer
from models.training.start import Start
from models.training.steps import Steps, TrainingError


@dataclass(frozen=True)
class Trained:
    """A trained network with the weights of its best epoch, and how it got there."""

    name: str
    network: SequenceNetwork
    config: TrainConfig
    curve: list[EpochReport]
    best_epoch: int  # 0: no epoch was better than what it started from
    start_metrics: dict[str, float] = field(default_factory=dict)  # of validation, before the first epoch

    @property
    def metrics(self) -> dict[str, float]:
        """Validation metrics of the best epoch, or of the start; none without either."""
        return self.curve[self.best_epoch - 1].metrics if self.best_epoch else self.start_metrics


def train(
    name: str,
    split: Split,
    config: TrainConfig,
    *,
    checkpoint_folder: Path | None = None,
    on_epoch: Callable[[EpochReport], None] | None = None,
    progress: bool | Callable[[Look], None] = False,
    usual_epochs: int | None = None,
    ranks: Ranks | None = None,
    start: Start | None = None,
) -> Trained:
    """Train the network `name` until validation NDCG@10 has not risen for `config.patience` epochs.

    With `config.exact_epochs` it is trained for so many, and needs no validation. With a `start` it goes on
    from those weights, and keeps them where no epoch is better on validation.

    With a checkpoint folder, training goes on where an earlier call with the same arguments was cut short,
    and ends with the same bytes; the folder stays behind and is the caller's to delete. `on_epoch` is not
    called again for epochs that were resumed. `progress` is a bar, or what is told how far it is, and
    `usual_epochs` are those of an earlier training like this one, for the time that is left. `ranks` are the
    processes that train together, each of which calls this with the same arguments; the first alone writes
    checkpoints. Same arguments and thread count give the same weights on the CPU. The network comes back on
    the CPU. Raises TrainingError, StartError, and ConfigError where the config's device is missing.
    """
    if NETWORKS.get(name) is None:
        raise TrainingError(f"There is no network {name!r}; choose one of {', '.join(NETWORKS)}.")
    if not np.any(split.train.lengths > 1) or not (len(split.validation) or config.exact_epochs):
        raise TrainingError("There is nothing to train on: it takes users with at least 4 items each.")
    wanted = answers(split.train, split.exclude_seen)
    if wanted is not None and wanted.sum() == np.count_nonzero(split.train.lengths):
        raise TrainingError("There is nothing to train on: everybody plays one item alone, again and again.")
    ranks = ranks or Ranks(find_device(config.device))
    with reproducible(config.threads, ranks.device):
        training = Training(name, split, config, checkpoint_folder, ranks, start)
        return training.run(on_epoch, progress, usual_epochs)


class Training(Steps):
    """The state of one training."""

    def __init__(
        self,
        name: str,
        split: Split,
        config: TrainConfig,
        checkpoints: Path | None = None,
        ranks: Ranks | None = None,
        start: Start | None = None,
    ) -> None:
        super().__init__(name, split, config, ranks or Ranks(find_device(config.device)), start)
        self.validation = _sample(split.validation, config.validation_users, config.seed)
        self.curve: list[EpochReport] = []
        self.best = _copy(self.network)
        self.start_metrics: dict[str, float] = {}
        if start is not None and len(self.validation) and not config.exact_epochs:
            self.start_metrics = summary(self._validate())
        identity = _identity(name, split, config, self.device, start)
        self.folder = CheckpointFolder(checkpoints, identity) if checkpoints else None
        self._resume()

    @property
    def best_epoch(self) -> int:
        """The first epoch of the highest NDCG@10, 0 for the start; the last where their number is given."""
        if self.config.exact_epochs:
            return len(self.curve)
        reached = [(report.ndcg, -report.epoch) for report in self.curve]
        if self.start_metrics:
            reached.append((self.start_metrics["ndcg@10"], 0))
        return -max(reached)[1] if reached else 0

    @property
    def finished(self) -> bool:
        done = len(self.curve)
        if self.config.exact_epochs:
            return done >= self.config.exact_epochs
        return done >= self.config.epochs or done - self.best_epoch >= self.config.patience

    def run(
        self,
        on_epoch: Callable[[EpochReport], None] | None,
        shown: bool | Callable[[Look], None],
        usual_epochs: int | None = None,
    ) -> Trained:
        with Progress(self.name, shown) as bar:
            while not self.finished:
                report = self._epoch(len(self.curve) + 1, bar, usual_epochs)
                self.curve.append(report)
                if self.best_epoch == report.epoch:
                    self.best = _copy(self.network)
                self._save()
                if on_epoch:
                    on_epoch(report)
        self.network.load_state_dict(self.best)
        self.network.settle()
        self.network.to("cpu").eval()
        return Trained(self.name, self.network, self.config, self.curve, self.best_epoch, self.start_metrics)

    def _epoch(self, epoch: int, bar: Progress, usual_epochs: int | None) -> EpochReport:
        started = perf_counter()
        config = self.config
        seed(config.seed, epoch)
        shape = config.network.max_length, config.batch_positions
        batches = plan_epoch(self.data, *shape, config.seed, epoch, self.wanted)
        likely = config.exact_epochs or likely_epochs(
            config.epochs, config.patience, epoch, self.best_epoch, usual_epochs
        )
        bar.begin(epoch, likely, len(batches), self.curve[-1].ndcg if self.curve else None)
        rng = np.random.default_rng((config.seed, epoch, 1))
        self.network.train()
        self.ranks.begin()
        total, positions = 0.0, 0
        for i, windows in enumerate(batches):
            progress = (epoch - 1 + i / len(batches)) / max(config.epochs, config.exact_epochs)
            loss, n = self.step(self.gather(windows, rng), progress)
            if not math.isfinite(loss):
                raise TrainingError(
                    f"Training of {self.name} failed: the loss became {loss} in epoch {epoch}, step {i + 1}; "
                    f"try a learning_rate below {config.learning_rate}."
                )
            total, positions = total + loss * n, positions + n
            bar.step(total / positions)
        seconds = perf_counter() - started
        metrics = summary(self._validate()) if len(self.validation) else {}
        return EpochReport(epoch, total / positions, metrics, seconds, positions)

    def _validate(self) -> NDArray[np.int32]:
        """Ranks of the validation targets, each rank's share computed there."""
        n = len(self.validation)
        mine = self.validation.rows(np.flatnonzero(self.ranks.share(n)))
        return self.ranks.gather(rank_targets(NetworkScorer(self.network), mine), n)

    def _save(self) -> None:
        if self.folder and self.ranks.rank == 0:
            weights = dict(self.network.state_dict())
            curve = [asdict(report) for report in self.curve]
            self.folder.save(
                Checkpoint(weights, self.best, self.optimizer.moments(), curve, self.optimizer.step_number)
            )

    def _resume(self) -> None:
        checkpoint = self.folder.load() if self.folder else None
        if checkpoint:
            self.network.load_state_dict(checkpoint.weights)
            self.best = checkpoint.best
            self.optimizer.restore(checkpoint.moments, checkpoint.step)
            self.curve = [EpochReport(**report) for report in checkpoint.curve]


def _copy(network: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in network.state_dict().items()}


def _identity(
    name: str, split: Split, config: TrainConfig, device: torch.device, start: Start | None
) -> dict[str, object]:
    """What a checkpoint must share with a training that goes on from it."""
    targets = split.validation.targets.tobytes()
    played = split.played_ms if config.network.time_buckets else None
    return {
        "network": name,
        "config": config.to_dict(),
        "device": device.type,
        "torch": torch.__version__,
        "data": [part.fingerprint() for part in (split.train, split.validation.histories)],
        "targets": hashlib.sha256(targets).hexdigest(),
        "exclude_seen": split.exclude_seen,
        "content": None if split.content is None else hashlib.sha256(split.content.tobytes()).hexdigest(),
        "codes": None if split.codes is None else hashlib.sha256(split.codes.tobytes()).hexdigest(),
        "played": None if played is None else hashlib.sha256(played.tobytes()).hexdigest(),
        "ages": None if split.ages is None else hashlib.sha256(split.ages.tobytes()).hexdigest(),
        "start": None if start is None else start.digest,
    }


def _sample(holdout: Holdout, at_most: int, seed: int) -> Holdout:
    """At most so many cases, those of similar length together, so that hardly any padding is scored."""
    rows = np.random.default_rng(seed).permutation(len(holdout))[:at_most]
    return holdout.rows(rows[np.argsort(holdout.histories.lengths[rows], kind="stable")])
