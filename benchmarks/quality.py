"""NDCG@10 at convergence: ours, the peers and the baselines on the shared real data, paired user by user.

    make bench-quality

Each model trains until its validation NDCG@10 has not risen for some epochs. Results are kept in `.bench`,
one a data set, contender and seed, with what they were made by: the bench goes on from where it was stopped,
and trains again where code, data or settings have changed. Writes docs/benchmarks/quality.md.
"""

import argparse
import hashlib
import json
import os
import platform
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import numpy as np
from numpy.typing import NDArray
from splits import CACHE, ROOT, TITLES, split_file
from training import CONTENDERS, PYTHONS, SCRIPTS

from models.baselines import BASELINES
from models.baselines.base import NotApplicableError
from models.bundle.code import reached_files
from models.evaluation.metrics import per_user, rank_targets
from models.evaluation.stats import bootstrap_interval

REPORT = ROOT / "docs" / "benchmarks" / "quality.md"
NOTES = Path(__file__).with_name("quality_notes.md")  # what was tried, by hand
DATA = ("steam", "amazon5")
GOALS = {"steam": 0.235, "amazon5": 0.0745}
Reports = Mapping[str, Sequence[Mapping[str, Any]]]  # of each contender, a report a seed


@dataclass(frozen=True)
class Contender:
    """A model as it is trained: whose, with what, from how many seeds, on which data."""

    who: str
    arguments: tuple[str, ...]
    seeds: int
    data: tuple[str, ...] = DATA


OURS = {
    "SASRec (ours)": Contender("ours", ("--settings", '{"network": "sasrec"}'), 3),
    "GRU4Rec (ours)": Contender("ours", ("--settings", '{"network": "gru4rec"}'), 3),
}
PEERS = {  # the full loss would take them days on Amazon's games
    "SASRec (RePlay, full loss)": Contender("RePlay", ("--loss", "full"), 1, ("steam",)),
    "SASRec (RePlay, sampled loss)": Contender("RePlay", ("--loss", "sampled"), 2),
    "SASRec (RecTools, full loss)": Contender("RecTools", ("--loss", "full"), 1, ("steam",)),
    "SASRec (RecTools, sampled loss)": Contender("RecTools", ("--loss", "sampled"), 1, ("amazon5",)),
}
CONTENDERS_BY_NAME = OURS | PEERS


@dataclass(frozen=True)
class Training:
    """One training: of a contender, on a data set, from a seed, so many at a time."""

    data: str
    name: str
    seed: int
    at_once: int
    hours: float

    @property
    def contender(self) -> Contender:
        return CONTENDERS_BY_NAME[self.name]

    @cached_property
    def made_by(self) -> str:
        """Changes with whatever could change the result."""
        who = self.contender.who
        scripts = [CONTENDERS / name for name in ("common.py", SCRIPTS[who])]
        code = reached_files("models.training" if who == "ours" else "models.evaluation.metrics")
        made_by = hashlib.sha256(f"{self.contender.arguments} {self.at_once} {self.hours}".encode())
        for path in (*scripts, split_file(self.data), ROOT / "constraints.txt", *code):
            made_by.update(path.read_bytes())
        return made_by.hexdigest()[:8]

    @property
    def report(self) -> Path:
        key = "".join(c for c in self.name.lower().replace(" ", "-") if c.isalnum() or c == "-")
        return CACHE / "quality" / f"{self.data}-{key}-{self.seed}-{self.made_by}.json"

    def run(self, cores: Sequence[int]) -> None:
        """Train on these cores: peers with a thread each, ours with as many threads as `make run` has."""
        who = self.contender.who
        command = ["taskset", "-c", ",".join(map(str, cores)), str(PYTHONS[who]), SCRIPTS[who]]
        command += [str(split_file(self.data)), str(self.report), "--seed", str(self.seed)]
        command += ["--hours", str(self.hours), *self.contender.arguments]
        threads = {"OMP_NUM_THREADS": str(len(cores)), "GOMP_SPINCOUNT": "10000"}
        environment = os.environ | {"PYTHONPATH": str(ROOT)} | threads
        subprocess.run(command, cwd=CONTENDERS, env=environment, check=True)


@dataclass(frozen=True)
class Plan:
    """Which trainings there are: the first seed alone on all cores, so that times compare; others share."""

    at_once: int  # but for the first seed
    hours: float

    def of(self, data: str, name: str) -> list[Training]:
        seeds = range(CONTENDERS_BY_NAME[name].seeds)
        return [Training(data, name, seed, self.at_once if seed else 1, self.hours) for seed in seeds]

    def contenders(self, data: str) -> list[str]:
        return [name for name, contender in CONTENDERS_BY_NAME.items() if data in contender.data]

    def trainings(self) -> list[Training]:
        return [t for data in DATA for name in self.contenders(data) for t in self.of(data, name)]


def train_missing(plan: Plan) -> None:
    """Everything that has no report yet."""
    CACHE.joinpath("quality").mkdir(parents=True, exist_ok=True)
    missing = [training for training in plan.trainings() if not training.report.exists()]
    train([training for training in missing if training.at_once == 1], at_once=1)
    train([training for training in missing if training.at_once > 1], plan.at_once)


def train(trainings: Sequence[Training], at_once: int) -> None:
    """So many at a time, each on its share of the cores."""
    lanes = SimpleQueue[list[int]]()
    for lane in range(at_once):
        lanes.put(list(range(lane, os.cpu_count() or 1, at_once)))

    def train_one(training: Training) -> None:
        cores = lanes.get()
        try:
            training.run(cores)
            print(f"{training.data} {training.name} {training.seed}: done", flush=True)
        finally:
            lanes.put(cores)

    with ThreadPoolExecutor(at_once) as pool:
        list(pool.map(train_one, trainings))


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


def section(data: str, plan: Plan) -> Iterator[str]:
    reports: dict[str, list[dict[str, Any]]] = {}
    seeds: dict[str, list[NDArray[np.float64]]] = {}  # gains of each user, of each seed
    for name in plan.contenders(data):
        paths = [training.report for training in plan.of(data, name)]
        reports[name] = [json.loads(path.read_text()) for path in paths]
        seeds[name] = [gains(path) for path in paths]
    seeds |= {name: [found] for name, found in baseline_gains(data)}
    users = {name: np.mean(found, axis=0) for name, found in seeds.items()}  # over seeds, user by user
    best = max(OURS, key=lambda name: np.mean([validation(report) for report in reports[name]]))
    yield f"## {TITLES[data]}\n"
    yield f"Goal {GOALS[data]}; best of ours on validation: {best}, on test {users[best].mean():.4f}.\n"
    yield "| model | test NDCG@10 | 95 % interval | of each seed | best of ours minus this | its interval |"
    yield "|---|---:|---:|---:|---:|---:|"
    for name in sorted(users, key=lambda name: -users[name].mean()):
        low, high = bootstrap_interval(users[name], seed=0)
        difference = users[best] - users[name]
        paired = bootstrap_interval(difference, seed=0) if name != best else None
        against = f"{difference.mean():.4f} | {paired[0]:.4f} to {paired[1]:.4f}" if paired else " | "
        each = ", ".join(f"{found.mean():.4f}" for found in seeds[name]) if name in reports else ""
        yield f"| {name} | {users[name].mean():.4f} | {low:.4f} to {high:.4f} | {each} | {against} |"
    yield ""
    yield from times(reports)


def validation(report: Mapping[str, Any]) -> float:
    """The best validation NDCG@10 of a training."""
    return float(max(point["ndcg"] for point in report["curve"]))


def times(reports: Reports) -> Iterator[str]:
    """Training time to each peer's best validation NDCG@10, the peer's own and ours, first seeds."""
    yield f"| peer | its best validation NDCG@10 | at epoch | seconds to it | {' | '.join(OURS)} |"
    yield f"|---|---:|---:|---:|{'---:|' * len(OURS)}"
    for name in [name for name in PEERS if name in reports]:
        curve, peak = reports[name][0]["curve"], validation(reports[name][0])
        epochs = f"{[point['ndcg'] for point in curve].index(peak) + 1} of {len(curve)}"
        theirs = seconds_to(curve, peak) or float("nan")
        ours = [seconds_to(reports[mine][0]["curve"], peak) for mine in OURS]
        told = [f"{seconds:.0f} ({seconds / theirs:.0%})" if seconds else "not reached" for seconds in ours]
        yield f"| {name} | {peak:.4f} | {epochs} | {theirs:.0f} | {' | '.join(told)} |"
    yield ""


def versions(plan: Plan) -> str:
    """The libraries of all trainings, as their reports name them."""
    found = [json.loads(training.report.read_text())["versions"] for training in plan.trainings()]
    return ", ".join(sorted({f"{name} {version}" for report in found for name, version in report.items()}))


def introduction(plan: Plan) -> str:
    return (
        f"`make bench-quality` on {os.cpu_count()} cores ({platform.machine()}). Leave-one-out, full "
        "catalogue, seen items left out, ties against the model. Ours at the defaults of this repository, "
        "found on validation of these two data sets; they look at 64 items or more and take every play as a "
        "target. The peers with width 64, 2 blocks, 2 heads, batches of 128 users, the newest 50 items as "
        "input and as targets, and otherwise their libraries' defaults, untuned. Losses: ours by our rule, "
        "full on part of Steam and sampled on Amazon's games; the peers' full on part of Steam, RePlay's "
        "sampled too, and sampled (RePlay 1,024 shared negatives, RecTools gBCE with 32 a position) on "
        "Amazon's games, where their full loss would take days. Each trains until its validation NDCG@10 "
        "has not risen for 10 epochs, ours for at most 60 on part of Steam and 30 on Amazon's games, a peer "
        f"for {plan.hours:g} h. Validation is of at most 5,000 users, with the first seed the same for all. "
        f"Seeds from 0; the first trains alone on all cores, the others {plan.at_once} at a time, each on "
        "its share. With several seeds a user's NDCG@10 is the mean over them; intervals are bootstraps "
        "over users, so they say nothing of other seeds: for that, look at the figures of each. "
        f"{versions(plan)}."
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--hours", type=float, default=2.0, help="of a peer's training at most")
    parser.add_argument("--at-once", type=int, default=os.cpu_count() or 1, help="but for the first seed")
    plan = Plan(**vars(parser.parse_args()))
    train_missing(plan)
    lines = ["# Quality", "", introduction(plan), ""]
    for data in DATA:
        lines += section(data, plan)
    text = "\n".join([*lines, NOTES.read_text(encoding="utf-8")])
    REPORT.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
