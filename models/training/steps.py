"""One step of a training: from a batch to a network that has moved."""

from contextlib import nullcontext
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.bundle.bundle import PADDING
from models.config import SOFTMAX_LOSSES, ConfigError, TrainConfig
from models.data import MASK, Batch, Split, Windows, answers, gather, gather_masked, recency_weights
from models.losses import Again, Negatives, build_loss
from models.mistakes import UserError
from models.moment import MS_A_SECOND
from models.networks import NETWORKS
from models.networks.base import SequenceNetwork, is_timed
from models.networks.codes import CodedItems
from models.networks.content import Content
from models.networks.repeats import Repeats
from models.networks.times import Times
from models.training.device import seed
from models.training.optimizer import Optimizer, Touched
from models.training.ranks import Ranks
from models.training.start import Start

TIMES_HIDDEN = 0.1  # share of the windows


class TrainingError(UserError):
    """Training cannot go on; the message says why and what to change."""


def build_network(name: str, split: Split, config: TrainConfig) -> SequenceNetwork:
    """A fresh network for these data: with second chances where seen items are answers, and a loss that has a
    softmax for them to share."""
    network = NETWORKS[name].build(config.network, split.train.n_items)
    if config.network.time_buckets and not network.TIMED:
        raise ConfigError(f"time_buckets has no effect on {name}: leave it at 0.")
    if not split.exclude_seen and config.loss in SOFTMAX_LOSSES and network.PRODUCTS:
        network.repeats = Repeats(config.network)
    return network


class Steps:
    """A network, its loss and its optimizer, fresh or with the weights of a start; and a step of them."""

    def __init__(
        self, name: str, split: Split, config: TrainConfig, ranks: Ranks, start: Start | None = None
    ) -> None:
        self.name, self.config, self.data = name, config, split.train
        self.ranks, self.device = ranks, ranks.device
        self.wanted = answers(split.train, split.exclude_seen)
        self.weights = _weights(split, config, self.wanted)
        seed(config.seed, 0)
        self.network = build_network(name, split, config)
        counts = torch.from_numpy(split.train.counts())
        self.played: Tensor | None = None  # padding and the items to tell apart; None: all of them
        self._describe(split)
        if self.network.content is not None:
            self.played = torch.cat([counts.new_zeros(1), counts.nonzero().squeeze(1)])
            counts = counts[self.played]
            self.played = self.played.to(self.device)
        if start is not None:
            start.fill(self.network)
        self.network.to(self.device)
        self.seconds: NDArray[np.int64] | None = None  # when each play was, where the network asks for it
        if is_timed(self.network) and split.played_ms is not None:
            self.seconds = split.played_ms // MS_A_SECOND
        self.loss = self.network.own_loss(self.played) or build_loss(config, counts)
        by_rows = self.loss.draw(1) is not None
        self.optimizer = Optimizer(self.network, config, by_rows)

    def _describe(self, split: Split) -> None:
        """Make what is known of the items a part of their embeddings, or all of it."""
        if self.config.codes:
            if split.codes is None:
                raise TrainingError(f"{self.name} needs semantic ids, and there are none of these items.")
            codes = torch.from_numpy(split.codes.astype(np.int64))
            self.network.encode_items(codes, self.config.code_prefixes)
        elif self.config.content and split.content is not None:
            vectors = torch.from_numpy(np.ascontiguousarray(split.content))
            self.network.describe(Content(vectors, self.config.network.width, self.config.content))

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


def _weights(
    split: Split, config: TrainConfig, wanted: NDArray[np.bool_] | None
) -> NDArray[np.float32] | None:
    """How much each play counts as a target, [interactions]; None where all count alike."""
    if config.half_life == 0 or split.ages is None:
        return None
    return recency_weights(split.ages, config.half_life, wanted)
