"""Options of the networks on dated data: NDCG@10 on validation and on the plays after each cut.

    python -m benchmarks.options steam-dated sasrec '{"content": 0}' '{"content": 5}' '{"half_life": 90}'

Tables are those of `benchmarks.tomorrow`, made unless they are there. One line of JSON for each cut, set of
options and seed: of validation and of the test as judged and as served, there with the items apart that have
no play before the test (`cold`).
"""

import argparse
import json
import os
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from assets.training.bundling import TrainingData, train_network
from benchmarks.tomorrow import Case, open_case
from benchmarks.tomorrow_data import DATA_SETS
from models.config import TrainConfig
from models.evaluation.metrics import per_user, rank_targets
from models.networks import default_config
from models.training.scoring import NetworkScorer
from models.training.train import Trained
from pipelines.operator.environment import set_defaults


def trained(network: str, data: TrainingData, config: TrainConfig) -> tuple[Trained, NetworkScorer]:
    made = train_network(network, data, config)
    return made, NetworkScorer(made.network)


def measured(network: str, case: Case, changes: dict[str, Any], seed: int) -> dict[str, Any]:
    """NDCG@10 of one training as judged, and of one as served, with as many epochs as were best."""
    described = bool(case.data.items.attributes)
    config = default_config(network, case.data.split.train, described)
    config = replace(config, seed=seed, threads=1, device="cpu").with_changes(**changes)
    started = time.process_time()
    judged, scorer = trained(network, case.data, config)
    seconds = time.process_time() - started
    _, served = trained(network, case.known, config.with_changes(exact_epochs=judged.best_epoch))
    before, after = (per_user("ndcg@10", rank_targets(one, case.test)) for one in (scorer, served))
    cold = case.known.split.train.counts()[case.test.targets] == 0
    positions = sum(report.positions for report in judged.curve)
    figures = {
        "validation": judged.metrics["ndcg@10"],
        "judged": before.mean(),
        "served": after.mean(),
        "warm": after[~cold].mean(),
        "cold": after[cold].mean() if cold.any() else np.nan,
        "microseconds a position": 1e6 * seconds / positions,
    }
    return {name: round(float(value), 4) for name, value in figures.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("data", choices=DATA_SETS)
    parser.add_argument("network")
    parser.add_argument("options", nargs="+", type=json.loads, help="settings of training as JSON")
    parser.add_argument("--seeds", type=int, default=1)
    asked = parser.parse_args()
    set_defaults()
    bench = Path(os.environ["NEXTPLAY_HOME"]) / "bench" / "tomorrow"
    for cut in DATA_SETS[asked.data].cuts:
        case, _ = open_case(asked.data, DATA_SETS[asked.data], cut, bench)
        for seed in range(asked.seeds):
            for changes in asked.options:
                found = measured(asked.network, case, changes, seed)
                told = {"cut": cut.name, "seed": seed, "options": changes, **found}
                print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main()
