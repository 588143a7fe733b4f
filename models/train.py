"""Training of one network: epochs, early stopping on validation NDCG@10, the best weights at the end."""

import hashlib
import math
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from tqdm import tqdm

from models.bundle import PADDING
from models.checkpoint import Checkpoint, CheckpointFolder
from models.config import TrainConfig
from models.data import Holdout, Split, Windows, gather, plan_epoch
from models.evaluation.metrics import rank_targets, summary
from models.losses import build_loss
from models.networks import NETWORKS
from models.networks.base import SequenceNetwork
from models.scorer import padded


class TrainingError(Exception):
    """Training cannot go on; the message says why and what to change."""


@dataclass(frozen=True)
class EpochReport:
    """One epoch of training and the validation after it."""

    epoch: int  # from 1
    loss: float  # mean over the positions of the epoch
    metrics: dict[str, float]  # of validation, as models.evaluation.metrics names them
    seconds: float  # of training, validation not counted
    positions: int  # trained on

    @property
    def ndcg(self) -> float:
        """Validation NDCG@10, by which training stops."""
        return self.metrics["ndcg@10"]


@dataclass(frozen=True)
class Trained:
    """A trained network with the weights of its best epoch, and how it got there."""

    name: str
    network: SequenceNetwork
    config: TrainConfig
    curve: list[EpochReport]
    best_epoch: int

    @property
    def metrics(self) -> dict[str, float]:
        """Validation metrics of the best epoch."""
        return self.curve[self.best_epoch - 1].metrics


def train(
    name: str,
    split: Split,
    config: TrainConfig,
    *,
    checkpoint_folder: Path | None = None,
    on_epoch: Callable[[EpochReport], None] | None = None,
    progress: bool = False,
) -> Trained:
    """Train the network `name` until validation NDCG@10 has not risen for `config.patience` epochs.

    With a checkpoint folder, training goes on where an earlier call with the same arguments was cut short,
    and ends with the same bytes; the folder stays behind and is the caller's to delete. `on_epoch` is not
    called again for epochs that were resumed. Same arguments and thread count give the same weights on the
    CPU. Raises TrainingError.
    """
    if NETWORKS.get(name) is None:
        raise TrainingError(f"There is no network {name!r}; choose one of {', '.join(NETWORKS)}.")
    if not np.any(split.train.lengths > 1) or not len(split.validation):
        raise TrainingError("There is nothing to train on: it takes users with at least 4 items each.")
    with reproducible(config.threads):
        return _Training(name, split, config, checkpoint_folder).run(on_epoch, progress)


class _Training:
    """The state of one training."""

    def __init__(self, name: str, split: Split, config: TrainConfig, checkpoints: Path | None) -> None:
        self.name, self.config, self.data = name, config, split.train
        self.validation = _sample(split.validation, config.validation_users, config.seed)
        _seed(config.seed, 0)
        self.network = NETWORKS[name].build(config.network, split.train.n_items)
        self.loss = build_loss(config, torch.from_numpy(split.train.counts()))
        self.optimizer = _optimizer(self.network, config)
        self.curve: list[EpochReport] = []
        self.best = _copy(self.network)
        self.folder = CheckpointFolder(checkpoints, _identity(name, split, config)) if checkpoints else None
        self.step = 0
        self._resume()

    @property
    def best_epoch(self) -> int:
        """The first epoch of the highest NDCG@10."""
        return max(self.curve, key=lambda report: (report.ndcg, -report.epoch)).epoch if self.curve else 0

    @property
    def finished(self) -> bool:
        done = len(self.curve)
        return done >= self.config.epochs or done - self.best_epoch >= self.config.patience

    def run(self, on_epoch: Callable[[EpochReport], None] | None, progress: bool) -> Trained:
        with tqdm(desc=self.name, unit="step", disable=not progress, dynamic_ncols=True) as bar:
            while not self.finished:
                report = self._epoch(len(self.curve) + 1, bar)
                self.curve.append(report)
                if self.best_epoch == report.epoch:
                    self.best = _copy(self.network)
                self._save()
                if on_epoch:
                    on_epoch(report)
        self.network.load_state_dict(self.best)
        self.network.eval()
        return Trained(self.name, self.network, self.config, self.curve, self.best_epoch)

    def _epoch(self, epoch: int, bar: "tqdm[None]") -> EpochReport:
        started = perf_counter()
        config = self.config
        _seed(config.seed, epoch)
        batches = plan_epoch(self.data, config.network.max_length, config.batch_positions, config.seed, epoch)
        bar.total = bar.n + len(batches) * (config.epochs - epoch + 1)
        self.network.train()
        total, positions = 0.0, 0
        for i, windows in enumerate(batches):
            _set_learning_rate(
                self.optimizer, config, self.step, (epoch - 1 + i / len(batches)) / config.epochs
            )
            loss, n = self._step(windows)
            if not math.isfinite(loss):
                raise TrainingError(
                    f"Training of {self.name} failed: the loss became {loss} in epoch {epoch}, step {i + 1}; "
                    f"try a learning_rate below {config.learning_rate}."
                )
            total, positions = total + loss * n, positions + n
            bar.set_postfix(
                epoch=epoch, loss=f"{total / positions:.3f}", ndcg=self._last_ndcg(), refresh=False
            )
            bar.update()
        seconds = perf_counter() - started
        metrics = summary(rank_targets(NetworkScorer(self.network), self.validation))
        return EpochReport(epoch, total / positions, metrics, seconds, positions)

    def _step(self, windows: Windows) -> tuple[float, int]:
        batch = gather(self.data, windows)
        targets = torch.from_numpy(batch.targets)  # [windows, length]
        real = targets != PADDING
        states = self.network.encode(torch.from_numpy(batch.histories))[real]  # [n, width]
        weights = self.network.item_embeddings.weight
        loss = self.loss(states, targets[real], weights, self.network.item_bias)
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.network.parameters(), self.config.max_gradient_norm)
        self.optimizer.step()
        self.step += 1
        return loss.item(), len(states)

    def _last_ndcg(self) -> str:
        return f"{self.curve[-1].ndcg:.4f}" if self.curve else "-"

    def _save(self) -> None:
        if self.folder:
            weights = dict(self.network.state_dict())
            curve = [asdict(report) for report in self.curve]
            self.folder.save(Checkpoint(weights, self.best, _moments(self.optimizer), curve, self.step))

    def _resume(self) -> None:
        checkpoint = self.folder.load() if self.folder else None
        if checkpoint:
            self.network.load_state_dict(checkpoint.weights)
            self.best = checkpoint.best
            _restore_moments(self.optimizer, checkpoint.moments)
            self.curve = [EpochReport(**report) for report in checkpoint.curve]
            self.step = checkpoint.step


class NetworkScorer:
    """A network as a `models.scorer.Scorer`, on torch."""

    def __init__(self, network: SequenceNetwork) -> None:
        self._network = network

    def score(self, histories: Sequence[NDArray[np.integer]]) -> NDArray[np.float32]:
        batch = padded(histories, self._network.config.max_length)  # [users, length]
        self._network.eval()
        with torch.inference_mode():
            scores: NDArray[np.float32] = self._network(torch.from_numpy(batch)).numpy()
        scores[:, PADDING] = -np.inf
        return scores  # [users, n_items + 1]


def _optimizer(network: SequenceNetwork, config: TrainConfig) -> torch.optim.AdamW:
    """AdamW in two groups: matrices with weight decay; embeddings, biases and norms without, and faster."""
    embeddings = {id(m.weight) for m in network.modules() if isinstance(m, nn.Embedding)}
    matrices: list[Tensor] = []
    others: list[Tensor] = []
    for parameter in network.parameters():
        (matrices if parameter.ndim > 1 and id(parameter) not in embeddings else others).append(parameter)
    groups: list[dict[str, Any]] = [
        {"params": matrices, "highest": config.learning_rate, "weight_decay": config.weight_decay},
        {"params": others, "highest": config.embedding_learning_rate, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, fused=True)


def _set_learning_rate(
    optimizer: torch.optim.Optimizer, config: TrainConfig, step: int, progress: float
) -> None:
    """Linear warm-up, then constant or a cosine that falls to 0 as `progress` goes to 1."""
    share = min(1.0, (step + 1) / max(1, config.warmup_steps))
    if config.schedule == "cosine":
        share *= 0.5 * (1 + math.cos(math.pi * progress))
    for group in optimizer.param_groups:
        group["lr"] = group["highest"] * share


def _moments(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    state = optimizer.state_dict()["state"]
    return {f"{i}.{name}": value for i, values in state.items() for name, value in values.items()}


def _restore_moments(optimizer: torch.optim.Optimizer, moments: dict[str, Tensor]) -> None:
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in moments.items():
        i, name = key.split(".", 1)
        state.setdefault(int(i), {})[name] = value
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})


def _copy(network: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in network.state_dict().items()}


def _identity(name: str, split: Split, config: TrainConfig) -> dict[str, object]:
    """What a checkpoint must share with a training that goes on from it."""
    targets = split.validation.targets.tobytes()
    return {
        "network": name,
        "config": config.to_dict(),
        "threads": config.threads or os.cpu_count(),
        "torch": torch.__version__,
        "data": [part.fingerprint() for part in (split.train, split.validation.histories)],
        "targets": hashlib.sha256(targets).hexdigest(),
    }


def _sample(holdout: Holdout, at_most: int, seed: int) -> Holdout:
    """At most so many cases, those of similar length together, so that hardly any padding is scored."""
    rows = np.random.default_rng(seed).permutation(len(holdout))[:at_most]
    return holdout.rows(rows[np.argsort(holdout.histories.lengths[rows], kind="stable")])


def _seed(seed: int, epoch: int) -> None:
    """Seed torch from `(seed, epoch)` alone, so that a resumed training draws the same numbers."""
    torch.manual_seed(
        int(np.random.SeedSequence((seed, epoch)).generate_state(1, np.uint64)[0] >> np.uint64(1))
    )


@contextmanager
def reproducible(threads: int | None) -> Iterator[None]:
    """Deterministic kernels, a thread count and a random state of its own; all as before afterwards."""
    before_threads, before = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    before_fill = torch.utils.deterministic.fill_uninitialized_memory  # type: ignore[attr-defined]
    torch.set_num_threads(threads or os.cpu_count() or 1)
    torch.use_deterministic_algorithms(True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    try:
        with torch.random.fork_rng(devices=[]):
            yield
    finally:
        torch.set_num_threads(before_threads)
        torch.use_deterministic_algorithms(before)
        torch.utils.deterministic.fill_uninitialized_memory = before_fill  # type: ignore[attr-defined]
