"""RecTools' SASRec: its own data preparation, loss and training loop."""

import copy
from contextlib import suppress
from typing import Any

import numpy as np
import pandas as pd
import pytorch_lightning as lightning
import rectools
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
from rectools import Columns
from rectools.dataset import Dataset
from rectools.models import SASRecModel

from models.data import Sequences, Split

NEGATIVES, CALIBRATION = 32, 0.75  # of each position its own; of gBCE
LOSSES = {"full": "softmax", "sampled": "sampled_softmax", "binary": "gBCE"}


def dataset(train: Sequences) -> Dataset:
    """One row an interaction; the place in the flat array stands for its time."""
    rows = {
        Columns.User: np.repeat(np.arange(len(train)), train.lengths),
        Columns.Item: train.items,
        Columns.Weight: 1.0,
        Columns.Datetime: pd.Timestamp("2020-01-01") + pd.to_timedelta(np.arange(len(train.items)), unit="s"),
    }
    return Dataset.construct(pd.DataFrame(rows))


class Measured(Exception):  # noqa: N818
    """The speed has been measured long enough: no need to finish the epoch."""


class Watch(lightning.Callback):
    """Counts, validates, keeps the best, stops."""

    model: SASRecModel

    def __init__(self, course: Course) -> None:
        self.course, self.best = course, {}

    def __deepcopy__(self, memo: Any) -> "Watch":
        return self  # RecTools trains with a copy of its trainer

    def on_train_epoch_start(self, trainer: Any, module: Any) -> None:
        self.course.clock.start()

    def on_train_batch_end(self, trainer: Any, module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        if self.course.clock.step(int((batch["y"] != 0).sum())):
            raise Measured

    def on_train_epoch_end(self, trainer: Any, module: Any) -> None:
        if self.course.measuring:
            return
        if self.course.validate(scorer(module.torch_model, self.model, self.course.split.train.n_items)):
            self.best = copy.deepcopy(module.torch_model.state_dict())
        module.torch_model.train()
        trainer.should_stop |= self.course.over


def scorer(network: Any, model: SASRecModel, n_items: int) -> FunctionScorer:
    """Scores in the numbering of the split; items that never occur in training are scored -inf."""
    known = model.data_preparator.item_id_map.to_internal
    internal = np.zeros(n_items + 1, dtype=np.int64)
    for item, index in known.items():
        if isinstance(item, int | np.integer):
            internal[item] = index
    length = model.data_preparator.session_max_len

    def score(histories: list[NDArray[np.integer]]) -> NDArray[np.float32]:
        network.eval()
        kept = [found[found > 0] for found in (internal[h] for h in histories)]
        with torch.inference_mode():
            items = network.item_model.get_all_embeddings()
            batch = {"x": torch.from_numpy(left_padded(kept, length, 0))}
            states = network.encode_sessions(batch, items)[:, -1]  # [users, width]
            given = (states @ items.T).numpy()  # [users, their items]
        scores = given[:, internal]  # [users, n_items + 1]
        scores[:, internal == 0] = -np.inf
        return scores

    return FunctionScorer(score)


def fit(split: Split, settings: Settings, seed: int, course: Course) -> FunctionScorer | None:
    lightning.seed_everything(seed, verbose=False)
    watch = Watch(course)
    watch.model = model = SASRecModel(
        n_factors=settings.get("width", WIDTH), n_blocks=LAYERS, n_heads=HEADS, batch_size=BATCH_USERS,
        session_max_len=settings.get("length", LENGTH), dropout_rate=settings.get("dropout", DROPOUT),
        lr=RATE * settings.get("rate", 1.0), loss=LOSSES[settings.get("loss", "binary")],
        n_negatives=NEGATIVES, gbce_t=CALIBRATION, train_min_user_interactions=2,
    )  # fmt: skip
    model._trainer = lightning.Trainer(
        max_epochs=course.epochs, callbacks=[watch], logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, accelerator="cpu",
    )  # fmt: skip
    with suppress(Measured):
        model.fit(dataset(split.train))
    if course.measuring:
        return None
    network = model.lightning_model.torch_model
    network.load_state_dict(watch.best)
    return scorer(network, model, split.train.n_items)


if __name__ == "__main__":
    main(fit, {"rectools": rectools.VERSION, "torch": torch.__version__})
