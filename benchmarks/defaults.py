"""The rule that SASRec's settings follow from data, put to the test: one change at a time, on many data sets.

    python -m benchmarks.defaults                  goes on where it was stopped
    python -m benchmarks.defaults --data beauty

The rule was found on two data sets. Here each of its choices is made another way on all of them, one seed
each. For each data set the change is taken that gains most on validation of *the others*, and shown on the
test of that one: what somebody gains by it who comes with other data. Every result is a line of
`benchmarks/defaults.jsonl`. Writes docs/benchmarks/defaults.md, complete or not.
"""

import argparse
import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from assets.training.bundling import TrainingData, write_candidate
from benchmarks import records
from benchmarks.contenders.common import packed
from benchmarks.generative import open_data
from benchmarks.generative_data import DATA_SETS as STUDIED
from benchmarks.generative_data import DataSet
from benchmarks.tomorrow import compressed
from models.bundle.bundle import read_manifest
from models.config import EPOCHS, OWN_NORM, TrainConfig
from models.evaluation.metrics import rank_targets
from models.networks import default_config
from models.opening import open_scorer
from pipelines.operator.environment import set_defaults

RESULTS = Path(__file__).with_name("defaults.jsonl")
RULE = "rule"
SAMPLES = {
    "sample": DataSet("The sample", "", {"source": "sample"}),
    "sample-dated": DataSet("The dated sample", "", {"source": "sample-dated"}),
}
DATA_SETS = {name: data for name, data in STUDIED.items() if name != "beauty-cold"} | SAMPLES
Changes = dict[str, Any]


def _dropout(by: float) -> Callable[[TrainConfig], Changes]:
    return lambda rule: {"dropout": round(float(np.clip(rule.network.dropout + by, 0.05, 0.65)), 2)}


def _rate(by: float) -> Callable[[TrainConfig], Changes]:
    return lambda rule: {"embedding_learning_rate": by * rule.embedding_learning_rate}


def _none_hidden(rule: TrainConfig) -> Changes:
    """As the rule has it for short histories."""
    hidden = rule.network.item_dropout
    kept = {"item_dropout": 0.0, "dropout": round(rule.network.dropout + hidden / 2, 2)}
    return kept | {"epochs": min(rule.epochs, EPOCHS)} if hidden else {}


VARIANTS: dict[str, Callable[[TrainConfig], Changes]] = {
    RULE: lambda rule: {},
    "dropout 0.15 lower": _dropout(-0.15),
    "dropout 0.15 higher": _dropout(0.15),
    "no items hidden": _none_hidden,
    "content where the rule has none, none where it has": lambda rule: {
        "content": 0.0 if rule.content else OWN_NORM
    },
    "embeddings at half the rate": _rate(0.5),
    "embeddings at twice the rate": _rate(2.0),
    "LiGR's blocks": lambda rule: {"architecture": "ligr"},
    "128 wide": lambda rule: {"width": 128},
}


def config_of(variant: str, data: TrainingData) -> tuple[str, TrainConfig]:
    """The network and its settings on these data."""
    described = bool(data.items.attributes)
    rule = default_config("sasrec", data.split.train, described)
    changes = VARIANTS[variant](rule)
    if not described:
        changes.pop("content", None)
    architecture = changes.pop("architecture", "sasrec")
    return architecture, rule.with_changes(threads=1, device="cpu", **changes)


def measured(architecture: str, config: TrainConfig, data: TrainingData) -> Mapping[str, Any]:
    """Trained as a night does it: what validation says, and the ranks of the test plays."""
    with tempfile.TemporaryDirectory() as folder:
        write_candidate(Path(folder), architecture, data, config)
        ranks = rank_targets(open_scorer(Path(folder)), data.split.test)
        validation = read_manifest(Path(folder)).metrics["ndcg@10"]
    return {"validation": round(validation, 5), "ranks": packed(np.minimum(ranks, 11))}


def run(name: str, bench: Path) -> None:
    """All that is missing of one data set."""
    data = open_data(name, DATA_SETS[name], bench)
    line = {"data": name, "made": data.fingerprint[:16]}
    done = {(r["data"], r["made"], r["variant"]) for r in records.read(RESULTS)}
    rule = config_of(RULE, data)
    for variant in VARIANTS:
        wanted, asked = config_of(variant, data), line | {"variant": variant}
        if tuple(asked.values()) in done:
            continue
        print(f"{name}: {variant}", flush=True)
        if variant != RULE and wanted == rule:
            records.append(RESULTS, asked | {"as": RULE})
            continue
        people = {"people": compressed(data.split.test.users.astype(np.int32))} if variant == RULE else {}
        records.append(RESULTS, asked | dict(measured(*wanted, data)) | people)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", default="", choices=["", *DATA_SETS], help="all by default")
    parser.add_argument("--page", action="store_true", help="measure nothing, write the page")
    options = parser.parse_args()
    set_defaults()
    bench = Path(os.environ["NEXTPLAY_HOME"]) / "bench" / "generative"
    if not options.page:
        for name in [options.data] if options.data else DATA_SETS:
            run(name, bench)
    from benchmarks import defaults_page

    defaults_page.write(records.read(RESULTS))


if __name__ == "__main__":
    main()
