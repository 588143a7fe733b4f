"""When the items of histories were played, as a bias of attention (Zhai et al., ICML 2024, arXiv 2402.17152).

A position is asked for the next item when that was played, and the newest when an answer is wanted. So what
it knows of an item before it is how long ago that is then, in buckets each twice as wide as the one before.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True, eq=False)
class Times:
    """When each item was played and the next was asked for, in seconds, [batch, length] each."""

    played: Tensor  # int64
    asked: Tensor  # int64
    known: Tensor  # bool [batch], whether the times of a history are

    @classmethod
    def since(cls, since: Tensor) -> "Times":
        """From the seconds between each play and the asking, -1 where they are not known."""
        asked = torch.cat([-since[:, 1:], torch.zeros_like(since[:, :1])], dim=1)  # padding's are 0, too
        return cls(-since, asked, since[:, 0] >= 0)

    def rows(self, rows: Tensor) -> "Times":
        """Those of some histories."""
        return Times(self.played[rows], self.asked[rows], self.known[rows])

    def buckets(self, count: int, newest: Tensor | None = None) -> Tensor:
        """Of the gap from each position to each item, [batch, length, length]; from the `newest` [batch, 1]
        alone where it is given.

        0 for none, 1 for a second, 2 for less than 4, 3 for less than 8, and so on; `count`: not known.
        """
        asked = self.asked if newest is None else self.asked.gather(1, newest)  # [batch, positions]
        gap = asked[:, :, None] - self.played[:, None, :]  # [batch, positions, length]
        found = torch.bucketize(gap, 2 ** torch.arange(count - 1, device=gap.device), right=True)
        return torch.where(self.known[:, None, None], found, count)


class TimeBias(nn.Module):
    """A bias for each bucket and head; the last bucket stands for gaps that are not known."""

    def __init__(self, buckets: int, heads: int) -> None:
        super().__init__()
        self.count, self.heads = buckets, heads
        self.bias = nn.Parameter(torch.zeros((buckets + 1) * heads))

    def forward(self, times: Times | None, newest: Tensor | None = None) -> Tensor:
        """Of each position to each item, [batch, heads, length, length]; of the `newest` [batch, 1] alone
        where it is given; [1, heads, 1, 1] where nothing is known."""
        table = self.bias.view(-1, self.heads)  # [buckets + 1, heads]
        if times is None:
            return table[-1][None, :, None, None]
        found = times.buckets(self.count, newest)
        return nn.functional.embedding(found, table).permute(0, 3, 1, 2)
