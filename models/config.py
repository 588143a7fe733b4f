"""How a network is built and trained. Free of torch, so that serving may read it."""

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Self

from models.mistakes import UserError

SOFTMAX_LOSSES = ("full", "sampled")
LOSSES = (*SOFTMAX_LOSSES, "gbce", "bce")
PRECISIONS = ("float32", "bfloat16")
SCHEDULES = ("constant", "cosine")
DEVICES = ("auto", "cpu", "cuda")


class ConfigError(UserError, ValueError):
    """A setting is out of range; the message says which one and what is allowed."""


@dataclass(frozen=True)
class NetworkConfig:
    """The shape of a network."""

    width: int = 64  # of an item embedding and of a state
    layers: int = 2  # GRU layers or attention blocks
    heads: int = 2  # attention heads; a GRU ignores them
    feed_factor: int = 1  # inner width of a block's feed-forward net over `width`; a GRU has none
    dropout: float = 0.2  # share of values set to 0
    item_dropout: float = 0.0  # share of the items of a history that training hides from the network
    max_length: int = 64  # newest items of a history that the network looks at
    time_buckets: int = (
        0  # of how long ago an item was played, for attention, each twice the last; 0: no times
    )

    def __post_init__(self) -> None:
        _check_types(self)
        for name in ("width", "layers", "heads", "feed_factor", "max_length"):
            _check(name, getattr(self, name), lambda value: value >= 1, "at least 1")
        _check("time_buckets", self.time_buckets, lambda value: value >= 0, "at least 0")
        for name in ("dropout", "item_dropout"):
            _check(name, getattr(self, name), lambda value: 0 <= value < 1, "at least 0 and below 1")
        _check(
            "width", self.width, lambda value: value % self.heads == 0, f"a multiple of heads={self.heads}"
        )


@dataclass(frozen=True)
class TrainConfig:
    """How a network is trained; `network` is its shape."""

    network: NetworkConfig = field(default_factory=NetworkConfig)
    epochs: int = 16  # at most
    patience: int = 10  # epochs without a better validation NDCG@10 before training stops
    exact_epochs: int = 0  # that are trained, whatever validation says, the last one kept; 0: it decides
    batch_positions: int = 1024  # positions a step
    learning_rate: float = 1e-3  # highest, of matrices
    embedding_learning_rate: float = 1e-2  # highest, of embeddings, biases and norms: each is seldom moved
    schedule: str = "cosine"  # after the warm-up: "cosine" falls to 0 at the last epoch, or "constant"
    warmup_steps: int = 50
    weight_decay: float = 0.01  # of matrices
    max_gradient_norm: float = 1.0
    loss: str = "full"  # cross-entropy over the full catalogue, or one of LOSSES that samples
    negatives: int = 1024  # "sampled": shared by the positions of a step; "gbce": of each position its own
    half_life: float = 0.0  # days after which a play counts half as much in the loss; 0: all count alike
    content: float = 0.0  # largest norm of what an item's plays add to its content's embedding; 0: no content
    codes: bool = False  # items are the sums of their semantic ids' embeddings, with nothing of their own
    code_prefixes: bool = False  # with codes: an embedding for each beginning of an id, not for each code
    negative_power: float = 1.0  # "sampled" draws negatives as count ** power: 0 uniform, 1 by popularity
    mask_share: float = 0.3  # of the items of a history that BERT4Rec is trained to find
    calibration: float = 0.75  # "gbce" only: 0 is plain BCE, 1 undoes the bias of sampling
    precision: str = "float32"  # of matrix products; "bfloat16" is faster where the processor multiplies it
    validation_users: int = 10_000  # at most; a seeded sample of them above that
    seed: int = 0
    device: str = "auto"  # that trains: the CPU, or the GPU where PyTorch sees one and "cpu" is not asked for
    threads: int = 1  # of the CPU: more are faster on cores that nothing else uses, and slower on others
    processes: int = 1  # that share each batch, on this machine or, with torchrun's settings, on many

    def __post_init__(self) -> None:
        _check_types(self)
        counts = ("epochs", "patience", "batch_positions", "negatives", "validation_users")
        for name in (*counts, "threads", "processes"):
            _check(name, getattr(self, name), lambda value: value >= 1, "at least 1")
        for name in ("learning_rate", "embedding_learning_rate", "max_gradient_norm"):
            _check(name, getattr(self, name), lambda value: 0 < value < math.inf, "above 0")
        for name in (
            "exact_epochs",
            "warmup_steps",
            "weight_decay",
            "half_life",
            "content",
            "negative_power",
            "seed",
        ):
            _check(name, getattr(self, name), lambda value: 0 <= value < math.inf, "at least 0")
        _check("mask_share", self.mask_share, lambda value: 0 < value < 1, "above 0 and below 1")
        _check("calibration", self.calibration, lambda value: 0 <= value <= 1, "from 0 to 1")
        _check("precision", self.precision, PRECISIONS.__contains__, f"one of {', '.join(PRECISIONS)}")
        for name in ("codes", "code_prefixes"):
            _check(name, getattr(self, name), lambda value: type(value) is bool, "true or false")
        _check("loss", self.loss, LOSSES.__contains__, f"one of {', '.join(LOSSES)}")
        _check("device", self.device, DEVICES.__contains__, f"one of {', '.join(DEVICES)}")
        _check("schedule", self.schedule, SCHEDULES.__contains__, f"one of {', '.join(SCHEDULES)}")

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """The inverse of `to_dict`; fields left out keep their default. Raises ConfigError."""
        _check_names(cls, values)
        network = values.get("network", {})
        _check_names(NetworkConfig, network)
        return cls(**{**values, "network": NetworkConfig(**network)})

    def with_changes(self, **changes: Any) -> Self:
        """A copy with fields of the training or of the network changed, each by its plain name."""
        shape = {name: changes.pop(name) for name in list(changes) if name in _names(NetworkConfig)}
        _check_names(type(self), changes)
        return replace(self, **{"network": replace(self.network, **shape), **changes})


def _names(config: type) -> set[str]:
    return {f.name for f in fields(config)}


def _check_names(config: type, values: dict[str, Any]) -> None:
    unknown = sorted(set(values) - _names(config))
    if unknown:
        raise ConfigError(
            f"{config.__name__} has no setting {unknown[0]!r}; it has {', '.join(sorted(_names(config)))}."
        )


def _check(name: str, value: Any, allowed: Callable[[Any], bool], rule: str) -> None:
    if not allowed(value):
        raise ConfigError(f"{name}={value!r} is not allowed: it must be {rule}.")


def _check_types(config: Any) -> None:
    """Fields annotated int or float hold a number; NaN and infinities fall to the ranges."""
    for f in fields(config):
        value = getattr(config, f.name)
        if f.type is int:
            _check(f.name, value, lambda v: type(v) is int, "a whole number")
        elif f.type is float:
            _check(f.name, value, lambda v: type(v) in (int, float), "a number")


ENOUGH_POSITIONS = 45_000_000  # trained on in all: 20 minutes of one thread
FEW_EPOCHS = 10  # that are made of larger data even so
MOST_POSITIONS = 100_000_000  # but then, so that they take hours and not days
EPOCHS, FEWEST_EPOCHS = 30, 3
FULL_UP_TO = 4_096  # items; above, a sample of the catalogue stands for it
SPARSE, DENSE = 20.0, 100.0  # plays per item
SHORT, LONG = 8.0, 12.0  # plays per user
OWN_NORM = 5.0  # of what an item's plays add to its content
MOST_HIDDEN = 0.2  # of a long history's items


def defaults_for(
    n_items: int,
    n_interactions: int,
    long_history: int = 1,
    mean_history: float = 1.0,
    described: bool = False,
) -> TrainConfig:
    """Settings that follow from the data; `long_history` is the length that nine users of ten do not exceed.

    `described` says whether the catalogue knows more of the items than ids and titles.

    - Items are hidden where histories are long enough to do without: none where users have 8 plays or fewer
      on average, 0.2 of them where they have 12 or more.
    - Dropout falls from 0.5 where an item has 20 plays or fewer to 0.2 where it has 100 or more, and by
      half of the share of hidden items.
    - The loss is over the full catalogue up to 4,096 items, and above that over 1,024 items in each step.
    - A step takes about a two-hundredth of an epoch, with a sampled loss, whose steps cost more, a hundredth,
      within bounds: small data need steps, large data need speed.
    - Content is a part of the embeddings where it is known and an item has 20 plays or fewer on average.
    - Networks look at 64 items, or at as many as nine users of ten have, 256 at most.
    - There are 30 epochs, up to twice as many as more items are hidden; fewer, but 10, where that would be
      more than 45 million positions, and still fewer where it would be more than 100 million.

    Found on validation of part of Steam and of Amazon's games; see benchmarks/quality_notes.md.
    """
    density = _share_of_way(max(1, n_interactions) / max(1, n_items), SPARSE, DENSE)
    hidden = MOST_HIDDEN * _share_of_way(mean_history, SHORT, LONG)
    loss = "full" if n_items <= FULL_UP_TO else "sampled"
    batch = 2 ** round(math.log2(max(1, n_interactions) / (200 if loss == "full" else 100)))
    epochs = round(EPOCHS * (1 + hidden / MOST_HIDDEN))
    return TrainConfig(
        network=NetworkConfig(
            dropout=round(0.5 - 0.3 * density - hidden / 2, 2),
            item_dropout=round(hidden, 2),
            max_length=min(max(64, long_history), 256),
        ),
        loss=loss,
        content=OWN_NORM if described and density == 0 else 0.0,
        batch_positions=min(max(batch, 128), 2048),
        epochs=min(epochs, _affordable(max(1, n_interactions))),
    )


def _affordable(n_interactions: int) -> int:
    """Epochs over so many plays that a night has time for."""
    enough, most = ENOUGH_POSITIONS // n_interactions, MOST_POSITIONS // n_interactions
    return max(enough, min(FEW_EPOCHS, most), FEWEST_EPOCHS)


def _share_of_way(value: float, low: float, high: float) -> float:
    """0 at `low` or below, 1 at `high` or above, between them by the logarithm."""
    return math.log(min(max(value, low), high) / low) / math.log(high / low)
