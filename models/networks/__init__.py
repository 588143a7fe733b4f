"""The networks that can be trained, by name. A new one is a file here and an entry in `NETWORKS`.

Torch is imported only when a network is built: whoever lists the networks need not wait for it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from models.config import FEWEST_EPOCHS, NetworkConfig, TrainConfig, defaults_for

if TYPE_CHECKING:
    from models.data import Sequences
    from models.networks.base import SequenceNetwork


@dataclass(frozen=True)
class Architecture:
    """How to build a network, and the settings in which it differs from `models.config.defaults_for`."""

    build: Callable[[NetworkConfig, int], "SequenceNetwork"]  # of a shape, for so many items
    settings: Mapping[str, Any] = field(default_factory=dict)
    masked: bool = False  # trained to find masked items, not the next one after each


def _gru4rec(config: NetworkConfig, n_items: int) -> "SequenceNetwork":
    """GRU4Rec: a recurrent network over the history."""
    from models.networks.gru4rec import GRU4Rec

    return GRU4Rec(config, n_items)


def _sasrec(config: NetworkConfig, n_items: int) -> "SequenceNetwork":
    """SASRec: causal self-attention over the history."""
    from models.networks.sasrec import SASRec

    return SASRec(config, n_items)


def _bert4rec(config: NetworkConfig, n_items: int) -> "SequenceNetwork":
    """BERT4Rec: self-attention in both directions over a history with masked items."""
    from models.networks.bert4rec import BERT4Rec

    return BERT4Rec(config, n_items)


def _hstu(config: NetworkConfig, n_items: int) -> "SequenceNetwork":
    """HSTU: pointwise attention without a softmax."""
    from models.networks.hstu import HSTU

    return HSTU(config, n_items)


def _ligr(config: NetworkConfig, n_items: int) -> "SequenceNetwork":
    """LiGR: SASRec with gated blocks, as in eSASRec."""
    from models.networks.ligr import LiGR

    return LiGR(config, n_items)


def _two_towers(config: NetworkConfig, n_items: int) -> "SequenceNetwork":
    """Two towers: an average of the history, the newest items first, against each item."""
    from models.networks.two_towers import TwoTowers

    return TwoTowers(config, n_items)


def _tiger(config: NetworkConfig, n_items: int) -> "SequenceNetwork":
    """TIGER: the next item's semantic id, generated code by code."""
    from models.networks.tiger import TIGER

    return TIGER(config, n_items)


TIGER = {  # a code is played hundreds of times as often as an item, and its loss costs little
    "codes": True,
    "code_prefixes": True,  # what it reads; what it generates are codes
    "loss": "full",
    "dropout": 0.3,
    "batch_positions": 512,
    "embedding_learning_rate": 5e-3,
    "validation_users": 1_000,
}
NETWORKS: dict[str, Architecture] = {
    "gru4rec": Architecture(_gru4rec, {"layers": 1, "width": 96}),
    "sasrec": Architecture(_sasrec),
    "bert4rec": Architecture(_bert4rec, masked=True),
    "hstu": Architecture(_hstu),
    "ligr": Architecture(_ligr),
    "two_towers": Architecture(_two_towers, {"heads": 4, "feed_factor": 4, "loss": "sampled"}),
    "tiger": Architecture(_tiger, TIGER),
}


def default_config(name: str, train: "Sequences", described: bool = False) -> TrainConfig:
    """The settings with which the network is trained on these sequences unless told otherwise.

    `described` says whether the catalogue knows more of the items than ids and titles.
    """
    long_history = int(np.quantile(train.lengths, 0.9)) if len(train) else 1
    hides = not NETWORKS[name].masked  # a mask hides items already
    mean_history = len(train.items) / max(1, len(train)) if hides else 0.0
    defaults = defaults_for(train.n_items, len(train.items), long_history, mean_history, described)
    if train.repeated.any():  # they teach little of what is played next, and the rest is learned by heart
        new = 1 - float(train.repeated.mean())
        defaults = defaults.with_changes(epochs=max(FEWEST_EPOCHS, round(new * defaults.epochs)))
    return defaults.with_changes(**NETWORKS[name].settings)
