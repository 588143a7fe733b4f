"""The transformers: causal, or in both directions over a history with masks."""

from typing import ClassVar, Protocol

import torch
from torch import Tensor, nn

from models.config import NetworkConfig
from models.networks.attention import Block
from models.networks.base import EMBEDDING_SCALE, SequenceNetwork
from models.networks.dropout import Dropout
from models.networks.layout import Padded
from models.networks.times import Times


class Newest(Protocol):
    """What a block can do besides being called."""

    def newest(self, x: Tensor, layout: Padded) -> Tensor:
        """What the block gives at each newest item: [batch, length, width] -> [batch, 1, width]."""
        ...


class Transformer(SequenceNetwork):
    """Embeddings, blocks, a final norm.

    Where it is not causal, each state has seen every item but those behind masks, so masks are what it learns
    from, and it has an embedding for them.
    """

    block: ClassVar[type[nn.Module]] = Block  # made of a shape, and whether it is causal

    def __init__(self, config: NetworkConfig, n_items: int, causal: bool) -> None:
        super().__init__(config, n_items)
        if not causal:
            self.mask_embedding = nn.Parameter(EMBEDDING_SCALE * torch.randn(config.width))
        self.dropout = Dropout(config.dropout)
        self.blocks = nn.ModuleList(type(self).block(config, causal) for _ in range(config.layers))
        self.norm = nn.LayerNorm(config.width)

    def mix(self, embedded: Tensor, layout: Padded) -> Tensor:
        x = self.dropout(embedded)
        for block in self.blocks:
            x = block(x, layout)
        states: Tensor = self.norm(x)
        return states


class Causal(Transformer):
    """Each position predicts the item after it, so the last block is asked at the newest item alone."""

    def __init__(self, config: NetworkConfig, n_items: int) -> None:
        super().__init__(config, n_items, causal=True)

    def state(self, history: Tensor, items: Tensor, times: Times | None = None) -> Tensor:
        layout = Padded(history, times)
        x = self.dropout(self._embed(history, items, layout))
        for block in self.blocks[:-1]:
            x = block(x, layout)
        last: Newest = self.blocks[-1]  # type: ignore[assignment]  # of a ModuleList mypy knows no more
        states: Tensor = self.norm(last.newest(x, layout)).squeeze(1)  # [batch, width], all that is asked
        return states
