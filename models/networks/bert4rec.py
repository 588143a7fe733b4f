"""BERT4Rec: self-attention in both directions over a history with masked items (Sun et al., CIKM 2019).

Trained to name the items behind the masks; asked for the next item, it finds a mask after the newest one.
Its blocks are those of SASRec, so that direction and objective are all in which the two differ.
"""

import torch
from torch import Tensor

from models.bundle.bundle import PADDING
from models.config import NetworkConfig
from models.data import MASK
from models.networks.times import Times
from models.networks.transformer import Transformer


class BERT4Rec(Transformer):
    """The transformer that sees every real position; a masked position predicts its item."""

    EXTRA_POSITIONS = 1  # for the mask after the newest item

    def __init__(self, config: NetworkConfig, n_items: int) -> None:
        super().__init__(config, n_items, causal=False)

    def embed_items(self, history: Tensor, items: Tensor) -> Tensor:
        masked = history == MASK
        embedded = super().embed_items(torch.where(masked, PADDING, history), items)  # [..., width]
        return embedded + masked[..., None] * self.mask_embedding

    def state(self, history: Tensor, items: Tensor, times: Times | None = None) -> Tensor:
        end = (history != PADDING).sum(dim=1, keepdim=True)  # [batch, 1]
        longer = torch.cat([history, torch.zeros_like(history[:, :1])], dim=1)  # [batch, length + 1]
        return super().state(longer.scatter(1, end, MASK), items)
