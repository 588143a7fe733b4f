"""A network as a scorer, on torch."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from models.bundle.bundle import PADDING
from models.moment import Moment
from models.networks.base import SequenceNetwork, is_timed
from models.networks.times import Times
from models.scorer import padded


class NetworkScorer:
    """A network as a `models.scorer.Scorer`, on torch."""

    def __init__(self, network: SequenceNetwork) -> None:
        self._network = network

    def score(self, histories: Sequence[NDArray[np.integer]]) -> NDArray[np.float32]:
        return self._scored(histories, None)

    def score_at(self, histories: Sequence[NDArray[np.integer]], moment: Moment) -> NDArray[np.float32]:
        return self._scored(histories, moment)

    def _scored(self, histories: Sequence[NDArray[np.integer]], moment: Moment | None) -> NDArray[np.float32]:
        length, device = self._network.config.max_length, self._network.item_bias.device
        batch = torch.from_numpy(padded(histories, length)).to(device)  # [users, length]
        since = moment.since(histories) if moment is not None and is_timed(self._network) else None
        times = None if since is None else Times.since(torch.from_numpy(padded(since, length)).to(device))
        self._network.eval()
        with torch.inference_mode():
            scores: NDArray[np.float32] = self._network(batch, times).cpu().numpy()
        scores[:, PADDING] = -np.inf
        return scores  # [users, n_items + 1]
