"""What every network shares: tied item embeddings, an item bias, and scoring at the last real position."""

import torch
from torch import Tensor, nn

from models.bundle import PADDING
from models.config import NetworkConfig

EMBEDDING_SCALE = 0.02  # standard deviation of fresh embeddings, of items and of positions alike


class SequenceNetwork(nn.Module):
    """Maps histories, right-padded with 0, to one state a position; scores are products with item embeddings.

    The output at a position depends on no later position, so padding on the right needs no mask.
    """

    def __init__(self, config: NetworkConfig, n_items: int) -> None:
        super().__init__()
        self.config, self.n_items = config, n_items
        self.item_embeddings = nn.Embedding(n_items + 1, config.width, padding_idx=PADDING)
        self.item_bias = nn.Parameter(torch.zeros(n_items + 1))
        with torch.no_grad():
            nn.init.normal_(self.item_embeddings.weight, std=EMBEDDING_SCALE)[PADDING] = 0

    def encode(self, history: Tensor) -> Tensor:
        """history int64 [batch, length] -> states [batch, length, width]."""
        raise NotImplementedError

    def forward(self, history: Tensor) -> Tensor:
        """Scores of every item as the next one, [batch, n_items + 1]; column 0 means nothing."""
        states = self.encode(history)  # [batch, length, width]
        last = (history != PADDING).sum(dim=1).clamp(min=1) - 1  # [batch]
        place = last[:, None, None].expand(-1, 1, states.shape[2])  # [batch, 1, width]
        state = states.gather(1, place).squeeze(1)  # [batch, width]
        return state @ self.item_embeddings.weight.T + self.item_bias  # [batch, n_items + 1]
