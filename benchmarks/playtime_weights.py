"""Do hours played, as weights of the targets, make a network better? On a finished home of Steam libraries.

    NEXTPLAY_HOME=... python -m benchmarks.playtime_weights sasrec --seeds 1

The loss of a target is weighted by the logarithm of its hours, 1 on average. One line of JSON for each seed,
with weights and without: NDCG@10 on validation and on test, and what the weights add there, by an interval
over the users. Hours are those of the whole time until the crawl.
"""

import argparse
import json
import os
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from assets.resources import Home
from assets.state.lake import Lake
from assets.training.bundling import TrainingData, load_training_data, train_network
from models.evaluation.metrics import per_user, rank_targets
from models.evaluation.stats import SEED, bootstrap_interval
from models.networks import default_config
from models.training.scoring import NetworkScorer


def hours(lake: Lake) -> NDArray[np.float64]:
    """Of each play of the training part, in its order."""
    with lake.connect("sequences", "items", "all_interactions") as connection:
        found = connection.execute(
            "SELECT playtime FROM sequences JOIN items USING (item_index) "
            "JOIN all_interactions USING (user_id, item_id) WHERE split = 'train' "
            "ORDER BY user_index, sequences.position"
        ).fetchnumpy()
    return np.asarray(found["playtime"], dtype=np.float64) / 60


def weighted(data: TrainingData, lake: Lake) -> TrainingData:
    """With ages that halve to the weights: so they go the way of `half_life`."""
    weights = np.log2(1 + hours(lake))
    ages = -np.log2(weights / weights.max()).astype(np.float32)
    if len(ages) != len(data.split.train.items):
        raise SystemExit("Not every play of training has hours: this needs libraries of Steam.")
    return replace(data, split=replace(data.split, ages=ages))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("network")
    parser.add_argument("--seeds", type=int, default=1)
    asked = parser.parse_args()
    lake = Home(path=os.environ["NEXTPLAY_HOME"]).lake()
    data = load_training_data(lake, "steam")
    known = weighted(data, lake)
    for seed in range(asked.seeds):
        values = {}
        for kind, of, half_life in (("without", data, 0.0), ("hours", known, 1.0)):
            config = default_config(asked.network, of.split.train, bool(of.items.attributes))
            config = config.with_changes(seed=seed, threads=1, device="cpu", half_life=half_life)
            trained = train_network(asked.network, of, config)
            ranks = rank_targets(NetworkScorer(trained.network), data.split.test)
            values[kind] = per_user("ndcg@10", ranks)
            told = {"seed": seed, "weights": kind, "validation": trained.metrics["ndcg@10"]}
            print(json.dumps(told | {"test": float(values[kind].mean())}), flush=True)
        gain = values["hours"] - values["without"]
        print(
            json.dumps({"seed": seed, "gain": gain.mean(), "interval": bootstrap_interval(gain, seed=SEED)})
        )


if __name__ == "__main__":
    main()
