"""Where TIGER falls behind SASRec: what either says of the next item's code, level by level.

    python -m benchmarks.generative_levels tiger-ready-rqvae sasrec

Rows of the study on Amazon's beauty, trained unless they are there, on 2,000 test plays. A model gives each
item a probability, so it gives one to each beginning of a code, too: that of the items which begin so. Prints
for each row and level how often the target's code is the likeliest of those that could follow, and the mean
-log of its probability in nats: the tables of docs/generative.md.
"""

import argparse
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from assets.training.bundling import TrainingData
from benchmarks.generative import open_data, written
from benchmarks.generative_data import DATA_SETS
from benchmarks.generative_rows import ROWS, RQVAE_READY, ready
from models.bundle.bundle import PADDING
from models.networks.codes import beginnings
from models.scorer import Scorer
from pipelines.operator.environment import set_defaults

DATA, USERS = "beauty", 2_000
BLOCK = 256  # users scored at once


def likelihoods(
    scorer: Scorer, data: TrainingData, numbers: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Of each level: the share of test plays whose code is the likeliest, and the mean -log of its share.

    `numbers` [n_items + 1, levels] are those of the beginnings of each item's id, by their length. What the
    user has played is no answer.
    """
    test, levels = data.split.test, numbers.shape[1]
    asked = np.random.default_rng(0).permutation(len(test))[:USERS]
    first, surprise = np.zeros(levels), np.zeros(levels)
    for start in range(0, len(asked), BLOCK):
        users = asked[start : start + BLOCK]
        histories = [test.histories.user(user) for user in users]
        for scores, history, user in zip(scorer.score(histories), histories, users, strict=True):
            shares = np.exp(scores - scores[1:].max()).astype(np.float64)  # [n_items + 1]
            shares[[PADDING, *history]] = 0
            target, alike = test.targets[user], np.ones(len(shares), dtype=np.bool_)
            for level in range(levels):
                found = np.bincount(numbers[alike, level], shares[alike])
                own = max(found[numbers[target, level]], 1e-12)
                first[level] += own >= found.max()
                surprise[level] -= np.log(own / max(found.sum(), 1e-12))
                alike &= numbers[:, level] == numbers[target, level]
    return first / len(asked), surprise / len(asked)


def tables(rows: list[str], data: TrainingData, bench: Path) -> Iterator[str]:
    numbers = beginnings(torch.from_numpy(ready(RQVAE_READY)(data).astype(np.int64))).numpy()
    found = {}
    for name in rows:
        folder = written(ROWS[name], 0, data, bench / DATA / "models" / f"{name}-0")
        found[name] = likelihoods(ROWS[name].open(folder, data), data, numbers)
    names = " | ".join(f"code {n + 1}" for n in range(numbers.shape[1]))
    yield from [f"| the likeliest is right | {names} |", f"|---|{'---:|' * numbers.shape[1]}"]
    for name, (first, _) in found.items():
        yield f"| {ROWS[name].title} | {' | '.join(f'{v:.1%}' for v in first)} |"
    yield from ["", f"| nats | {names} | item |", f"|---|{'---:|' * (numbers.shape[1] + 1)}"]
    for name, (_, surprise) in found.items():
        values = [*surprise, surprise.sum()]
        yield f"| {ROWS[name].title} | {' | '.join(f'{v:.2f}' for v in values)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("rows", nargs="+", choices=ROWS)
    asked = parser.parse_args()
    set_defaults()
    bench = Path(os.environ["NEXTPLAY_HOME"]) / "bench" / "generative"
    for line in tables(asked.rows, open_data(DATA, DATA_SETS[DATA], bench), bench):
        print(line, flush=True)


if __name__ == "__main__":
    main()
