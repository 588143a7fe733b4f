"""Binary cross-entropy with negatives drawn for each position: the loss of 2018, and its calibrated form."""

import torch
from torch import Tensor
from torch.nn import functional as F

from models.losses import Again, Negatives


class BinaryCrossEntropy:
    """gBCE (Petrov and Macdonald, RecSys 2023): the target's likelihood is raised to a power beta.

    `k` negatives a position are drawn uniformly; a draw of the target itself is left out. With a sampling
    rate alpha = k / (n_items - 1), beta = alpha * (calibration * (1 - 1 / alpha) + 1 / alpha): calibration 0
    gives beta = 1, plain BCE (with k = 1 SASRec's loss, Kang and McAuley, ICDM 2018), and 1 gives beta =
    alpha, which undoes the overconfidence that sampling brings. Uniform negatives exclude the target alone,
    not all that the user has played.
    """

    def __init__(self, n_items: int, negatives: int, calibration: float) -> None:
        alpha = min(1.0, negatives / max(1, n_items - 1))
        self._beta = alpha * (calibration * (1 - 1 / alpha) + 1 / alpha)
        self._n_items, self._negatives = n_items, negatives

    def draw(self, positions: int) -> Negatives:
        return Negatives(torch.randint(1, self._n_items + 1, (positions, self._negatives)))

    def __call__(
        self,
        states: Tensor,
        targets: Tensor,
        items: Tensor,
        bias: Tensor,
        negatives: Negatives | None,
        again: Again | None = None,
        weights: Tensor | None = None,
    ) -> Tensor:
        assert negatives is not None and again is None, "it has no softmax that the second chance could share"
        rows = negatives.items  # [n, k]
        positive = (states * items[targets]).sum(dim=1) + bias[targets]  # [n]
        drawn = F.embedding(rows, items)  # [n, k, width]
        negative = torch.bmm(drawn, states[:, :, None]).squeeze(2) + bias[rows]  # [n, k]
        against = F.softplus(negative).masked_fill(rows == targets[:, None], 0.0).sum(dim=1)  # [n]
        losses = self._beta * F.softplus(-positive) + against
        mean: Tensor = (losses if weights is None else losses * weights).mean()
        return mean
