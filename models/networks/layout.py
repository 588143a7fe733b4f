"""Where the positions of a batch of histories lie: in a padded block, or one after the other without padding.

All that looks at one position at a time (norms, dense layers, dropout) works on either; what mixes positions
asks for the padded block and gives it back. Gradients between the two are written out here: those that
autograd makes zero a block, copy it whole and fill it on one thread.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

from models.bundle.bundle import PADDING
from models.networks.times import Times


class Padded:
    """Every position, padding included: [batch, length, width]. What is served and exported."""

    def __init__(self, history: Tensor, times: Times | None = None) -> None:
        self.times = times
        self.real = history != PADDING  # [batch, length]
        self.newest = self.real.sum(dim=1, keepdim=True).clamp(min=1) - 1  # [batch, 1]

    def collect(self, block: Tensor) -> Tensor:
        """[batch, length, ...] -> the positions in this layout."""
        return block

    def spread(self, positions: Tensor) -> Tensor:
        """The inverse of `collect`."""
        return self.spread_parts(positions, 1)[0]

    def spread_parts(self, positions: Tensor, parts: int) -> tuple[Tensor, ...]:
        """Positions of width `parts` * width -> so many blocks [batch, length, width]."""
        return positions.chunk(parts, dim=-1)


class Packed(Padded):
    """The real positions alone, [n, width], so that no work is done on padding. What training uses.

    A block spread from them repeats some position where there is padding. What mixes positions must not look
    at it, so it gets no gradient.
    """

    def __init__(self, history: Tensor, times: Times | None = None) -> None:
        super().__init__(history, times)
        real = self.real.flatten()  # [batch * length]
        (self._places,) = real.nonzero(as_tuple=True)  # [n]
        self._positions = (real.cumsum(0) - 1).clamp(min=0)  # [batch * length], the real one here or before
        self._or_zero = self._positions.masked_fill(~real, len(self._places))  # n at padding

    def collect(self, block: Tensor) -> Tensor:
        collected: Tensor = _Collect.apply(block, self._places, self._or_zero)  # type: ignore[no-untyped-call]
        return collected  # [n, ...]

    def spread_parts(self, positions: Tensor, parts: int) -> tuple[Tensor, ...]:
        blocks = _Spread.apply(positions, self._places, self._positions, parts)  # type: ignore[no-untyped-call]
        return tuple(block.unflatten(0, self.real.shape) for block in blocks)


class _Collect(Function):
    """Rows of a block [batch, length, ...] at `places` [n]; `or_zero` [batch * length] are the ways back."""

    @staticmethod
    def forward(ctx: Any, block: Tensor, places: Tensor, or_zero: Tensor) -> Tensor:
        ctx.save_for_backward(or_zero)
        ctx.shape = block.shape
        return block.flatten(0, 1).index_select(0, places)  # [n, ...]

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, ...]:
        (grad,), (or_zero,) = grad_outputs, ctx.saved_tensors
        with_zero = torch.cat([grad, grad.new_zeros(1, *grad.shape[1:])])  # [n + 1, ...]
        return with_zero.index_select(0, or_zero).view(ctx.shape), None, None


class _Spread(Function):
    """Positions [n, parts * width] as blocks [batch * length, width]; `position_of` [batch * length]."""

    @staticmethod
    def forward(
        ctx: Any, positions: Tensor, places: Tensor, position_of: Tensor, parts: int
    ) -> tuple[Tensor, ...]:
        ctx.save_for_backward(places)
        return positions.index_select(0, position_of).chunk(parts, dim=-1)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, ...]:
        (places,), parts = ctx.saved_tensors, len(grad_outputs)
        whole = grad_outputs[0].new_empty(len(places), parts * grad_outputs[0].shape[-1])
        for grad, part in zip(grad_outputs, whole.chunk(parts, dim=-1), strict=True):
            torch.index_select(grad, 0, places, out=part)
        return whole, None, None, None
