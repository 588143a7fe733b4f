"""Dropout from random bytes: PyTorch's draws a number of 32 bits a value, which costs four times as much."""

import torch
from torch import Tensor, nn

LEVELS = 256


class Dropout(nn.Module):
    """Sets a share of the values to 0 in training and scales the others; the share is rounded to 1/256."""

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
        return x * ((values >= self._dropped) * (LEVELS / (LEVELS - self._dropped)))
