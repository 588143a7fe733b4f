"""What TIGER's beam search leaves out of its exact ten best items, and what either costs.

    python -m benchmarks.generative_beam

The bundle is that of the study's row `tiger-ready-rqvae` on Amazon's beauty, trained unless it is there.
Prints the table of docs/generative.md.
"""

import os
import time
from pathlib import Path

import numpy as np

from benchmarks.generative import open_data, written
from benchmarks.generative_data import DATA_SETS
from benchmarks.generative_rows import ROWS
from models.bundle.bundle import PADDING
from models.codes.scorer import TigerScorer
from pipelines.operator.environment import set_defaults

DATA, ROW = "beauty", "tiger-ready-rqvae"
USERS, LISTED = 300, 10
BEAMS = (10, 20, 50, 100, 200)  # beginnings


def main() -> None:
    set_defaults()
    bench = Path(os.environ["NEXTPLAY_HOME"]) / "bench" / "generative"
    tables = open_data(DATA, DATA_SETS[DATA], bench)
    scorer = TigerScorer.load(written(ROWS[ROW], 0, tables, bench / DATA / "models" / f"{ROW}-0"))
    test = tables.split.test
    users = np.random.default_rng(0).permutation(len(test))[:USERS]
    histories = [test.histories.user(user) for user in users]
    states = scorer.encode(histories)  # [users, width]
    allowed = np.ones((USERS, test.histories.n_items + 1), dtype=np.bool_)
    allowed[:, PADDING] = False
    for row, history in zip(allowed, histories, strict=True):
        row[history] = False
    before = time.process_time()
    scores = scorer.decoder.score(states)
    exact_ms = (time.process_time() - before) / USERS * 1e3
    best = np.argsort(-np.where(allowed, scores, -np.inf), axis=1)[:, :LISTED]
    print("| beginnings kept | of the exact ten | of the exact first | ms of CPU |\n|---|---:|---:|---:|")
    for beam in BEAMS:
        before = time.process_time()
        found = [
            scorer.decoder.best(state, LISTED, beam, free)
            for state, free in zip(states, allowed, strict=True)
        ]
        ms = (time.process_time() - before) / USERS * 1e3
        shared = np.mean(
            [len({*exact} & {*items}) / LISTED for exact, (items, _) in zip(best, found, strict=True)]
        )
        first = np.mean([exact[0] == items[0] for exact, (items, _) in zip(best, found, strict=True)])
        print(f"| {beam} | {shared:.1%} | {first:.1%} | {ms:.2f} |")
    print(f"| all, exactly | 100% | 100% | {exact_ms:.2f} |")


if __name__ == "__main__":
    main()
