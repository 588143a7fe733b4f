"""RePlay's SASRec network with its sampled or full cross-entropy and length buckets, in a plain loop.

The loop is ours, and cheaper than RePlay's own over Parquet files: batches are cut from one padded tensor.
"""

import copy
from importlib.metadata import version
from typing import Any

import numpy as np
import torch
from common import (
    BATCH_USERS,
    HEADS,
    LAYERS,
    LENGTH,
    WIDTH,
    Clock,
    Course,
    FunctionScorer,
    arguments,
    left_padded,
    load_split,
    report,
)
from numpy.typing import NDArray
from replay.data import FeatureHint, FeatureSource, FeatureType
from replay.data.nn import TensorFeatureInfo, TensorFeatureSource, TensorSchema
from replay.nn.lightning.optimizer import OptimizerFactory
from replay.nn.loss import CE, CESampled
from replay.nn.sequential import SasRec
from replay.nn.sequential.length_bucket import LengthBucketedQueryEncoder

from models.data import Sequences
from models.evaluation.metrics import rank_targets

NEGATIVES, BUCKET = 1024, 16


def network(n_items: int, loss: str, dropout: float) -> SasRec:
    """Items are 0 .. n_items - 1 here, and n_items is padding."""
    schema = TensorSchema(
        [
            TensorFeatureInfo(
                "item_id", FeatureType.CATEGORICAL, is_seq=True, feature_hint=FeatureHint.ITEM_ID,
                feature_sources=[TensorFeatureSource(FeatureSource.INTERACTIONS, "item_id")],
                cardinality=n_items, padding_value=n_items, embedding_dim=WIDTH,
            )
        ]
    )  # fmt: skip
    model = SasRec.from_params(schema, WIDTH, HEADS, LAYERS, LENGTH, dropout)
    model.loss = CE(ignore_index=n_items) if loss == "full" else CESampled(ignore_index=-100)
    model.loss.logits_callback = model.get_logits
    model.body.encoder = LengthBucketedQueryEncoder(model.body.encoder, BUCKET)
    return model


def padded_sequences(train: Sequences) -> torch.Tensor:
    """The newest LENGTH + 1 items of each user who has two, [users, LENGTH + 1]."""
    rows = [train.user(u) - 1 for u in np.flatnonzero(train.lengths > 1)]
    return torch.from_numpy(left_padded(rows, LENGTH + 1, train.n_items))


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


def scorer(model: SasRec, n_items: int) -> FunctionScorer:
    def score(histories: list[NDArray[np.integer]]) -> NDArray[np.float32]:
        model.eval()
        batch = torch.from_numpy(left_padded([h - 1 for h in histories], LENGTH, n_items))
        with torch.inference_mode():
            logits = model(feature_tensors={"item_id": batch}, padding_mask=batch != n_items)[
                "logits"
            ].numpy()
        return np.pad(logits, ((0, 0), (1, 0)), constant_values=-np.inf)  # [users, n_items + 1]

    return FunctionScorer(score)


def main() -> None:
    options = arguments()
    split = load_split(options.data)
    torch.manual_seed(options.seed)
    n_items = split.train.n_items
    clock = Clock(options.seconds)
    course = None if options.seconds else Course(split, options.patience, clock, options.hours * 3600)
    model = network(n_items, options.loss, options.settings.get("dropout", 0.3))
    optimizer = OptimizerFactory().create(model.parameters())
    rows, best, over = padded_sequences(split.train), {}, False
    for _ in range(options.epochs):
        model.train()
        clock.start()
        for batch in torch.randperm(len(rows)).split(BATCH_USERS):
            over = clock.step(step(model, optimizer, rows[batch], n_items))
            if over:
                break
        if course:
            if course.validate(scorer(model, n_items)):
                best = copy.deepcopy(model.state_dict())
            over = course.over
        if over:
            break
    ranks = None
    if course:
        model.load_state_dict(best)
        ranks = rank_targets(scorer(model, n_items), split.test)
    report(
        options.report,
        clock,
        {"replay-rec": version("replay-rec"), "torch": torch.__version__},
        course,
        ranks,
    )


if __name__ == "__main__":
    main()
