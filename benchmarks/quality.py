"""NDCG@10 at convergence: ours, the peers and the baselines on the shared real data, paired user by user.

    make bench-quality

Each model trains until its validation NDCG@10 has not risen for some epochs. Results are kept in `.bench`,
one a data set, contender and seed: the bench goes on from where it was stopped. Writes
docs/benchmarks/quality.md.
"""

import argparse
import json
import os
import platform
import subprocess
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import numpy as np
from numpy.typing import NDArray
from splits import CACHE, ROOT, TITLES, split_file
from training import CONTENDERS, PYTHONS, SCRIPTS

from models.baselines import BASELINES
from models.baselines.base import NotApplicableError
from models.evaluation.metrics import per_user, rank_targets
from models.evaluation.stats import bootstrap_interval

REPORT = ROOT / "docs" / "benchmarks" / "quality.md"
NOTES = Path(__file__).with_name("quality_notes.md")  # what was tried, by hand
DATA = ("steam", "amazon5")
OURS = {"SASRec (ours)": {"network": "sasrec"}, "GRU4Rec (ours)": {"network": "gru4rec"}}
PEERS = {"SASRec (RecTools)": "RecTools", "SASRec (RePlay)": "RePlay"}
GOALS = {"steam": 0.235, "amazon5": 0.0745}


@dataclass(frozen=True)
class Training:
    """One training: of a contender, on a data set, from a seed."""

    data: str
    name: str
    seed: int

    @property
    def report(self) -> Path:
        key = self.name.lower().replace(" ", "-").replace("(", "").replace(")", "")
        return CACHE / "quality" / f"{self.data}-{key}-{self.seed}.json"

    def run(self, cores: Sequence[int], hours: float) -> None:
        """Train on these cores, a thread each."""
        who, threads = PEERS.get(self.name, "ours"), len(cores)
        settings = {**OURS[self.name], "threads": threads} if self.name in OURS else {}
        command = ["taskset", "-c", ",".join(map(str, cores)), str(PYTHONS[who]), SCRIPTS[who]]
        command += [str(split_file(self.data)), str(self.report), "--seed", str(self.seed)]
        command += ["--hours", str(hours), "--settings", json.dumps(settings)]
        environment = {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": str(threads), "GOMP_SPINCOUNT": "10000"}
        subprocess.run(command, cwd=CONTENDERS, env=os.environ | environment, check=True)


def trainings(seeds: int) -> Iterator[Training]:
    """All of the bench, those that take longest first."""
    for name in [*PEERS, *OURS]:
        for data in reversed(DATA):
            for seed in range(seeds if name in OURS else 1):
                yield Training(data, name, seed)


def train_missing(seeds: int, at_once: int, hours: float) -> None:
    """Everything that has no report yet, so many trainings at a time, each on its share of the cores."""
    CACHE.joinpath("quality").mkdir(parents=True, exist_ok=True)
    for data in DATA:
        split_file(data)
    lanes = SimpleQueue[list[int]]()
    for lane in range(at_once):
        lanes.put(list(range(lane, os.cpu_count() or 1, at_once)))

    def train(training: Training) -> None:
        cores = lanes.get()
        try:
            training.run(cores, hours)
            print(f"{training.data} {training.name} {training.seed}: done", flush=True)
        finally:
            lanes.put(cores)

    with ThreadPoolExecutor(at_once) as pool:
        list(pool.map(train, (training for training in trainings(seeds) if not training.report.exists())))


def gains(path: Path) -> NDArray[np.float64]:
    """NDCG@10 of each test user, [users]."""
    return per_user("ndcg@10", np.load(path.with_suffix(".npy")))


def baseline_gains(data: str) -> Iterator[tuple[str, NDArray[np.float64]]]:
    from common import load_split

    split = load_split(split_file(data))
    for name, baseline in BASELINES.items():
        try:
            fitted = baseline.fit(split.train, split.validation)
        except NotApplicableError as error:
            print(f"{data} {name}: left out, {error}")
            continue
        yield name, per_user("ndcg@10", rank_targets(fitted, split.test))


def seconds_to(curve: list[dict[str, float]], ndcg: float) -> float | None:
    """Training seconds after which validation NDCG@10 was first as high."""
    return next((point["seconds"] for point in curve if point["ndcg"] >= ndcg), None)


def section(data: str, seeds: int) -> Iterator[str]:
    reports: dict[str, list[dict[str, Any]]] = {}
    users: dict[str, NDArray[np.float64]] = {}
    for name in [*OURS, *PEERS]:
        paths = [Training(data, name, seed).report for seed in range(seeds if name in OURS else 1)]
        reports[name] = [json.loads(path.read_text()) for path in paths]
        users[name] = np.mean([gains(path) for path in paths], axis=0)  # over seeds, user by user
    users |= dict(baseline_gains(data))
    best = max(OURS, key=lambda name: users[name].mean())
    yield f"## {TITLES[data]}\n"
    yield f"Goal {GOALS[data]}; best of ours: {best}, {users[best].mean():.4f}.\n"
    yield "| model | test NDCG@10 | 95 % interval | seeds | best of ours minus this | paired 95 % interval |"
    yield "|---|---:|---:|---:|---:|---:|"
    for name in sorted(users, key=lambda name: -users[name].mean()):
        low, high = bootstrap_interval(users[name], seed=0)
        difference = users[best] - users[name]
        paired = bootstrap_interval(difference, seed=0) if name != best else None
        against = f"{difference.mean():.4f} | {paired[0]:.4f} to {paired[1]:.4f}" if paired else " | "
        n = len(reports.get(name, [0]))
        yield f"| {name} | {users[name].mean():.4f} | {low:.4f} to {high:.4f} | {n} | {against} |"
    yield ""
    yield from _times(reports, best)


def _times(reports: dict[str, list[dict[str, Any]]], best: str) -> Iterator[str]:
    """Training time to each peer's best validation NDCG@10, the peer's own and ours."""
    yield "| peer | its best validation NDCG@10 | seconds to it | ours to the same | share | at epoch |"
    yield "|---|---:|---:|---:|---:|---:|"
    for name in PEERS:
        curve = reports[name][0]["curve"]
        peak = max(point["ndcg"] for point in curve)
        epochs = f"{[point['ndcg'] for point in curve].index(peak) + 1} of {len(curve)}"
        theirs, ours = seconds_to(curve, peak), seconds_to(reports[best][0]["curve"], peak)
        share = f"{ours / theirs:.0%}" if ours and theirs else "not reached"
        yield f"| {name} | {peak:.4f} | {theirs:.0f} | {ours or float('nan'):.0f} | {share} | {epochs} |"
    yield ""


def versions(seeds: int) -> str:
    """The libraries of all trainings, as their reports name them."""
    found = [json.loads(training.report.read_text())["versions"] for training in trainings(seeds)]
    return ", ".join(sorted({f"{name} {version}" for report in found for name, version in report.items()}))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=3, help="of ours")
    parser.add_argument("--hours", type=float, default=2.0, help="of a training at most")
    parser.add_argument("--at-once", type=int, default=1, help="trainings that share the cores")
    options = parser.parse_args()
    train_missing(options.seeds, options.at_once, options.hours)
    lines = [
        "# Quality",
        "",
        f"`make bench-quality` on {os.cpu_count()} cores ({platform.machine()}). Leave-one-out, full "
        "catalogue, seen items left out, ties against the model. Ours at the defaults of this repository, "
        "the peers with width 64, 2 blocks, 2 heads, length 50, batches of 128 and otherwise their own "
        "defaults. A peer trains until its validation NDCG@10 has not risen for 10 epochs, ours for 5 and "
        f"30 epochs at most, none for more than {options.hours:g} h. Intervals are bootstraps over "
        f"users. {options.at_once} trainings at a time, each on its share of the cores; validation of at "
        "most 5,000 users, with seed 0 the same for all. Seeds from 0. "
        f"{versions(options.seeds)}.",
        "",
    ]
    for data in DATA:
        lines += section(data, options.seeds)
    text = "\n".join([*lines, NOTES.read_text(encoding="utf-8")])
    REPORT.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
