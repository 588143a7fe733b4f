"""Training one network: epochs, early stopping on validation NDCG@10, the best weights at the end."""

import hashlib
import math
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from time import perf_counter

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models.bundle.bundle import PADDING
from models.config import SOFTMAX_LOSSES, ConfigError, TrainConfig
from models.data import (
    MASK,
    Batch,
    Holdout,
    Split,
    Windows,
    answers,
    gather,
    gather_masked,
    plan_epoch,
    recency_weights,
)
from models.evaluation.metrics import rank_targets, summary
from models.losses import Again, Negatives, build_loss
from models.mistakes import UserError
from models.moment import MS_A_SECOND, Moment
from models.networks import NETWORKS
from models.networks.base import SequenceNetwork, is_timed
from models.networks.codes import CodedItems
from models.networks.content import Content
from models.networks.repeats import Repeats
from models.networks.times import Times
from models.scorer import padded
from models.training.checkpoint import Checkpoint, CheckpointFolder
from models.training.device import find_device, reproducible, seed
from models.training.optimizer import Optimizer, Touched
from models.training.progress import Look, Progress, likely_epochs
from models.training.ranks import Ranks
from models.training.reports import EpochReport

TIMES_HIDDEN = 0.1  # share of the windows


class TrainingError(UserError):
    """Training cannot go on; the message says why and what to change."""


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
        """Validation metrics of the best epoch; none without any epoch."""
        return self.curve[self.best_epoch - 1].metrics if self.curve else {}


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
) -> Trained:
    """Train the network `name` until validation NDCG@10 has not risen for `config.patience` epochs.

    With `config.exact_epochs` it is trained for so many, and needs no validation.

    With a checkpoint folder, training goes on where an earlier call with the same arguments was cut short,
    and ends with the same bytes; the folder stays behind and is the caller's to delete. `on_epoch` is not
    called again for epochs that were resumed. `progress` is a bar, or what is told how far it is, and
    `usual_epochs` are those of an earlier training like this one, for the time that is left. `ranks` are the
    processes that train together, each of which calls this with the same arguments; the first alone writes
    checkpoints. Same arguments and thread count give the same weights on the CPU. The network comes back on
    the CPU. Raises TrainingError, and ConfigError where the config's device is missing.
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
        return Training(name, split, config, checkpoint_folder, ranks).run(on_epoch, progress, usual_epochs)


def build_network(name: str, split: Split, config: TrainConfig) -> SequenceNetwork:
    """A fresh network for these data: with second chances where seen items are answers, and a loss that has a
    softmax for them to share."""
    network = NETWORKS[name].build(config.network, split.train.n_items)
    if config.network.time_buckets and not network.TIMED:
        raise ConfigError(f"time_buckets has no effect on {name}: leave it at 0.")
    if not split.exclude_seen and config.loss in SOFTMAX_LOSSES and network.PRODUCTS:
        network.repeats = Repeats(config.network)
    return network


class Training:
    """The state of one training."""

    def __init__(
        self,
        name: str,
        split: Split,
        config: TrainConfig,
        checkpoints: Path | None = None,
        ranks: Ranks | None = None,
    ) -> None:
        self.name, self.config, self.data = name, config, split.train
        self.ranks = ranks or Ranks(find_device(config.device))
        self.device = self.ranks.device
        self.wanted = answers(split.train, split.exclude_seen)
        self.weights = _weights(split, config, self.wanted)
        self.validation = _sample(split.validation, config.validation_users, config.seed)
        seed(config.seed, 0)
        self.network = build_network(name, split, config)
        counts = torch.from_numpy(split.train.counts())
        self.played: Tensor | None = None  # padding and the items to tell apart; None: all of them
        self._describe(split)
        if self.network.content is not None:
            self.played = torch.cat([counts.new_zeros(1), counts.nonzero().squeeze(1)])
            counts = counts[self.played]
            self.played = self.played.to(self.device)
        self.network.to(self.device)
        self.seconds: NDArray[np.int64] | None = None  # when each play was, where the network asks for it
        if is_timed(self.network) and split.played_ms is not None:
            self.seconds = split.played_ms // MS_A_SECOND
        self.loss = self.network.own_loss(self.played) or build_loss(config, counts)
        by_rows = self.loss.draw(1) is not None
        self.optimizer = Optimizer(self.network, config, by_rows)
        self.curve: list[EpochReport] = []
        self.best = _copy(self.network)
        identity = _identity(name, split, config, self.device)
        self.folder = CheckpointFolder(checkpoints, identity) if checkpoints else None
        self._resume()

    def _describe(self, split: Split) -> None:
        """Make what is known of the items a part of their embeddings, or all of it."""
        if self.config.codes:
            if split.codes is None:
                raise TrainingError(f"{self.name} needs semantic ids, and there are none of these items.")
            self.network.encode_items(torch.from_numpy(split.codes.astype(np.int64)))
        elif self.config.content and split.content is not None:
            vectors = torch.from_numpy(np.ascontiguousarray(split.content))
            self.network.describe(Content(vectors, self.config.network.width, self.config.content))

    @property
    def best_epoch(self) -> int:
        """The first epoch of the highest NDCG@10, or the last where their number is given."""
        if self.config.exact_epochs:
            return len(self.curve)
        return max(self.curve, key=lambda report: (report.ndcg, -report.epoch)).epoch if self.curve else 0

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
        return Trained(self.name, self.network, self.config, self.curve, self.best_epoch)

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
            progress = (epoch - 1 + i / len(batches)) / config.epochs
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

    def gather(self, windows: Windows, rng: np.random.Generator) -> Batch:
        if NETWORKS[self.name].masked:
            return gather_masked(self.data, windows, self.config.mask_share, rng, self.wanted)
        return gather(self.data, windows, self.wanted)

    def step(self, batch: Batch, progress: float) -> tuple[float, int]:
        histories = torch.from_numpy(batch.histories).to(self.device)  # [windows, length]
        targets = torch.from_numpy(batch.targets).to(self.device)  # [windows, length]
        places = targets != PADDING  # [windows, length]
        targets = targets[places]  # [n]
        weights, times = self._weigh(batch), self._times(batch)
        touched, negatives = None, self._draw(len(targets))
        if negatives is not None:
            touched, histories, targets, negatives = self._touch(histories, targets, negatives)
        elif isinstance(self.network.content, CodedItems) and not self.network.PRODUCTS:
            touched = self.optimizer.touch(histories.flatten())  # of other items nothing is asked
            histories = touched.places.view_as(histories)
        items, bias = self._item_table(touched)
        n, share = len(targets), 1.0
        if self.ranks.world > 1:
            histories, places, targets, negatives, weights, times, share = self._share(
                places, histories, targets, negatives, weights, times
            )
        states = self.network.states(histories, items, times)  # [real positions, width]
        wanted = places[histories != PADDING]  # [real positions]
        if not wanted.all():
            states = states[wanted]  # [n, width]
        again = self._again(histories, places, targets, states)
        if negatives is None and self.played is not None:
            if touched is None:
                items, bias = items.index_select(0, self.played), bias.index_select(0, self.played)
            targets = torch.searchsorted(self.played, targets)
        loss = self.loss(states, targets, items, bias, negatives, again, weights) * share
        self.optimizer.step(loss, touched, progress, self.ranks)
        total = loss.detach().clone()
        self.ranks.add_up([total])
        return total.item(), n

    def _item_table(self, touched: Touched | None) -> tuple[Tensor, Tensor]:
        """Embeddings and biases of the items, or of the rows that a step touches."""
        own: tuple[Tensor, Tensor] = self.network.item_embeddings.weight, self.network.item_bias
        rows = None
        if touched:
            rows, own = touched.rows, (touched.items, touched.bias)
        if self.network.content is None:
            return own
        described: tuple[Tensor, Tensor] = self.network.content(*own, rows)
        return described

    def _weigh(self, batch: Batch) -> Tensor | None:
        """How much each target counts, [n]; None where all count alike."""
        if self.weights is None:
            return None
        return torch.from_numpy(self.weights[batch.places[batch.targets != PADDING]]).to(self.device)

    def _times(self, batch: Batch) -> Times | None:
        """When its items were played, a share of the windows apart: so times that are not known are, too."""
        if self.seconds is None:
            return None
        hidden = np.random.default_rng((self.config.seed, self.optimizer.step_number, 2))
        known = hidden.random(len(batch.histories)) >= TIMES_HIDDEN  # [windows]
        real, asked = batch.histories != PADDING, batch.places  # [windows, length]
        played = np.where(real, np.maximum(asked - 1, 0), 0)
        arrays = (self.seconds[played], self.seconds[asked], known)
        return Times(*(torch.from_numpy(array).to(self.device) for array in arrays))

    def _again(self, histories: Tensor, places: Tensor, targets: Tensor, states: Tensor) -> Again | None:
        """The second chances of what the histories hold, where the network gives any."""
        if self.network.repeats is None:
            return None
        rows, steps = places.nonzero(as_tuple=True)  # [n]
        may_come = self.network.repeats(histories, rows, steps, states)
        return Again(may_come.of(targets), may_come.total)

    def _share(
        self,
        places: Tensor,
        histories: Tensor,
        targets: Tensor,
        negatives: Negatives | None,
        weights: Tensor | None,
        times: Times | None,
    ) -> tuple[Tensor, Tensor, Tensor, Negatives | None, Tensor | None, Times | None, float]:
        """What this rank works on: histories, places of targets, targets, negatives, weights, times; its part

        A batch of fewer windows than ranks is worked on by all of them, each for its part of the weight.
        """
        windows, alike = len(histories), 1
        rows = torch.from_numpy(self.ranks.share(windows)).to(self.device)  # [windows]
        if windows < self.ranks.world:
            rows, alike = torch.ones_like(rows), self.ranks.world
        mine = rows[:, None].expand_as(places)[places]  # [n]
        if negatives is not None and negatives.items.ndim > 1:  # of each position its own
            negatives = replace(negatives, items=negatives.items[mine])
        self.ranks.seed_apart(self.config.seed, self.optimizer.step_number)  # for dropout
        weight = float(mine.sum()) / len(mine) / alike
        weights = None if weights is None else weights[mine]
        times = None if times is None else times.rows(rows)
        return histories[rows], places[rows], targets[mine], negatives, weights, times, weight

    def _draw(self, positions: int) -> Negatives | None:
        with self.ranks.alike() if self.ranks.world > 1 else nullcontext():
            drawn = self.loss.draw(positions)
        if drawn is None:
            return None
        drawn = drawn.to(self.device)
        return drawn if self.played is None else replace(drawn, items=self.played[drawn.items])

    def _touch(
        self, histories: Tensor, targets: Tensor, negatives: Negatives
    ) -> tuple[Touched, Tensor, Tensor, Negatives]:
        """The rows of the item table that a step reads, and everything that names items by their rows."""
        items = [histories.clamp(min=PADDING).flatten(), targets, negatives.items.flatten()]
        touched = self.optimizer.touch(torch.cat(items))
        inputs, outputs, drawn = torch.split(touched.places, [len(part) for part in items])
        inputs = torch.where(histories == MASK, MASK, inputs.view_as(histories))
        return touched, inputs, outputs, replace(negatives, items=drawn.view_as(negatives.items))

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


class NetworkScorer:
    """A network as a `models.scorer.Scorer`, on torch."""

    def __init__(self, network: SequenceNetwork) -> None:
        self._network = network

    def score(self, histories: Sequence[NDArray[np.integer]]) -> NDArray[np.float32]:
        return self._scored(histories, None)

    def score_at(self, histories: Sequence[NDArray[np.integer]], moment: Moment) -> NDArray[np.float32]:
        return self._scored(histories, moment)

    def _scored(self, histories: Sequence[NDArray[np.integer]], moment: Moment | None) -> NDArray[np.float32]:
        length, device = self._network.config.max_length, self._network.item_bias.device
        batch = torch.from_numpy(padded(histories, length)).to(device)  # [users, length]
        since = moment.since(histories) if moment is not None and is_timed(self._network) else None
        times = None if since is None else Times.since(torch.from_numpy(padded(since, length)).to(device))
        self._network.eval()
        with torch.inference_mode():
            scores: NDArray[np.float32] = self._network(batch, times).cpu().numpy()
        scores[:, PADDING] = -np.inf
        return scores  # [users, n_items + 1]


def _copy(network: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in network.state_dict().items()}


def _weights(
    split: Split, config: TrainConfig, wanted: NDArray[np.bool_] | None
) -> NDArray[np.float32] | None:
    """How much each play counts as a target, [interactions]; None where all count alike."""
    if config.half_life == 0 or split.ages is None:
        return None
    return recency_weights(split.ages, config.half_life, wanted)


def _identity(name: str, split: Split, config: TrainConfig, device: torch.device) -> dict[str, object]:
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
    }


def _sample(holdout: Holdout, at_most: int, seed: int) -> Holdout:
    """At most so many cases, those of similar length together, so that hardly any padding is scored."""
    rows = np.random.default_rng(seed).permutation(len(holdout))[:at_most]
    return holdout.rows(rows[np.argsort(holdout.histories.lengths[rows], kind="stable")])
