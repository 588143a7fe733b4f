"""The items of a history as candidates that come again: `models.repeats` in training."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from models.bundle.bundle import PADDING
from models.config import NetworkConfig
from models.repeats import buckets


class Repeats(nn.Module):
    """Scores of a history's own items, beside those that they have as all other items do."""

    bucket: Tensor

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        bucket = torch.from_numpy(buckets(config.max_length))
        self.register_buffer("bucket", bucket, persistent=False)
        self.recency = nn.Parameter(torch.zeros(int(bucket[-1]) + 1))
        self.count = nn.Parameter(torch.zeros(int(bucket[-1]) + 1))
        self.habit = nn.Parameter(torch.ones(1))
        self.gate = nn.Linear(config.width, 1)
        nn.init.zeros_(self.gate.weight)
        nn.init.zeros_(self.gate.bias)

    def forward(self, histories: Tensor, rows: Tensor, places: Tensor, states: Tensor) -> "MayComeAgain":
        """histories [batch, length]; the n positions are at `rows` and `places`, with states [n, width]."""
        length = histories.shape[1]
        steps = torch.arange(length, device=histories.device)
        same = histories[:, :, None] == histories[:, None, :]  # [batch, length, length]
        later = same & (steps > steps[:, None])  # the same item once more
        following = torch.where(later, steps, length).amin(dim=2)  # [batch, length]
        before = (same & (steps < steps[:, None])).sum(dim=2)  # [batch, length], times that it was played
        so_far = (histories > PADDING)[rows] & (steps <= places[:, None])  # [n, length]; masks are no items
        last = so_far & (following[rows] > places[:, None])  # the last time of each item
        since = last.flip(1).cumsum(1).flip(1) - last.long()  # other items played since
        scores = self.recency[self.bucket[since]] + self.count[self.bucket[before[rows]]]
        distinct = last.sum(dim=1)  # [n]
        odds = ((so_far.sum(dim=1) - distinct + 1) / (distinct + 1)).log()  # [n]
        total = self.gate(states).squeeze(1) + self.habit * odds
        some = distinct[:, None] > 0  # none lies before a mask that comes first
        shares = scores.masked_fill(~last & some, -torch.inf).log_softmax(dim=1)
        shares = shares.masked_fill(~last, -torch.inf)
        items = torch.where(last, histories[rows], PADDING)
        return MayComeAgain(items, total[:, None] + shares, total.masked_fill(distinct == 0, -torch.inf))

    def added(self, scores: Tensor, histories: Tensor, states: Tensor) -> Tensor:
        """Scores [batch, n_items + 1] of the next item, with the second chances of the histories' items."""
        newest = (histories != PADDING).sum(dim=1) - 1  # [batch]
        again = self(histories, torch.arange(len(histories), device=histories.device), newest, states)
        own = scores.new_full(scores.shape, -torch.inf).scatter(1, again.items, again.scores)
        return torch.logaddexp(scores, own)


@dataclass(frozen=True)
class MayComeAgain:
    """What may come again after each of n positions."""

    items: Tensor  # [n, length], where each was played last; else 0
    scores: Tensor  # [n, length]; else -inf
    total: Tensor  # [n], log of the sum of their exponentials

    def of(self, targets: Tensor) -> Tensor:
        """The score of each target, [n]; -inf where its history has none."""
        return self.scores.masked_fill(self.items != targets[:, None], -torch.inf).amax(dim=1)
