"""What a training starts from where it does not start from nothing: the weights of an earlier network.

Free of torch until a network is filled, so that who plans a night need not wait for it.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from models.bundle.bundle import ITEM_BIAS, ITEM_EMBEDDINGS
from models.config import TrainConfig
from models.mistakes import UserError

if TYPE_CHECKING:
    from torch import Tensor

    from models.networks.base import SequenceNetwork

POSITIONS = "position_embeddings.weight"
EPOCHS_SHARE = 0.2  # of those of a training from nothing
FEWEST_EPOCHS = 3
RATE_SHARE = 0.1  # of its highest learning rates: a night brings little that is new, and more unlearns
REFIT_RATE_SHARE = 0.3  # of a refit's, for which the newest plays of everybody are new


class StartError(UserError):
    """A start is no good, and the network is to be trained from nothing; the message says why."""


@dataclass(frozen=True)
class Start:
    """The weights of a bundle, for a network of other items."""

    weights: str  # file
    rows: NDArray[np.int64]  # [n_items + 1], where each item lay in that bundle; -1: it is new
    digest: str  # hash of the bundle

    def fill(self, network: "SequenceNetwork") -> None:
        """Put the weights into a fresh network; new items and older positions stay fresh.

        Raises StartError where they are those of another network.
        """
        import torch
        from safetensors.torch import load_file

        old, known = load_file(self.weights), torch.from_numpy(self.rows >= 0)
        fresh = network.state_dict()
        if network.content is not None or fresh.keys() != old.keys():
            raise StartError("its network has other parts")
        rows = torch.from_numpy(self.rows)[known]
        for name, into in fresh.items():
            if name in (ITEM_EMBEDDINGS, ITEM_BIAS):
                _copy(name, into, known, old[name][rows])
            elif name == POSITIONS:  # they count back from the newest
                length = min(len(into), len(old[name]))
                _copy(name, into, slice(len(into) - length, None), old[name][-length:])
            else:
                _copy(name, into, slice(None), old[name])


def _copy(name: str, into: "Tensor", where: "Tensor | slice", values: "Tensor") -> None:
    if into[where].shape != values.shape:
        raise StartError(f"its {name} has another shape")
    into[where] = values


def short(config: TrainConfig, rate_share: float = RATE_SHARE) -> TrainConfig:
    """The settings of a training that goes on from a start: a fifth of the epochs, at a lower rate."""
    epochs = min(config.epochs, max(FEWEST_EPOCHS, round(EPOCHS_SHARE * config.epochs)))
    return config.with_changes(
        epochs=epochs,
        learning_rate=rate_share * config.learning_rate,
        embedding_learning_rate=rate_share * config.embedding_learning_rate,
    )
