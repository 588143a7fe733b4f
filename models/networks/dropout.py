"""Two ways to forget in training: single values, and whole items.

Values are dropped by random bytes: PyTorch's dropout draws 32 bits for each value, which costs four
times as much.
"""

import torch
from torch import Tensor, nn

LEVELS = 256


class Dropout(nn.Module):
    """Sets a share of the values to 0 in training and scales the others; the share is rounded to 1/256.

    The values are overwritten: room for others would cost as much as the work itself.
    """

    def __init__(self, share: float) -> None:
        super().__init__()
        self._dropped = round(share * LEVELS)

    @property
    def share(self) -> float:
        """What is set to 0, after rounding."""
        return self._dropped / LEVELS

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self._dropped == 0:
            return x
        words = torch.empty(-(-x.numel() // 8), dtype=torch.int64, device=x.device)
        values = words.random_(-(2**63), None).view(torch.uint8)[: x.numel()].view(x.shape)
        kept = values.float().sub_(self._dropped - 1).clamp_(0, 1)  # 0 or 1; comparing is slower
        return x.mul_(kept.mul_(LEVELS / (LEVELS - self._dropped)))


class ItemDropout(nn.Module):
    """Hides whole items of a history in training, so that no next item hangs on a single one before it.

    Nothing is scaled: a history with fewer items is a history.
    """

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def forward(self, positions: Tensor) -> Tensor:  # [..., width]
        if not self.training or self.share == 0:
            return positions
        kept = torch.rand(positions.shape[:-1], device=positions.device) >= self.share  # [...]
        return positions * kept[..., None]
