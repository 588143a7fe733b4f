"""What a training says of an epoch. Free of torch, for who only shows it."""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class EpochReport:
    """One epoch of training and the validation after it."""

    epoch: int  # from 1
    loss: float  # mean over the positions of the epoch
    metrics: dict[str, float]  # of validation, as models.evaluation.metrics names them; none without any
    seconds: float  # of training, validation not counted
    positions: int  # trained on

    @property
    def ndcg(self) -> float:
        """Validation NDCG@10, by which training stops; NaN without any validation."""
        return self.metrics.get("ndcg@10", math.nan)
