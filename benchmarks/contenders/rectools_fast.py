"""RecTools' fast network (`rectools.fast_transformers`), in a plain loop.

The library gives the network, the sequences, the sampling of negatives and the losses, and no training
loop for them without embeddings of texts. So the loop is ours: batches are cut from one padded tensor;
the first weights and the optimizer are those of RecTools' own SASRec.
"""

import copy
from typing import Any

import numpy as np
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
from rectools.fast_transformers import FlatSASRecNet, UniSRecLightning, build_sequences
from rectools.fast_transformers.unisrec.model import _NegativeSampler
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from models.data import Sequences, Split

NEGATIVES, CALIBRATION = 32, 0.75  # of each position its own; of gBCE
LOSSES = {"full": "softmax", "sampled": "sampled_softmax", "binary": "gBCE"}


def sequences(train: Sequences) -> tuple[Tensor, ...]:
    """Users, items and times, a row an interaction; the place in the flat array stands for its time."""
    users = torch.from_numpy(np.repeat(np.arange(len(train)), train.lengths))
    return users, torch.from_numpy(train.items.astype(np.int64)), torch.arange(len(train.items))


class Loss:
    """One of the library's losses of a batch."""

    def __init__(self, name: str, net: FlatSASRecNet) -> None:
        self.net, self.name = net, LOSSES[name]
        self.losses = UniSRecLightning(net, [], self.name, NEGATIVES, CALIBRATION)
        self.draw = _NegativeSampler(net.n_items, NEGATIVES)

    def __call__(self, x: Tensor, y: Tensor) -> Tensor:
        batch = {"x": x, "y": y}
        if self.name == "softmax":
            logits = self.net(batch)  # [users, length, items], the first item at 0
            return cross_entropy(logits.flatten(0, 1), y.flatten() - 1, ignore_index=-1)
        logits = self.net(self.draw(batch))  # [users, length, 1 + negatives]
        loss = self.losses._gbce_loss if self.name == "gBCE" else self.losses._sampled_softmax_loss
        return loss(logits, y != 0)


def scorer(net: FlatSASRecNet, known: NDArray[np.int64], n_items: int) -> FunctionScorer:
    """Scores in the numbering of the split; items that never occur in training are scored -inf."""
    internal = np.zeros(n_items + 1, dtype=np.int64)
    internal[known] = np.arange(1, len(known) + 1)

    def score(histories: list[NDArray[np.integer]]) -> NDArray[np.float32]:
        net.eval()
        kept = [found[found > 0] for found in (internal[h] for h in histories)]
        with torch.inference_mode():
            x = torch.from_numpy(left_padded(kept, net.session_max_len, 0))
            given = (net.encode_last(x) @ net.all_item_embeddings().T).numpy()  # [users, known]
        scores = np.full((len(given), n_items + 1), -np.inf, dtype=np.float32)
        scores[:, known] = given
        return scores

    return FunctionScorer(score)


def fit(split: Split, settings: Settings, seed: int, course: Course) -> FunctionScorer | None:
    torch.manual_seed(seed)
    length = settings.get("length", LENGTH)
    x, y, known, _ = build_sequences(*sequences(split.train), max_len=length)
    net = FlatSASRecNet(
        len(known), settings.get("width", WIDTH), LAYERS, HEADS, length, settings.get("dropout", DROPOUT)
    )
    for weights in net.parameters():
        if weights.dim() > 1:
            nn.init.xavier_normal_(weights)  # as RecTools' own SASRec begins
    loss = Loss(settings.get("loss", "binary"), net)
    rate = RATE * settings.get("rate", 1.0)
    optimizer = torch.optim.Adam(net.parameters(), lr=rate, betas=(0.9, 0.98))
    best: dict[str, Any] = {}
    while not course.over:
        net.train()
        course.clock.start()
        for rows in torch.randperm(len(x)).split(BATCH_USERS):
            optimizer.zero_grad()
            loss(x[rows], y[rows]).backward()
            optimizer.step()
            if course.clock.step(int((y[rows] != 0).sum())):
                return None
        if not course.measuring and course.validate(scorer(net, known.numpy(), split.train.n_items)):
            best = copy.deepcopy(net.state_dict())
    net.load_state_dict(best)
    return scorer(net, known.numpy(), split.train.n_items)


if __name__ == "__main__":
    main(fit, {"rectools": rectools.VERSION, "torch": torch.__version__})
