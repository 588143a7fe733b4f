"""HSTU: pointwise attention without a softmax (Zhai et al., ICML 2024, arXiv 2402.17152).

A softmax tells how plays compare with each other; SiLU also tells how much there is of something, which the
paper calls intensity. In place of a feed-forward net, what is gathered is gated.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.config import NetworkConfig
from models.networks.dropout import Dropout
from models.networks.layout import Padded
from models.networks.times import TimeBias
from models.networks.transformer import Causal


class PointwiseAttention(nn.Module):
    """Sums of the values up to each position, each weighed by SiLU(query * key + biases).

    There is a bias of its distance, and where times are asked for one of how long ago it was played. Sums
    grow with the history; the norm takes that out again.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.heads, self.farthest = config.heads, config.max_length - 1
        self.inputs = nn.Linear(config.width, 4 * config.width, bias=False)
        self.distance = nn.Parameter(torch.zeros(config.heads * config.max_length))
        self.since = TimeBias(config.time_buckets, config.heads) if config.time_buckets else None
        self.norm = nn.LayerNorm(config.width)
        self.dropout = Dropout(config.dropout)
        self.output = nn.Linear(config.width, config.width, bias=False)

    def forward(self, x: Tensor, layout: Padded) -> Tensor:
        gate, parts = self._inputs(x)
        query, key, value = self._heads(layout.spread_parts(parts, 3))
        steps = torch.arange(query.shape[2], device=x.device)
        likes = query @ key.mT + self._bias(steps[:, None] - steps)  # [batch, heads, length, length]
        if self.since:
            likes = likes + self.since(layout.times)
        mixed = (F.silu(likes).tril() @ value).transpose(1, 2).flatten(2)  # [batch, length, width]
        return self._gated(layout.collect(mixed), gate)

    def newest(self, x: Tensor, layout: Padded) -> Tensor:
        """What `forward` gives at each newest item, [batch, 1, width]: one query a history."""
        gate, parts = self._inputs(x)
        query, key, value = self._heads(parts.chunk(3, dim=-1))
        place = layout.newest[:, None, :, None].expand(-1, self.heads, -1, query.shape[-1])
        back = layout.newest - torch.arange(x.shape[1], device=x.device)  # [batch, length]
        bias = self._bias(back).movedim(0, 1)[:, :, None]  # [batch, heads, 1, length]
        likes = query.gather(2, place) @ key.mT + bias  # [batch, heads, 1, length]
        if self.since:
            likes = likes + self.since(layout.times, layout.newest)
        weights = F.silu(likes) * (back >= 0)[:, None, None]
        mixed = (weights @ value).transpose(1, 2).flatten(2)  # [batch, 1, width]
        place = layout.newest[:, :, None].expand(-1, -1, gate.shape[-1])  # [batch, 1, width]
        return self._gated(mixed, gate.gather(1, place))

    def _inputs(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The gate, [..., width], and query, key and value side by side, [..., 3 * width]."""
        mapped = F.silu(self.inputs(x))  # [..., 4 * width]
        return mapped[..., : x.shape[-1]], mapped[..., x.shape[-1] :]

    def _heads(self, parts: tuple[Tensor, ...]) -> list[Tensor]:
        """Each [batch, length, width] -> [batch, heads, length, width / heads]."""
        return [part.reshape(*part.shape[:2], self.heads, -1).transpose(1, 2) for part in parts]

    def _bias(self, back: Tensor) -> Tensor:
        """How many positions a key lies before its query, [...] -> a bias for each head, [heads, ...]."""
        return self.distance.view(self.heads, -1)[:, back.clamp(0, self.farthest)]

    def _gated(self, mixed: Tensor, gate: Tensor) -> Tensor:
        result: Tensor = self.output(self.dropout(self.norm(mixed) * gate))
        return result


class PointwiseBlock(nn.Module):
    """Pointwise attention behind a norm, added to its input."""

    def __init__(self, config: NetworkConfig, causal: bool) -> None:
        super().__init__()
        assert causal
        self.norm, self.attention = nn.LayerNorm(config.width), PointwiseAttention(config)

    def forward(self, x: Tensor, layout: Padded) -> Tensor:  # positions in the layout, as is what it returns
        added: Tensor = x + self.attention(self.norm(x), layout)
        return added

    def newest(self, x: Tensor, layout: Padded) -> Tensor:
        """What `forward` gives at each newest item: [batch, length, width] -> [batch, 1, width]."""
        place = layout.newest[:, :, None].expand(-1, -1, x.shape[2])  # [batch, 1, width]
        return x.gather(1, place) + self.attention.newest(self.norm(x), layout)


class HSTU(Causal):
    """The causal transformer of pointwise blocks."""

    TIMED = True
    block = PointwiseBlock
