"""The transformer block that SASRec and BERT4Rec share; norms come before what they feed (pre-norm)."""

from torch import Tensor, nn
from torch.nn import functional as F

from models.config import NetworkConfig
from models.networks.dropout import Dropout
from models.networks.layout import Padded


class Attention(nn.Module):
    """Multi-head self-attention: over earlier positions, or over all that are real."""

    def __init__(self, config: NetworkConfig, causal: bool) -> None:
        super().__init__()
        self.heads, self.causal = config.heads, causal
        self.inputs = nn.Linear(config.width, 3 * config.width)
        self.output = nn.Linear(config.width, config.width)

    def forward(self, x: Tensor, layout: Padded) -> Tensor:
        parts = layout.spread(self.inputs(x))  # [batch, length, 3 * width]
        batch, length, width = parts.shape[0], parts.shape[1], x.shape[-1]
        parts = parts.view(batch, length, 3, self.heads, width // self.heads)
        query, key, value = parts.permute(2, 0, 3, 1, 4)  # each [batch, heads, length, width / heads]
        allowed = None if self.causal else layout.real[:, None, None, :]  # [batch, 1, 1, length]
        mixed = F.scaled_dot_product_attention(query, key, value, allowed, is_causal=self.causal)
        result: Tensor = self.output(layout.collect(mixed.transpose(1, 2).reshape(batch, length, width)))
        return result


class Block(nn.Module):
    """Attention and a two-layer feed-forward net, each behind a norm and added to its input."""

    def __init__(self, config: NetworkConfig, causal: bool) -> None:
        super().__init__()
        width, inner = config.width, config.feed_factor * config.width
        self.norm_attention, self.norm_feed = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = Attention(config, causal)
        self.feed = nn.Sequential(nn.Linear(width, inner), nn.GELU(), nn.Linear(inner, width))
        self.dropout = Dropout(config.dropout)

    def forward(self, x: Tensor, layout: Padded) -> Tensor:  # positions in the layout, as is what it returns
        x = x + self.dropout(self.attention(self.norm_attention(x), layout))
        result: Tensor = x + self.dropout(self.feed(self.norm_feed(x)))
        return result
