"""LiGR: SASRec with gated blocks, as in eSASRec (Tikhonovich et al., RecSys 2025, arXiv 2508.06450).

The blocks are those of LiGR (Borisyuk et al., 2025, arXiv 2502.03417): what attention and the feed-forward
net add is weighed by a gate that looks at what it is added to. The feed-forward net is a SwiGLU (Shazeer,
2020).
"""

from torch import Tensor, nn
from torch.nn import functional as F

from models.config import NetworkConfig
from models.networks.attention import Attention
from models.networks.dropout import Dropout
from models.networks.layout import Padded
from models.networks.transformer import Causal


class SwiGLU(nn.Module):
    """A feed-forward net, half of whose inner values gate the others."""

    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.inputs = nn.Linear(width, 2 * inner, bias=False)
        self.output = nn.Linear(inner, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:  # [..., width]
        gate, value = self.inputs(x).chunk(2, dim=-1)  # [..., inner] each
        result: Tensor = self.output(F.silu(gate) * value)
        return result


class GatedBlock(nn.Module):
    """Attention and a SwiGLU, each behind a norm, and added to its input as far as a gate lets it."""

    def __init__(self, config: NetworkConfig, causal: bool) -> None:
        super().__init__()
        width = config.width
        self.norm_attention, self.norm_feed = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = Attention(config, causal)
        self.feed = SwiGLU(width, config.feed_factor * width)
        self.gate_attention, self.gate_feed = nn.Linear(width, width), nn.Linear(width, width)
        self.dropout = Dropout(config.dropout)

    def forward(self, x: Tensor, layout: Padded) -> Tensor:  # positions in the layout, as is what it returns
        return self._added(x, self.attention(self.norm_attention(x), layout))

    def newest(self, x: Tensor, layout: Padded) -> Tensor:
        """What `forward` gives at each newest item: [batch, length, width] -> [batch, 1, width]."""
        mixed = self.attention.newest(self.norm_attention(x), layout)
        place = layout.newest[:, :, None].expand(-1, -1, x.shape[2])  # [batch, 1, width]
        return self._added(x.gather(1, place), mixed)

    def _added(self, x: Tensor, mixed: Tensor) -> Tensor:
        x = x + self.gate_attention(x).sigmoid() * self.dropout(mixed)
        fed = self.dropout(self.feed(self.norm_feed(x)))
        result: Tensor = x + self.gate_feed(x).sigmoid() * fed
        return result


class LiGR(Causal):
    """The causal transformer of gated blocks."""

    block = GatedBlock
