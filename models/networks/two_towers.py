"""Two towers: a history and an item each become a vector, and their product says how well they fit.

As in large retrieval systems (Covington et al., RecSys 2016; Yi et al., RecSys 2019) the history is pooled:
its items are averaged, the newest counting most, and a small net maps the averages. The item's tower is its
embedding, and where the catalogue describes it a map of that content too; the history's items come from the
same table. Each head averages its share of the values with a recency of its own, which is learned.
Trained with the softmax over items sampled by popularity, with logQ correction: see `models.losses.softmax`.
"""

import torch
from torch import Tensor, nn

from models.config import NetworkConfig
from models.networks.base import SequenceNetwork
from models.networks.dropout import Dropout
from models.networks.layout import Padded


class TwoTowers(SequenceNetwork):
    """Embedding, averages of the history by recency, a net of one hidden layer, a norm."""

    def __init__(self, config: NetworkConfig, n_items: int) -> None:
        super().__init__(config, n_items)
        self.dropout = Dropout(config.dropout)
        self.norm_in = nn.LayerNorm(config.width)
        self.project = nn.Linear(config.width, config.width)
        half_lives = 0.5 * 4.0 ** torch.arange(config.heads)  # of plays: 0.5, 2, 8, 32
        self.log_decays = nn.Parameter(torch.log(torch.log(torch.tensor(2.0)) / half_lives))  # [heads]
        inner = config.feed_factor * config.width
        self.net = nn.Sequential(nn.Linear(config.width, inner), nn.GELU(), nn.Linear(inner, config.width))
        self.norm = nn.LayerNorm(config.width)

    def mix(self, embedded: Tensor, layout: Padded) -> Tensor:
        values = layout.spread(self.project(self.dropout(self.norm_in(embedded))))  # [batch, length, width]
        parts = values.view(*values.shape[:2], self.config.heads, -1).transpose(1, 2)
        pooled = self._weights(values.shape[1]) @ parts
        averages = layout.collect(pooled.transpose(1, 2).flatten(2))
        states: Tensor = self.norm(averages + self.net(self.dropout(averages.clone())))
        return states

    def _weights(self, length: int) -> Tensor:
        """How much each item counts in the average at each place, [heads, length, length]; none after it.

        Padding is on the right, so what comes before a real position is real.
        """
        place = torch.arange(length, device=self.log_decays.device)
        ago = place[:, None] - place[None, :]  # [length, length]
        kept = torch.exp(-self.log_decays.exp()[:, None, None] * ago.clamp(min=0)) * (ago >= 0)
        weights: Tensor = kept / kept.sum(dim=2, keepdim=True)
        return weights
