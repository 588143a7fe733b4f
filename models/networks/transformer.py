"""The transformer that SASRec and BERT4Rec share: causal, or in both directions over a history with masks."""

import torch
from torch import Tensor, nn

from models.config import NetworkConfig
from models.networks.attention import Block
from models.networks.base import EMBEDDING_SCALE, SequenceNetwork
from models.networks.dropout import Dropout
from models.networks.layout import Padded


class Transformer(SequenceNetwork):
    """Embeddings, blocks, a final norm.

    Where it is not causal, each state has seen every item but those behind masks, so masks are what it learns
    from, and it has an embedding for them.
    """

    def __init__(self, config: NetworkConfig, n_items: int, causal: bool) -> None:
        super().__init__(config, n_items)
        if not causal:
            self.mask_embedding = nn.Parameter(EMBEDDING_SCALE * torch.randn(config.width))
        self.dropout = Dropout(config.dropout)
        self.blocks = nn.ModuleList(Block(config, causal) for _ in range(config.layers))
        self.norm = nn.LayerNorm(config.width)

    def mix(self, embedded: Tensor, layout: Padded) -> Tensor:
        x = self.dropout(embedded)
        for block in self.blocks:
            x = block(x, layout)
        states: Tensor = self.norm(x)
        return states
