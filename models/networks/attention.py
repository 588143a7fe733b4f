"""The transformer block that SASRec and BERT4Rec share; norms come before what they feed (pre-norm).

Dense layers have no bias: the norms before them have one. LiGR's blocks have the same attention.
"""

import torch
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
        self.inputs = nn.Linear(config.width, 3 * config.width, bias=False)
        self.output = nn.Linear(config.width, config.width, bias=False)

    def forward(self, x: Tensor, layout: Padded) -> Tensor:
        query, key, value = self._heads(layout.spread_parts(self.inputs(x), 3))
        allowed = None if self.causal else layout.real[:, None, None, :].expand(-1, -1, query.shape[2], -1)
        mixed = F.scaled_dot_product_attention(query, key, value, allowed, is_causal=self.causal)
        result: Tensor = self.output(layout.collect(mixed.transpose(1, 2).flatten(2)))
        return result

    def newest(self, x: Tensor, layout: Padded) -> Tensor:
        """What `forward` gives at each newest item, [batch, 1, width]: one query a history."""
        query, key, value = self._heads(self.inputs(x).chunk(3, dim=-1))
        place = layout.newest[:, None, :, None].expand(-1, self.heads, -1, query.shape[-1])
        allowed = torch.arange(x.shape[1], device=x.device) <= layout.newest[:, None, :]  # [batch, 1, length]
        mixed = F.scaled_dot_product_attention(query.gather(2, place), key, value, allowed[:, None])
        result: Tensor = self.output(mixed.transpose(1, 2).flatten(2))
        return result

    def _heads(self, parts: tuple[Tensor, ...]) -> list[Tensor]:
        """Each [batch, length, width] -> [batch, heads, length, width / heads]."""
        return [part.reshape(*part.shape[:2], self.heads, -1).transpose(1, 2) for part in parts]


class Block(nn.Module):
    """Attention and a two-layer feed-forward net, each behind a norm and added to its input."""

    def __init__(self, config: NetworkConfig, causal: bool) -> None:
        super().__init__()
        width, inner = config.width, config.feed_factor * config.width
        self.norm_attention, self.norm_feed = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = Attention(config, causal)
        self.feed = nn.Sequential(
            nn.Linear(width, inner, bias=False), nn.GELU(), nn.Linear(inner, width, bias=False)
        )
        self.dropout = Dropout(config.dropout)

    def forward(self, x: Tensor, layout: Padded) -> Tensor:  # positions in the layout, as is what it returns
        return self._feed(self.dropout(self.attention(self.norm_attention(x), layout)).add_(x))

    def newest(self, x: Tensor, layout: Padded) -> Tensor:
        """What `forward` gives at each newest item: [batch, length, width] -> [batch, 1, width]."""
        mixed = self.attention.newest(self.norm_attention(x), layout)
        place = layout.newest[:, :, None].expand(-1, -1, x.shape[2])  # [batch, 1, width]
        return self._feed(x.gather(1, place) + self.dropout(mixed))

    def _feed(self, x: Tensor) -> Tensor:
        result: Tensor = self.dropout(self.feed(self.norm_feed(x))).add_(x)
        return result
