"""Softmax cross-entropy, over the whole catalogue or over a sample of it.

Gradients are made with the loss, a chunk of positions at a time, so the logits of all positions never
exist at once: memory is that of one chunk, whatever the batch and the catalogue. Logits and products may
be bfloat16, which processors with matrix units multiply several times as fast; sums stay float32.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from models.bundle.bundle import PADDING
from models.losses import Again, Negatives

CHUNK_BYTES = 1 << 23  # of logits, and STEP rows at least; fastest on two server cores, in both precisions
STEP = 64  # rows and columns of a chunk are multiples of it: matrix libraries prepare code for each new shape
SMALLEST = 1e-38  # a probability below counts as this, so the loss of a position ends at 87


class CatalogueSoftmax:
    """Cross-entropy over all items; see `models.losses.Loss` for shapes."""

    def __init__(self, dtype: torch.dtype = torch.float32) -> None:
        self._dtype = dtype

    def draw(self, positions: int) -> None:
        """Nothing: every item is scored."""

    def __call__(
        self,
        states: Tensor,
        targets: Tensor,
        items: Tensor,
        bias: Tensor,
        negatives: Negatives | None = None,
        again: Again | None = None,
        weights: Tensor | None = None,
    ) -> Tensor:
        items, bias = items[1:], bias[1:]
        if again is None:
            loss: Tensor = _Catalogue.apply(states, targets - 1, items, bias, self._dtype, weights)  # type: ignore[no-untyped-call]
            return loss
        items, bias = (
            F.pad(items, (0, 0, 0, 1)),
            F.pad(bias, (0, 1)),
        )  # one more for the second chances
        mixed: Tensor = _Catalogue.apply(  # type: ignore[no-untyped-call]
            states, targets - 1, items, bias, self._dtype, weights, again.own, again.total
        )
        return mixed


class SampledSoftmax:
    """Cross-entropy against `negatives` items drawn anew each step and shared by all its positions.

    Items are drawn with replacement in proportion to `count ** power` (0: uniform, 1: by popularity). A
    negative's logit is lowered by the logarithm of how often it is expected in the draw, which makes the sum
    in the softmax an unbiased estimate of that over the catalogue without the target (Bengio and Senecal,
    2008). An item drawn several times is scored once, its logit raised by the logarithm of how often. The
    target's own logit stays as it is, and a draw of the target itself is left out.
    """

    def __init__(
        self, counts: Tensor, negatives: int, power: float, dtype: torch.dtype = torch.float32
    ) -> None:
        weights = counts[1:].clamp(min=1).double() ** power  # [n_items]; an unseen item may be drawn too
        self._cumulated = (weights / weights.sum()).cumsum(0)
        self._log_expected = torch.cat([weights.new_zeros(1), (weights * (negatives / weights.sum())).log()])
        self._negatives, self._dtype = negatives, dtype

    def draw(self, positions: int = 0) -> Negatives:
        place = torch.rand(self._negatives, dtype=torch.float64)
        drawn = torch.searchsorted(self._cumulated, place).clamp(max=len(self._cumulated) - 1) + 1
        items, times = torch.unique(drawn, return_counts=True)
        correction = times.double().log() - self._log_expected[items]
        missing = -(len(items) + 1) % STEP  # one column more is the target's
        return Negatives(  # filled up with padding that never counts: the shapes of steps are then few
            F.pad(items, (0, missing), value=PADDING),
            F.pad(correction.float(), (0, missing), value=-torch.inf),
        )

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
        assert negatives is not None and negatives.correction is not None
        rows, order = negatives.items.sort()  # [k]
        column = torch.searchsorted(rows, targets).clamp(max=len(rows) - 1)  # [n]
        column = torch.where(rows[column] == targets, column, -1)  # of a target that was drawn itself
        target = (states * F.embedding(targets, items)).sum(dim=1) + bias.index_select(0, targets)  # [n]
        offset = F.pad(bias.index_select(0, rows) + negatives.correction[order], (0, 1))  # [k + 1]
        drawn = F.pad(F.embedding(rows, items), (0, 0, 0, 1))  # [k + 1, width], the last for the target
        if again is None:
            loss: Tensor = _Sampled.apply(  # type: ignore[no-untyped-call]
                states, target, drawn, offset, column, self._dtype, weights
            )
            return loss
        drawn, offset = F.pad(drawn, (0, 0, 0, 1)), F.pad(offset, (0, 1))  # another for the second chances
        mixed: Tensor = _Sampled.apply(  # type: ignore[no-untyped-call]
            states, target, drawn, offset, column, self._dtype, weights, again.own, again.total
        )
        return mixed


class _Catalogue(torch.autograd.Function):
    """Mean cross-entropy of `states @ items.T + bias`; backward only scales what forward has kept.

    With second chances the last of the items is none: its column of the logits is their total.
    """

    @staticmethod
    def forward(
        ctx: Any,
        states: Tensor,
        targets: Tensor,
        items: Tensor,
        bias: Tensor,
        dtype: torch.dtype,
        weights: Tensor | None,
        *again: Tensor,
    ) -> Tensor:
        kept, bias = _Gradients(states, items, dtype, weights), bias.to(dtype)
        chances = _SecondChances(kept, *again) if again else None
        share, flat, row_starts = kept.empty_chunk(len(items))  # [chunk, n_items]
        targets, chosen = kept.filled_up(targets), kept.empty_column()  # probabilities of the targets
        for rows in kept.chunks():
            torch.addmm(bias, kept.states[rows], kept.items.T, out=share)  # logits
            if chances:
                share[:, -1] = chances.total[rows]
            torch.softmax(share, dim=1, out=share)
            place = row_starts + targets[rows]  # [chunk]
            chosen[rows] = before = flat.index_select(0, place)
            part = chances.take(rows, share[:, -1], chosen) if chances else 1
            flat.index_copy_(0, place, (before - part).to(dtype))  # now the gradient of the logits
            kept.add(rows, share)
        loss = -_log_likelihood(chosen[: len(states)], weights)
        ctx.save_for_backward(*kept.gradients(), *(kept.weighted(*chances.gradients()) if chances else ()))
        ctx.positions = max(1, len(states))
        mean: Tensor = loss / ctx.positions
        return mean

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, ...]:
        scale = grad_outputs[0] / ctx.positions
        states, items, bias, *again = ctx.saved_tensors
        return (
            states * scale,
            None,
            items * scale,
            bias * scale,
            None,
            None,
            *(part * scale for part in again),
        )


class _Sampled(torch.autograd.Function):
    """Mean cross-entropy of the target's logit against `states @ items.T + offset`, `column` left out.

    The last of the items is none: its column of the logits is the target's; with second chances it is the
    last but one, and the last is their total.
    """

    @staticmethod
    def forward(
        ctx: Any,
        states: Tensor,
        target: Tensor,
        items: Tensor,
        offset: Tensor,
        column: Tensor,
        dtype: torch.dtype,
        weights: Tensor | None,
        *again: Tensor,
    ) -> Tensor:
        kept, offset = _Gradients(states, items, dtype, weights), offset.to(dtype)
        chances = _SecondChances(kept, *again) if again else None
        own_column = -2 if chances else -1
        logits, flat, row_starts = kept.empty_chunk(len(items))  # [chunk, k + 1]
        target, column = kept.filled_up(target.to(dtype)), kept.filled_up(column, -1)
        chosen, grad_target = kept.empty_column(), kept.empty_column()  # probabilities of the targets
        for rows in kept.chunks():
            torch.addmm(offset, kept.states[rows], kept.items.T, out=logits)
            logits[:, own_column] = target[rows]
            if chances:
                logits[:, -1] = chances.total[rows]
            place = torch.where(column[rows] < 0, len(flat) - 1, row_starts + column[rows])  # [chunk]
            flat.index_fill_(0, place, -torch.inf)
            share = torch.softmax(logits, dim=1, out=logits)  # [chunk, k + 1]
            chosen[rows] = share[:, own_column]
            grad_target[rows] = share[:, own_column]
            grad_target[rows] -= chances.take(rows, share[:, -1], chosen) if chances else 1
            share[:, own_column] = 0
            kept.add(rows, share)
        loss = -_log_likelihood(chosen[: len(states)], weights)
        further = chances.gradients() if chances else ()
        ctx.save_for_backward(*kept.gradients(), *kept.weighted(grad_target, *further))
        ctx.positions = max(1, len(states))
        mean: Tensor = loss / ctx.positions
        return mean

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, ...]:
        scale = grad_outputs[0] / ctx.positions
        states, items, offset, target, *again = ctx.saved_tensors
        further = (part * scale for part in again)
        return states * scale, target * scale, items * scale, offset * scale, None, None, None, *further


def _log_likelihood(chosen: Tensor, weights: Tensor | None) -> Tensor:
    """Sum of the logarithms of the targets' probabilities, each times its weight."""
    logarithms = chosen.clamp(min=SMALLEST).log()
    return (logarithms if weights is None else logarithms * weights).sum()


class _SecondChances:
    """Of what may come again, for chunks of positions: the logits, and their gradients.

    With the probabilities p of the target as any item and q of all that comes again, the target's own is
    P = p + q * exp(own - total). The loss is -log(P), and p / P is the part of P that is no second chance.
    """

    def __init__(self, kept: "_Gradients", own: Tensor, total: Tensor) -> None:
        self.total = kept.filled_up(total)
        self._share = kept.filled_up((own - total).exp().nan_to_num(0.0))  # of the target in what comes again
        self._of_own, self._of_total = kept.empty_column(), kept.empty_column()

    def take(self, rows: slice, column: Tensor, chosen: Tensor) -> Tensor:
        """Add to `chosen` what falls to the target again; the part that is no second chance, [chunk].

        `column` [chunk] holds the probabilities of all that comes again, and is 0 afterwards.
        """
        again = column * self._share[rows]
        both = chosen[rows] + again
        self._of_total[rows] = column
        self._of_own[rows] = -again / both.clamp(min=SMALLEST)
        column.zero_()
        part = chosen[rows] / both.clamp(min=SMALLEST)
        chosen[rows] = both
        return part

    def gradients(self) -> tuple[Tensor, Tensor]:
        return self._of_own, self._of_total


class _Gradients:
    """Gradients of states, items and bias, summed over chunks of positions, each times its weight.

    `states` [chunks, width] are filled up with zeros to whole chunks; such rows add nothing to a gradient.
    """

    def __init__(
        self, states: Tensor, items: Tensor, dtype: torch.dtype, weights: Tensor | None = None
    ) -> None:
        self._positions, self._weights = len(states), weights
        most = max(STEP, CHUNK_BYTES // (dtype.itemsize * max(1, len(items))))  # rows
        n_chunks = max(1, -(-self._positions // most))
        self._rows = max(1, -(-self._positions // (n_chunks * STEP))) * STEP
        n_chunks = -(-self._positions // self._rows)  # fewer where rounding made them longer
        missing = n_chunks * self._rows - self._positions
        self.states = F.pad(states.to(dtype), (0, 0, 0, missing))  # [chunks, width]
        self.items = items.to(dtype)
        ones = states.new_ones(self._positions, dtype=dtype) if weights is None else weights.to(dtype)
        self._counted = self.filled_up(ones)[None]  # [1, chunks]
        self._weighed = self.states if weights is None else self.states * self._counted.T  # [chunks, width]
        self._of_states = torch.empty_like(self.states)
        self._of_items = items.new_zeros(items.shape[1], len(items))  # [width, items]: faster to add to
        self._of_bias = items.new_zeros(1, len(items))

    def empty_chunk(self, columns: int) -> tuple[Tensor, Tensor, Tensor]:
        """Room for the logits of any chunk, [chunk, columns]: new room for each costs page faults.

        Also the same flat, with one place more that belongs to no row, and where in it each row starts.
        """
        flat = self.states.new_empty(self._rows * columns + 1)
        starts = torch.arange(self._rows, device=flat.device) * columns  # [chunk]
        return flat[:-1].view(self._rows, columns), flat, starts

    def empty_column(self) -> Tensor:
        """Room for one value for each row of all chunks."""
        return self._of_bias.new_empty(len(self.states))

    def filled_up(self, values: Tensor, filling: float = 0) -> Tensor:
        """One value for each position -> as many as there are in all chunks."""
        return F.pad(values, (0, len(self.states) - len(values)), value=filling)

    def chunks(self) -> Iterator[slice]:
        """The rows of each chunk."""
        for start in range(0, self._positions, self._rows):
            yield slice(start, start + self._rows)

    def add(self, rows: slice, logits: Tensor) -> None:
        """`logits` [chunk, items] is the gradient of the logits of `rows`."""
        torch.mm(logits, self.items, out=self._of_states[rows])  # [chunk, width]
        self._of_items += self._weighed[rows].T @ logits  # [width, items]
        self._of_bias += self._counted[:, rows] @ logits  # as a product: a sum over bfloat16 is slow

    def gradients(self) -> tuple[Tensor, Tensor, Tensor]:
        of_states = self._of_states[: self._positions].to(self._of_bias.dtype)
        if self._weights is not None:
            of_states = of_states * self._weights[:, None]
        return of_states, self._of_items.T, self._of_bias[0]

    def weighted(self, *columns: Tensor) -> tuple[Tensor, ...]:
        """Further gradients, one value for each row of all chunks -> for each position, times its weight."""
        parts = (column[: self._positions] for column in columns)
        return tuple(parts if self._weights is None else (part * self._weights for part in parts))
