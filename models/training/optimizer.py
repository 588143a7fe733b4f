"""AdamW for the network's matrices, and Adam for the item table that touches the rows of the batch alone."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from models.config import TrainConfig
from models.networks.base import SequenceNetwork
from models.training.ranks import Ranks

BETAS = (0.9, 0.999)
EPSILON = 1e-8


class RowAdam:
    """Adam on some rows of tables, its cost independent of how many rows they have.

    The moments of a row decay only in steps that touch it, as in TensorFlow's LazyAdam. Rows never touched
    stay as they are. Tables [rows, ...] are updated in place.
    """

    def __init__(self, tables: Sequence[Tensor]) -> None:
        self._tables = list(tables)
        self.moments = [(torch.zeros_like(table), torch.zeros_like(table)) for table in tables]

    @torch.no_grad()
    def step(self, rows: Tensor, gradients: Sequence[Tensor], rate: float, step: int) -> None:
        """`gradients` of the rows [k], one tensor [k, ...] a table; `step` counts from 1."""
        rate *= math.sqrt(1 - BETAS[1] ** step) / (1 - BETAS[0] ** step)
        for table, (first, second), gradient in zip(self._tables, self.moments, gradients, strict=True):
            mean = first.index_select(0, rows).lerp_(gradient, 1 - BETAS[0])  # [k, ...]
            square = (
                second.index_select(0, rows).mul_(BETAS[1]).addcmul_(gradient, gradient, value=1 - BETAS[1])
            )
            first.index_copy_(0, rows, mean)
            second.index_copy_(0, rows, square)
            moved = table.index_select(0, rows).addcdiv_(mean, square.sqrt_().add_(EPSILON), value=-rate)
            table.index_copy_(0, rows, moved)


@dataclass(frozen=True)
class Touched:
    """The rows of the item table that a step reads, as leaves of the graph, and where each item lies."""

    rows: Tensor  # [k], item indexes
    items: Tensor  # [k, width], their embeddings
    bias: Tensor  # [k]
    places: Tensor  # indexes into the rows, in the order in which items were given


class Distinct:
    """`torch.unique` with places, of numbers below a bound, by a table: ten times as fast as by a sort."""

    def __init__(self, bound: int, device: torch.device) -> None:
        self._seen = torch.zeros(bound, dtype=torch.bool, device=device)
        self._place = torch.zeros(bound, dtype=torch.int64, device=device)

    def __call__(self, numbers: Tensor) -> tuple[Tensor, Tensor]:
        """int64 [n] -> those that occur, rising, [k], and where among them each number is, [n]."""
        self._seen.index_fill_(0, numbers, True)
        distinct = self._seen.nonzero().squeeze(1)  # [k]
        self._seen.index_fill_(0, distinct, False)
        self._place.index_copy_(0, distinct, torch.arange(len(distinct), device=distinct.device))
        return distinct, self._place.index_select(0, numbers)


class Optimizer:
    """Moves all parameters: matrices with weight decay; embeddings, biases and norms without, and faster.

    With `by_rows` the item table is left to `RowAdam`; else it is a parameter as the others are.
    """

    def __init__(self, network: SequenceNetwork, config: TrainConfig, by_rows: bool) -> None:
        self._network, self._config = network, config
        tables = [network.item_embeddings.weight, network.item_bias] if by_rows else []
        self._rows = RowAdam(tables) if by_rows else None
        apart = {id(table) for table in tables}
        self._parameters = [p for p in network.parameters() if id(p) not in apart]
        self._adam = torch.optim.AdamW(_groups(network, self._parameters, config), fused=True)
        self._distinct = Distinct(len(network.item_bias), network.item_bias.device)
        self.step_number = 0

    def touch(self, items: Tensor) -> Touched:
        """The rows that a step with these items (padding included) will touch."""
        rows, places = self._distinct(torch.cat([items.new_zeros(1), items]))
        table, bias = self._network.item_embeddings.weight, self._network.item_bias
        leaf, leaf_bias = (whole.detach().index_select(0, rows) for whole in (table, bias))
        return Touched(rows, leaf.requires_grad_(), leaf_bias.requires_grad_(), places[1:])

    def step(
        self, loss: Tensor, touched: Touched | None, progress: float, ranks: Ranks | None = None
    ) -> None:
        """Backward, add up, clip, update; `progress` (0 to 1): how far the training is, for the schedule."""
        share = learning_rate_share(self._config, self.step_number, progress)
        for group in self._adam.param_groups:
            group["lr"] = group["highest"] * share
        self._adam.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        leaves = [touched.items, touched.bias] if touched else []
        if ranks is not None:
            ranks.add_up(p.grad for p in [*self._parameters, *leaves] if p.grad is not None)
        nn.utils.clip_grad_norm_([*self._parameters, *leaves], self._config.max_gradient_norm)
        self._adam.step()
        self.step_number += 1
        if self._rows and touched:
            self._move(self._rows, touched, self._config.embedding_learning_rate * share)

    def _move(self, adam: RowAdam, touched: Touched, rate: float) -> None:
        real = slice(1, None)  # row 0 is padding and comes first
        if touched.items.grad is None or touched.bias.grad is None:  # items have nothing of their own
            return
        gradients = [touched.items.grad[real], touched.bias.grad[real]]
        adam.step(touched.rows[real], gradients, rate, self.step_number)

    def moments(self) -> dict[str, Tensor]:
        """Everything that the next step depends on, but for `step_number`."""
        state = self._adam.state_dict()["state"]
        moments = {f"{i}.{name}": value for i, values in state.items() for name, value in values.items()}
        for i, pair in enumerate(self._rows.moments if self._rows else []):
            moments |= {f"rows.{i}.first": pair[0], f"rows.{i}.second": pair[1]}
        return moments

    def restore(self, moments: dict[str, Tensor], step_number: int) -> None:
        """The inverse of `moments`."""
        self.step_number = step_number
        state: dict[int, dict[str, Tensor]] = {}
        for key, value in moments.items():
            place, name = key.split(".", 1)
            if place != "rows":
                state.setdefault(int(place), {})[name] = value
        self._adam.load_state_dict({**self._adam.state_dict(), "state": state})
        for i, (first, second) in enumerate(self._rows.moments if self._rows else []):
            first.copy_(moments[f"rows.{i}.first"])
            second.copy_(moments[f"rows.{i}.second"])


def learning_rate_share(config: TrainConfig, step: int, progress: float) -> float:
    """Share of the highest learning rate: linear warm-up, then constant or a cosine that falls to 0."""
    share = min(1.0, (step + 1) / max(1, config.warmup_steps))
    if config.schedule == "cosine":
        share *= 0.5 * (1 + math.cos(math.pi * progress))
    return share


def _groups(
    network: SequenceNetwork, parameters: Sequence[Tensor], config: TrainConfig
) -> list[dict[str, Any]]:
    embeddings = {id(m.weight) for m in network.modules() if isinstance(m, nn.Embedding)}
    matrices: list[Tensor] = []
    others: list[Tensor] = []
    for parameter in parameters:
        (matrices if parameter.ndim > 1 and id(parameter) not in embeddings else others).append(parameter)
    return [
        {"params": matrices, "highest": config.learning_rate, "weight_decay": config.weight_decay},
        {"params": others, "highest": config.embedding_learning_rate, "weight_decay": 0.0},
    ]
