"""RePlay's SASRec network with its losses and length buckets, in a plain loop.

The loop is ours, and cheaper than RePlay's own over Parquet files: batches are cut from one padded tensor.
"""

import copy
from importlib.metadata import version
from typing import Any

import numpy as np
import torch
from common import (
    BATCH_USERS,
    DROPOUT,
    HEADS,
    LAYERS,
    LENGTH,
    RATE,
    WIDTH,
    Course,
    FunctionScorer,
    Settings,
    left_padded,
    main,
)
from numpy.typing import NDArray
from replay.data import FeatureHint, FeatureSource, FeatureType
from replay.data.nn import TensorFeatureInfo, TensorFeatureSource, TensorSchema
from replay.nn.lightning.optimizer import OptimizerFactory
from replay.nn.loss import CE, BCESampled, CESampled
from replay.nn.sequential import SasRec
from replay.nn.sequential.length_bucket import LengthBucketedQueryEncoder

from models.data import Sequences, Split

NEGATIVES, BUCKET = 1024, 16


def network(n_items: int, settings: Settings) -> SasRec:
    """Items are 0 .. n_items - 1 here, and n_items is padding."""
    width, length = settings.get("width", WIDTH), settings.get("length", LENGTH)
    schema = TensorSchema(
        [
            TensorFeatureInfo(
                "item_id", FeatureType.CATEGORICAL, is_seq=True, feature_hint=FeatureHint.ITEM_ID,
                feature_sources=[TensorFeatureSource(FeatureSource.INTERACTIONS, "item_id")],
                cardinality=n_items, padding_value=n_items, embedding_dim=width,
            )
        ]
    )  # fmt: skip
    model = SasRec.from_params(schema, width, HEADS, LAYERS, length, settings.get("dropout", DROPOUT))
    losses = {
        "full": lambda: CE(ignore_index=n_items),
        "sampled": lambda: CESampled(ignore_index=-100),
        "binary": BCESampled,
    }
    model.loss = losses[settings.get("loss", "sampled")]()
    model.loss.logits_callback = model.get_logits
    model.body.encoder = LengthBucketedQueryEncoder(model.body.encoder, BUCKET)
    return model


def padded_sequences(train: Sequences, length: int) -> torch.Tensor:
    """The newest `length` + 1 items of each user who has two, [users, length + 1]."""
    rows = [train.user(u) - 1 for u in np.flatnonzero(train.lengths > 1)]
    return torch.from_numpy(left_padded(rows, length + 1, train.n_items))


def step(model: SasRec, optimizer: Any, rows: torch.Tensor, padding: int) -> int:
    inputs, targets = rows[:, :-1], rows[:, 1:]  # [users, length]
    real = inputs != padding
    output = model(
        feature_tensors={"item_id": inputs},
        padding_mask=real,
        positive_labels=targets[:, :, None],
        negative_labels=torch.randint(0, padding, (NEGATIVES,)),
        target_padding_mask=real[:, :, None],
    )
    optimizer.zero_grad()
    output["loss"].backward()
    optimizer.step()
    return int(real.sum())


def scorer(model: SasRec, length: int, n_items: int) -> FunctionScorer:
    def score(histories: list[NDArray[np.integer]]) -> NDArray[np.float32]:
        model.eval()
        batch = torch.from_numpy(left_padded([h - 1 for h in histories], length, n_items))
        with torch.inference_mode():
            logits = model(feature_tensors={"item_id": batch}, padding_mask=batch != n_items)[
                "logits"
            ].numpy()
        return np.pad(logits, ((0, 0), (1, 0)), constant_values=-np.inf)  # [users, n_items + 1]

    return FunctionScorer(score)


def fit(split: Split, settings: Settings, seed: int, course: Course) -> FunctionScorer | None:
    torch.manual_seed(seed)
    n_items, length = split.train.n_items, settings.get("length", LENGTH)
    model = network(n_items, settings)
    rate = RATE * settings.get("rate", 1.0)
    optimizer = OptimizerFactory(learning_rate=rate).create(model.parameters())
    rows, best = padded_sequences(split.train, length), {}
    while not course.over:
        model.train()
        course.clock.start()
        for batch in torch.randperm(len(rows)).split(BATCH_USERS):
            if course.clock.step(step(model, optimizer, rows[batch], n_items)):
                return None
        if not course.measuring and course.validate(scorer(model, length, n_items)):
            best = copy.deepcopy(model.state_dict())
    model.load_state_dict(best)
    return scorer(model, length, n_items)


if __name__ == "__main__":
    main(fit, {"replay-rec": version("replay-rec"), "torch": torch.__version__})
