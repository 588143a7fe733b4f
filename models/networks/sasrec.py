"""SASRec: causal self-attention over the history (Kang and McAuley, ICDM 2018), with pre-norm blocks.

As in the paper, positions count back from the newest item of a history. Counted from the oldest, with random
offsets, or left out, they gave a lower NDCG@10 on Steam.
"""

from torch import Tensor, nn
from torch.nn import functional as F

from models.config import NetworkConfig
from models.networks.base import SequenceNetwork


class Attention(nn.Module):
    """Causal multi-head self-attention."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.heads = config.heads
        self.inputs = nn.Linear(config.width, 3 * config.width)
        self.output = nn.Linear(config.width, config.width)

    def forward(self, x: Tensor) -> Tensor:
        batch, length, width = x.shape
        parts = self.inputs(x).view(batch, length, 3, self.heads, width // self.heads)
        query, key, value = parts.permute(2, 0, 3, 1, 4)  # each [batch, heads, length, width / heads]
        mixed = F.scaled_dot_product_attention(query, key, value, is_causal=True)
        result: Tensor = self.output(mixed.transpose(1, 2).reshape(batch, length, width))
        return result


class Block(nn.Module):
    """Attention and a two-layer feed-forward net, each behind a norm and added to its input."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        width = config.width
        self.norm_attention, self.norm_feed = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = Attention(config)
        self.feed = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x: Tensor) -> Tensor:  # [batch, length, width], as is what it returns
        x = x + self.dropout(self.attention(self.norm_attention(x)))
        result: Tensor = x + self.dropout(self.feed(self.norm_feed(x)))
        return result


class SASRec(SequenceNetwork):
    """Embeddings, blocks, a final norm."""

    def __init__(self, config: NetworkConfig, n_items: int) -> None:
        super().__init__(config, n_items)
        self.dropout = nn.Dropout(config.dropout)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.norm = nn.LayerNorm(config.width)

    def encode(self, history: Tensor) -> Tensor:
        x = self.dropout(self.embed(history))  # [batch, length, width]
        for block in self.blocks:
            x = block(x)
        states: Tensor = self.norm(x)
        return states
