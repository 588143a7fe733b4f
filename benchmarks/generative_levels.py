"""Where TIGER falls behind SASRec: what either says of the next item's code, level by level.

    python -m benchmarks.generative_levels tiger-ready-rqvae sasrec

Rows of the study on Amazon's beauty, trained unless they are there. A model gives each item a probability, so
it gives one to each beginning of a code, too: that of the items which begin so. Prints for each row and level
the mean -log of the probability of the target's code among those that could follow, in nats: a table of
docs/generative.md.
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

DATA, BLOCK = "beauty", 256  # users scored at once


def surprise(scorer: Scorer, data: TrainingData, numbers: NDArray[np.int64]) -> NDArray[np.float64]:
    """Mean over the test plays of -log of the probability of the target's code, [levels].

    `numbers` [n_items + 1, levels] are those of the beginnings of each item's id, by their length.
    """
    test, levels = data.split.test, numbers.shape[1]
    total = np.zeros(levels + 1)  # of whole beginnings; the empty one is certain
    for start in range(0, len(test), BLOCK):
        users = range(start, min(start + BLOCK, len(test)))
        scores = scorer.score([test.histories.user(user) for user in users]).astype(np.float64)
        scores[:, PADDING] = -np.inf
        shares = np.exp(scores - scores.max(axis=1, keepdims=True))
        shares /= shares.sum(axis=1, keepdims=True)  # [block, n_items + 1]
        for row, user in enumerate(users):
            alike = numbers[test.targets[user]] == numbers  # [n_items + 1, levels]
            alike[PADDING] = False
            total[1:] -= np.log(np.maximum(shares[row] @ alike, 1e-12))
    return np.diff(total) / len(test)


def table(rows: list[str], data: TrainingData, bench: Path) -> Iterator[str]:
    numbers = beginnings(torch.from_numpy(ready(RQVAE_READY)(data).astype(np.int64))).numpy()
    yield f"| | {' | '.join(f'code {n + 1}' for n in range(numbers.shape[1]))} | whole item |"
    yield f"|---|{'---:|' * (numbers.shape[1] + 1)}"
    for name in rows:
        folder = written(ROWS[name], 0, data, bench / DATA / "models" / f"{name}-0")
        found = surprise(ROWS[name].open(folder, data), data, numbers)
        yield f"| {ROWS[name].title} | {' | '.join(f'{v:.2f}' for v in found)} | {found.sum():.2f} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("rows", nargs="+", choices=ROWS)
    asked = parser.parse_args()
    set_defaults()
    bench = Path(os.environ["NEXTPLAY_HOME"]) / "bench" / "generative"
    for line in table(asked.rows, open_data(DATA, DATA_SETS[DATA], bench), bench):
        print(line, flush=True)


if __name__ == "__main__":
    main()
