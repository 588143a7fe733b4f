"""Positions a second of training, ours and the peers' in turns, and how the cost grows with the catalogue.

    make bench-training

Every contender is a process and an environment of its own; rounds are interleaved, so that a ratio compares
what ran within the same minutes. Writes docs/benchmarks/training.md and docs/pictures/training-growth.svg.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from growth import growth_table, measure_growth
from pictures import draw
from splits import CACHE, ROOT, TITLES, split_file

REPORT = ROOT / "docs" / "benchmarks" / "training.md"
NOTES = Path(__file__).with_name("training_notes.md")  # what was tried, by hand
CONTENDERS = ROOT / "benchmarks" / "contenders"
SAME_BATCH, SAME_SLOTS = "ours, the peers' positions a step", "ours, the peers' slots a step"
OURS = (SAME_BATCH, SAME_SLOTS, "ours, default step")
FAST = "RecTools' fast network"
SCRIPTS = {
    **dict.fromkeys(OURS, "ours.py"),
    "RecTools": "rectools_sasrec.py",
    FAST: "rectools_fast.py",
    "RePlay": "replay_sasrec.py",
}
RECTOOLS, REPLAY = (ROOT / f".venv-{name}" / "bin" / "python" for name in ("rectools", "replay"))
PYTHONS = {
    **dict.fromkeys(OURS, Path(sys.executable)),
    "RecTools": RECTOOLS,
    FAST: RECTOOLS,
    "RePlay": REPLAY,
}
LOSSES = {
    "sampled": "1,024 shared negatives, RePlay's drawn uniformly, ours by popularity, so that fewer of them "
    "are distinct (RecTools, both networks: gBCE with 32 a position)",
    "full": "cross-entropy over the catalogue",
}
GOALS = {  # times the peer's positions a second
    ("amazon", "sampled"): {"RecTools": 20, "RePlay": 6},
    ("amazon", "full"): {"RePlay": 10},
    ("steam", "sampled"): {"RecTools": 12, "RePlay": 6},
    ("steam", "full"): {"RecTools": 12, "RePlay": 6},
}
WIDTH, LAYERS, LENGTH = 64, 2, 50
BATCH_USERS = 128  # of the peers


def run(who: str, data: str, loss: str, seconds: float) -> dict[str, Any]:
    """One contender's report, from a process of its own."""
    report = CACHE / f"speed-{SCRIPTS[who]}-{data}-{loss}.json"
    settings: dict[str, Any] = {"loss": loss}
    if SCRIPTS[who].startswith("rectools") and loss == "sampled":
        settings["loss"] = "binary"
    if who in (SAME_BATCH, SAME_SLOTS):
        settings["batch_positions"] = peers_batch(data) if who == SAME_BATCH else BATCH_USERS * LENGTH
    command = [str(PYTHONS[who]), SCRIPTS[who], str(split_file(data)), str(report)]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "GOMP_SPINCOUNT": "10000"}
    done = subprocess.run(
        [*command, "--settings", json.dumps(settings), "--seconds", str(seconds)],
        cwd=CONTENDERS, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        raise SystemExit(f"{who} on {data}, {loss}, failed:\n{done.stderr[-2000:]}")
    content: dict[str, Any] = json.loads(report.read_text())
    return content


def ceiling() -> float:
    """Float32 operations a second of a large matrix product on all cores."""
    import time

    a = torch.randn(2048, 2048)
    best = 0.0
    for _ in range(5):
        started = time.perf_counter()
        a @ a
        best = max(best, 2 * 2048**3 / (time.perf_counter() - started))
    return best


def operations(data: str, loss: str) -> float:
    """Operations a position of our network's matrix products, forward and backward."""
    return 6.0 * (LAYERS * 6 * WIDTH**2 + candidates(data, loss) * WIDTH)


def candidates(data: str, loss: str) -> float:
    """Items that a position is scored against: all, or the distinct ones expected among 1,024 drawn."""
    with np.load(split_file(data)) as arrays:
        plays = np.bincount(arrays["train.items"], minlength=arrays["n_items"] + 1)[1:]
    share = np.maximum(plays, 1) / np.maximum(plays, 1).sum()  # [n_items]
    return float((1 - (1 - share) ** 1024).sum()) if loss == "sampled" else len(plays)


def peers_batch(data: str) -> int:
    """Targets in a batch of the peers, on average: of users with two plays, the newest of each."""
    with np.load(split_file(data)) as arrays:
        targets = np.diff(arrays["train.offsets"]) - 1  # [users]
    return round(BATCH_USERS * np.minimum(targets[targets > 0], LENGTH).mean())


def rows(results: dict[tuple[str, str, str], list[dict[str, Any]]], peak: float) -> list[str]:
    lines = [
        "| data | loss | who | positions a second | ours over this: the peers' positions / the peers' slots "
        "/ default step | peak MiB | share of the ceiling |",
        "|---|---|---|---:|---:|---:|---:|",
    ]
    for (data, loss, who), reports in results.items():
        speeds = [report["positions a second"] for report in reports]
        mine = who in OURS
        ratio = "" if mine else " / ".join(f"{reached:.1f}" for reached in ratios(results, data, loss, who))
        share = f"{operations(data, loss) * median(speeds) / peak:.0%}" if mine else ""
        memory = max(report["peak MiB"] for report in reports)
        spread = f"{median(speeds):,.0f} ({min(speeds):,.0f} to {max(speeds):,.0f})"
        lines.append(f"| {TITLES[data]} | {loss} | {who} | {spread} | {ratio} | {memory:,.0f} | {share} |")
    return lines


def goals(results: dict[tuple[str, str, str], list[dict[str, Any]]]) -> list[str]:
    """What was aimed at, and what was reached with each of our steps."""
    lines = [
        "| data | loss | peer | goal | the peers' positions | the peers' slots | default step |",
        "|---|---|---|---:|---:|---:|---:|",
    ]
    for (data, loss), aims in GOALS.items():
        for peer, aim in aims.items():
            reached = [
                f"{ratio:.1f}" + ("" if ratio >= aim else " (missed)")
                for ratio in ratios(results, data, loss, peer)
            ]
            lines.append(f"| {TITLES[data]} | {loss} | {peer} | {aim} | {' | '.join(reached)} |")
    return lines


def ratios(
    results: dict[tuple[str, str, str], list[dict[str, Any]]], data: str, loss: str, peer: str
) -> list[float]:
    """Median over the rounds of how many times the peer's speed each of our steps has."""
    speeds = {
        who: [report["positions a second"] for report in results[data, loss, who]] for who in (*OURS, peer)
    }
    return [median(a / b for a, b in zip(speeds[who], speeds[peer], strict=True)) for who in OURS]


def page(
    results: dict[tuple[str, str, str], list[dict[str, Any]]], peak: float, growth: list[str], seconds: float
) -> str:
    versions = {name: v for reports in results.values() for name, v in reports[0]["versions"].items()}
    stated = ", ".join(f"{name} {v}" for name, v in sorted(versions.items()))
    return "\n".join(
        [
            "# Training speed",
            "",
            introduction(stated, peak, seconds),
            "",
            *rows(results, peak),
            "",
            "Beside the goals, in times the peer's speed:",
            "",
            *goals(results),
            "",
            "## How the cost grows",
            "",
            "Ours, on generated histories (Zipf items, 20 a user) over catalogues of three sizes.",
            "",
            *growth,
            "",
            "![Positions a second and memory by catalogue size](../pictures/training-growth.svg)",
            "",
            NOTES.read_text(encoding="utf-8"),
        ]
    )


def introduction(stated: str, peak: float, seconds: float) -> str:
    batches = ", ".join(f"{TITLES[data]} {peers_batch(data):,}" for data in ("amazon", "steam"))
    losses = "; ".join(f"*{name}*, {about}" for name, about in LOSSES.items())
    return (
        f"`make bench-training` on {os.cpu_count()} cores ({platform.machine()}), {stated}, seed 0. SASRec "
        "of width 64, 2 blocks, 2 heads, length 50; the inner width of the feed-forward net is the width, "
        f"but 4 times as much in {FAST}, which leaves no choice. That is the network of "
        "`rectools.fast_transformers`, in a plain loop, as it comes without one. The peers take batches of "
        f"{BATCH_USERS} users. Ours has three sizes of a step: as many positions as {BATCH_USERS} users have "
        f"on average, of each the newest {LENGTH} at most as the peers have it ({batches}), which compares "
        "like with like; as many as the peers' batch has places, "
        f"padding included ({BATCH_USERS * LENGTH:,}); and its default for the data. Positions are targets; "
        f"padding does not count. The median over rounds of {seconds:.0f} s, with the range, and the "
        f"median of the rounds' ratios. Losses: {losses}. The ceiling is a product of 2048 x 2048 float32 "
        f"matrices in the same run, {peak / 1e9:,.0f} billion operations a second."
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=10, help="of measuring, a run")
    options = parser.parse_args()
    CACHE.mkdir(exist_ok=True)
    results: dict[tuple[str, str, str], list[dict[str, Any]]] = defaultdict(list)
    for _ in range(options.rounds):
        for data in ("amazon", "steam"):
            for loss in LOSSES:
                for who in SCRIPTS:
                    result = run(who, data, loss, options.seconds)
                    results[data, loss, who].append(result)
                    print(f"{data} {loss} {who}: {result['positions a second']:,.0f} positions/s", flush=True)
    peak = ceiling()
    growth = measure_growth(CACHE, run_ours=lambda path, loss: _grown(path, loss, options.seconds))
    text = page(results, peak, growth_table(growth), options.seconds)
    REPORT.write_text(text, encoding="utf-8")
    draw("training-growth.svg")
    print(text)


def _grown(path: Path, loss: str, seconds: float) -> dict[str, Any]:
    report = path.with_suffix(".json")
    environment = os.environ | {"PYTHONPATH": str(ROOT), "GOMP_SPINCOUNT": "10000"}
    command = [sys.executable, "ours.py", str(path), str(report), "--seconds", str(seconds)]
    command += ["--settings", json.dumps({"loss": loss})]
    subprocess.run(command, cwd=CONTENDERS, env=environment, check=True, capture_output=True)
    content: dict[str, Any] = json.loads(report.read_text())
    return content


if __name__ == "__main__":
    main()
