"""SASRec and BERT4Rec by what their papers differ in: losses, budgets and ways to measure.

    make study-bert4rec

Both networks with the loss of the 2018 SASRec paper and with cross-entropy over the catalogue, each with
budgets of 5 to 200 epochs, on the built-in sample, measured over the full catalogue and against 100 sampled
items. Results are kept in `.bench`: the study goes on from where it was stopped. Writes
docs/benchmarks/bert4rec.md and docs/pictures/bert4rec.svg; docs/bert4rec.md says what they mean.
"""

import argparse
import json
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pictures import draw
from splits import CACHE, ROOT, split_file

from models.data import Holdout, Split
from models.evaluation.metrics import per_user, rank_targets
from models.evaluation.stats import bootstrap_interval
from models.networks import default_config
from models.scorer import Scorer
from models.training.scoring import NetworkScorer
from models.training.train import train

REPORT = ROOT / "docs" / "benchmarks" / "bert4rec.md"
SAMPLED = 100  # items beside the target
BLOCK = 256
NETWORKS, LOSSES, BUDGETS = ("sasrec", "bert4rec"), ("bce", "full"), (5, 20, 200)  # epochs
MEASURES = ("full catalogue", "100 uniform", "100 by popularity")
TITLES = {"sasrec": "SASRec", "bert4rec": "BERT4Rec", "bce": "BCE, 1 negative", "full": "cross-entropy"}


@dataclass(frozen=True)
class Setting:
    network: str
    loss: str
    epochs: int

    @property
    def name(self) -> str:
        return f"{TITLES[self.network]}, {TITLES[self.loss]}, {self.epochs} epochs"


def sampled_ranks(
    scorer: Scorer, holdout: Holdout, weights: NDArray[np.float64], rng: np.random.Generator
) -> NDArray[np.int32]:
    """Rank of each target among itself and SAMPLED other unseen items, drawn by `weights` [n_items + 1].

    Ties count against the target. For this study alone: such ranks order models wrongly (Krichene and Rendle,
    KDD 2020).
    """
    ranks = np.zeros(len(holdout), dtype=np.int32)
    for start in range(0, len(holdout), BLOCK):
        users = range(start, min(start + BLOCK, len(holdout)))
        scores = scorer.score([holdout.histories.user(u) for u in users])  # [block, n_items + 1]
        for row, user in enumerate(users):
            free = weights.copy()
            free[holdout.histories.user(user)] = 0
            free[holdout.targets[user]] = 0
            drawn = rng.choice(len(free), size=SAMPLED, replace=False, p=free / free.sum())
            ranks[user] = 1 + (scores[row, drawn] >= scores[row, holdout.targets[user]]).sum()
    return ranks


def measured(scorer: Scorer, split: Split) -> dict[str, list[float]]:
    """NDCG@10 of each test user by each measure."""
    counts = split.train.counts().astype(np.float64)  # [n_items + 1]
    uniform = np.ones_like(counts)
    uniform[0] = counts[0] = 0
    rng = np.random.default_rng(0)
    ranks = {
        "full catalogue": rank_targets(scorer, split.test),
        "100 uniform": sampled_ranks(scorer, split.test, uniform, rng),
        "100 by popularity": sampled_ranks(scorer, split.test, np.maximum(counts, uniform), rng),
    }
    return {name: per_user("ndcg@10", found).tolist() for name, found in ranks.items()}


def result(setting: Setting, split: Split, threads: int) -> dict[str, list[float]]:
    """The per-user figures of one training; trained where they are missing."""
    folder = CACHE / "bert4rec"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{setting.network}-{setting.loss}-{setting.epochs}.json"
    if not path.exists():
        config = default_config(setting.network, split.train).with_changes(
            loss=setting.loss, epochs=setting.epochs, patience=setting.epochs, threads=threads
        )
        trained = train(setting.network, split, config)
        path.write_text(json.dumps(measured(NetworkScorer(trained.network), split)))
    found: dict[str, list[float]] = json.loads(path.read_text())
    print(setting.name, {m: round(float(np.mean(v)), 4) for m, v in found.items()}, flush=True)
    return found


def table(results: dict[Setting, dict[str, list[float]]]) -> Iterator[str]:
    yield "| network, loss, epochs | " + " | ".join(MEASURES) + " |"
    yield "|---|" + "---:|" * len(MEASURES)
    for setting, values in results.items():
        cells = []
        for measure in MEASURES:
            low, high = bootstrap_interval(np.array(values[measure]), seed=0)
            cells.append(f"{np.mean(values[measure]):.4f} ({low:.4f} to {high:.4f})")
        yield f"| {setting.name} | " + " | ".join(cells) + " |"


def differences(results: dict[Setting, dict[str, list[float]]]) -> Iterator[str]:
    """BERT4Rec minus SASRec for pairs of settings that one paper or another compared."""
    pairs = [
        (f"{TITLES[loss]}, {n} epochs, both", Setting("bert4rec", loss, n), Setting("sasrec", loss, n))
        for loss in LOSSES
        for n in BUDGETS
    ]
    pairs += [
        (
            f"as in 2019: cross-entropy against BCE, {n} epochs",
            Setting("bert4rec", "full", n),
            Setting("sasrec", "bce", n),
        )
        for n in BUDGETS[1:]
    ]
    yield "| compared | " + " | ".join(MEASURES) + " |"
    yield "|---|" + "---:|" * len(MEASURES)
    for name, bert, sas in pairs:
        cells = []
        for measure in MEASURES:
            difference = np.array(results[bert][measure]) - np.array(results[sas][measure])
            low, high = bootstrap_interval(difference, seed=0)
            cells.append(f"{difference.mean():+.4f} ({low:+.4f} to {high:+.4f})")
        yield f"| {name} | " + " | ".join(cells) + " |"


def main() -> None:
    from common import load_split

    parser = argparse.ArgumentParser()
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    split = load_split(split_file("sample"))
    settings = [Setting(n, loss, epochs) for loss in LOSSES for epochs in BUDGETS for n in NETWORKS]
    results = {setting: result(setting, split, options.threads) for setting in settings}
    text = "\n".join(
        [
            "# SASRec and BERT4Rec: the figures",
            "",
            f"`make study-bert4rec`: the built-in sample, {len(split.test):,} test users, "
            f"{split.train.n_items:,} "
            f"items, leave-one-out, seed 0, threads a training: {options.threads}; "
            "the best epoch by validation over the full catalogue. NDCG@10 with 95 % bootstrap intervals "
            "over users.",
            "",
            *table(results),
            "",
            "BERT4Rec minus SASRec, user by user:",
            "",
            *differences(results),
            "",
        ]
    )
    REPORT.write_text(text, encoding="utf-8")
    draw("bert4rec.svg")
    print(text)


if __name__ == "__main__":
    main()
