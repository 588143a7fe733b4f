"""RecTools' `recommend` of its SASRec, a user at a time: prints one sentence with latencies and CPU.

Histories of 1 to 50 of the items, at random; trained for one epoch, as the weights do not change the cost.
"""

import sys
import time
import warnings

import numpy as np
import pandas as pd
import rectools
import torch
from rectools import Columns
from rectools.dataset import Dataset
from rectools.models import SASRecModel

USERS, ASKED = 2_000, 300


def histories(n_items: int) -> pd.DataFrame:
    """One row an interaction; every item occurs."""
    rng = np.random.default_rng(0)
    lengths = rng.integers(1, 51, USERS)
    user = np.repeat(np.arange(USERS), lengths)
    item = np.append(np.arange(n_items), rng.integers(0, n_items, max(0, len(user) - n_items)))[: len(user)]
    times = pd.Timestamp("2020-01-01") + pd.to_timedelta(np.arange(len(user)), unit="s")
    return pd.DataFrame(
        {
            Columns.User: user,
            Columns.Item: rng.permutation(item),
            Columns.Weight: 1.0,
            Columns.Datetime: times,
        }
    )


def main(n_items: int) -> None:
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    dataset = Dataset.construct(histories(n_items))
    model = SASRecModel(
        n_factors=64,
        n_blocks=2,
        n_heads=2,
        session_max_len=64,
        epochs=1,
        loss="gBCE",
        n_negatives=32,
        verbose=0,
    )
    model.fit(dataset)
    taken, before = [], 0.0
    for number in range(20 + ASKED):
        if number == 20:  # the first ones do not count
            taken, before = [], time.process_time()
        started = time.perf_counter()
        model.recommend(users=[number], dataset=dataset, k=10, filter_viewed=True)
        taken.append(1000 * (time.perf_counter() - started))
    cpu = 1000 * (time.process_time() - before) / ASKED
    p50, p90, p99 = np.percentile(taken, (50, 90, 99))
    print(
        f"RecTools {rectools.__version__}, SASRec of the same shape, {n_items:,} items, `recommend` with one "
        f"user, in process, without HTTP, one thread: p50 {p50:.1f} ms, p90 {p90:.1f} ms, p99 {p99:.1f} ms, "
        f"CPU {cpu:.1f} ms a user."
    )


if __name__ == "__main__":
    main(int(sys.argv[1]))
