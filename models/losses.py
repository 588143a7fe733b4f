"""Losses over the item catalogue, behind one interface: states and targets in, a scalar out.

A loss takes the states of real positions only, so padding costs nothing here, and scores them against the
item embeddings itself, so that it alone decides how many logits exist at a time.
"""

from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from models.config import TrainConfig

LOGITS_AT_ONCE = 1 << 19  # 2 MiB of float32: a chunk and its gradient stay in the cache


class Loss(Protocol):
    """Mean loss of positions."""

    def __call__(self, states: Tensor, targets: Tensor, embeddings: Tensor, bias: Tensor) -> Tensor:
        """states [n, width], targets [n] in 1..n_items, embeddings [n_items + 1, width], bias [n_items + 1].

        Row 0 is padding: it is no candidate and gets no gradient.
        """
        ...


def full_cross_entropy(states: Tensor, targets: Tensor, embeddings: Tensor, bias: Tensor) -> Tensor:
    """Cross-entropy over the full catalogue, see `Loss` for shapes.

    Gradients are made together with the loss, chunk by chunk, so the logits of all positions never exist at
    once: memory is that of one chunk, whatever the batch and the catalogue.
    """
    loss: Tensor = _ChunkedCrossEntropy.apply(states, targets - 1, embeddings[1:], bias[1:])  # type: ignore[no-untyped-call]
    return loss


class _ChunkedCrossEntropy(torch.autograd.Function):
    """Mean cross-entropy of `states @ embeddings.T + bias`; backward only scales what forward has kept."""

    @staticmethod
    def forward(ctx: Any, states: Tensor, targets: Tensor, embeddings: Tensor, bias: Tensor) -> Tensor:
        chunk = max(1, LOGITS_AT_ONCE // len(embeddings))
        loss = states.new_zeros(())
        grad_states, grad_embeddings = torch.empty_like(states), torch.zeros_like(embeddings)
        grad_bias = torch.zeros_like(bias)
        for start in range(0, len(states), chunk):
            rows = slice(start, start + chunk)
            logits = torch.addmm(bias, states[rows], embeddings.T)  # [chunk, n_items]
            target = targets[rows, None]  # [chunk, 1]
            logits -= logits.amax(dim=1, keepdim=True)  # the loss stays the same, and exp cannot overflow
            loss -= logits.gather(1, target).sum()
            total = logits.exp_().sum(dim=1, keepdim=True)  # [chunk, 1]
            loss += total.log().sum()
            share = logits.div_(total)  # the softmax, then its gradient: minus 1 at the target
            share.scatter_add_(1, target, share.new_full((), -1).expand_as(target))
            torch.mm(share, embeddings, out=grad_states[rows])
            grad_embeddings.addmm_(share.T, states[rows])
            grad_bias += share.sum(dim=0)
        ctx.save_for_backward(grad_states, grad_embeddings, grad_bias)
        ctx.positions = max(1, len(states))
        mean: Tensor = loss / ctx.positions
        return mean

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, ...]:
        scale = grad_outputs[0] / ctx.positions
        states, embeddings, bias = ctx.saved_tensors
        return states * scale, None, embeddings * scale, bias * scale


class SampledSoftmax:
    """Cross-entropy against `negatives` items drawn anew each step and shared by all its positions.

    Items are drawn with replacement in proportion to `count ** power` (0: uniform, 1: by popularity). A
    negative's logit is lowered by the logarithm of how often it is expected in the draw, which makes the sum
    in the softmax an unbiased estimate of that over the catalogue without the target (Bengio and Senecal,
    2008). The target's own logit stays as it is, and a draw of the target itself is left out. Draws come from
    torch's global generator.
    """

    def __init__(self, counts: Tensor, negatives: int, power: float) -> None:
        weights = counts[1:].clamp(min=1).double() ** power  # [n_items]; an unseen item may be drawn too
        self._cumulated = (weights / weights.sum()).cumsum(0)
        self._log_expected = torch.cat([weights.new_zeros(1), (weights * (negatives / weights.sum())).log()])
        self._negatives = negatives

    def draw(self) -> Tensor:
        """Item indexes [negatives]."""
        place = torch.rand(self._negatives, dtype=torch.float64)
        items: Tensor = torch.searchsorted(self._cumulated, place).clamp(max=len(self._cumulated) - 1) + 1
        return items

    def __call__(self, states: Tensor, targets: Tensor, embeddings: Tensor, bias: Tensor) -> Tensor:
        items = self.draw()
        return sampled_cross_entropy(states, targets, embeddings, bias, items, self._log_expected[items])


def sampled_cross_entropy(
    states: Tensor, targets: Tensor, embeddings: Tensor, bias: Tensor, items: Tensor, log_expected: Tensor
) -> Tensor:
    """Cross-entropy of the target against `items` [negatives]; see `SampledSoftmax`."""
    positive = (states * embeddings[targets]).sum(dim=1, keepdim=True) + bias[targets, None]  # [n, 1]
    correction = bias[items] - log_expected.to(bias.dtype)  # [negatives]
    negative = torch.addmm(correction, states, embeddings[items].T)  # [n, negatives]
    negative = negative.masked_fill(items == targets[:, None], -torch.inf)
    logits = torch.cat([positive, negative], dim=1)  # [n, 1 + negatives]
    return F.cross_entropy(logits, torch.zeros_like(targets))


def build_loss(config: TrainConfig, counts: Tensor) -> Loss:
    """The loss that the config names; `counts` [n_items + 1] are occurrences in the training part."""
    if config.loss == "sampled":
        return SampledSoftmax(counts, config.negatives, config.negative_power)
    return full_cross_entropy
