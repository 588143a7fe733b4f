"""Losses over the item catalogue, behind one interface: states and targets in, a scalar out.

A loss takes the states of real positions only, so padding costs nothing here, and scores them itself, so that
it alone decides how many logits exist at a time. What it compares a target with is drawn beforehand: the
caller then knows which rows of the item table a step touches.
"""

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from models.config import TrainConfig


@dataclass(frozen=True)
class Negatives:
    """Items drawn for a step: [k], shared by its positions, or [n, k], of each position its own.

    `correction` [k] is added to the logits of shared negatives, `None` where nothing is.
    """

    items: Tensor
    correction: Tensor | None = None

    def to(self, device: torch.device) -> "Negatives":
        """The same on another device."""
        correction = None if self.correction is None else self.correction.to(device)
        return Negatives(self.items.to(device), correction)


@dataclass(frozen=True)
class Again:
    """The second chance of what a history holds, where a network gives one; see `models.repeats`.

    Logits: `own` [n] of the target as an item that comes again, -inf where its history lacks it, and `total`
    [n] of all such items, the logarithm of the sum of their exponentials.
    """

    own: Tensor
    total: Tensor


class Loss(Protocol):
    """Mean loss of positions, each counting 1 or as it is weighed."""

    def draw(self, positions: int) -> Negatives | None:
        """Negatives for so many positions, drawn on the CPU by torch's global generator.

        None where all items are scored.
        """
        ...

    def __call__(
        self,
        states: Tensor,
        targets: Tensor,
        items: Tensor,
        bias: Tensor,
        negatives: Negatives | None,
        again: Again | None = None,
        weights: Tensor | None = None,
    ) -> Tensor:
        """states [n, width], targets [n], item embeddings [rows, width] and bias [rows] -> scalar.

        With `weights` [n] it is the mean of the weighted losses, divided by n and not by their sum.

        Targets and negatives are rows of `items`. Row 0 is padding: it is no candidate and gets no gradient.
        """
        ...


def build_loss(config: TrainConfig, counts: Tensor) -> Loss:
    """The loss that the config names; `counts` [n_items + 1] are occurrences in the training part."""
    from models.losses.binary import BinaryCrossEntropy
    from models.losses.softmax import CatalogueSoftmax, SampledSoftmax

    dtype = getattr(torch, config.precision)
    if config.loss == "sampled":
        return SampledSoftmax(counts, config.negatives, config.negative_power, dtype)
    if config.loss == "gbce":
        return BinaryCrossEntropy(len(counts) - 1, config.negatives, config.calibration)
    if config.loss == "bce":
        return BinaryCrossEntropy(len(counts) - 1, negatives=1, calibration=0.0)
    return CatalogueSoftmax(dtype)
