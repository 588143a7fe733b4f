"""The networks that can be trained, by name. A new one is a file here and a line in `NETWORKS`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from models.config import NetworkConfig, TrainConfig, defaults_for
from models.networks.base import SequenceNetwork
from models.networks.gru4rec import GRU4Rec
from models.networks.sasrec import SASRec


@dataclass(frozen=True)
class Architecture:
    """How to build a network, and the settings in which it differs from `models.config.defaults_for`."""

    build: Callable[[NetworkConfig, int], SequenceNetwork]
    settings: Mapping[str, Any] = field(default_factory=dict)


NETWORKS: dict[str, Architecture] = {
    "gru4rec": Architecture(GRU4Rec, {"layers": 1}),
    "sasrec": Architecture(SASRec),
}


def default_config(name: str, n_users: int, n_items: int, n_interactions: int) -> TrainConfig:
    """The settings with which the network is trained on data of this size unless told otherwise."""
    return defaults_for(n_users, n_items, n_interactions).with_changes(**NETWORKS[name].settings)
