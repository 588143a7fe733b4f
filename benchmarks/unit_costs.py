"""What one request and one trained position cost by the size of the catalogue, in CPU seconds of one core.

    python benchmarks/unit_costs.py

CPU seconds, not seconds on the clock: they hold on a machine that others use too. docs/scale.md computes with
them. Prints a table and writes docs/benchmarks/unit_costs.md.
"""

import os
import platform
import sys
import time
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from pathlib import Path

os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}

import numpy as np

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))
REPORT = ROOT / "docs" / "benchmarks" / "unit_costs.md"
SIZES = (10_000, 100_000, 1_000_000)
WIDTH, HISTORY, TOP = 64, 40, 10


def cpu_seconds(work: Callable[[], object], at_least: float = 0.5) -> float:
    """CPU seconds of one call, of as many as take `at_least`; the first is not counted."""
    work()
    calls, started = 0, time.process_time()
    while (used := time.process_time() - started) < at_least:
        work()
        calls += 1
    return used / calls


def scoring(n_items: int) -> float:
    """Scores of all items for one state, and the best of them: what a request does once it has a state."""
    rng = np.random.default_rng(0)
    items = rng.standard_normal((n_items, WIDTH), dtype=np.float32)  # [n_items, width]
    state = rng.standard_normal(WIDTH, dtype=np.float32)

    def score() -> object:
        return np.argpartition(items @ state, -TOP)[-TOP:]

    return cpu_seconds(score)


def encoding(every_position: bool) -> float:
    """The state after a history of 1 to 50 items, with SASRec in onnxruntime; the last block whole or not."""
    from models.config import NetworkConfig
    from models.networks.base import SequenceNetwork
    from models.networks.sasrec import SASRec
    from models.scorer import OnnxScorer
    from models.training.export import onnx_bytes

    network = SASRec(NetworkConfig(width=WIDTH), n_items=1_000).eval()
    if every_position:
        network.state = partial(SequenceNetwork.state, network)  # type: ignore[method-assign]
    items, bias = (p.detach().numpy() for p in (network.item_embeddings.weight, network.item_bias))
    scorer = OnnxScorer(onnx_bytes(network), items, bias, network.config.max_length, threads=1)
    rng = np.random.default_rng(0)
    histories = [rng.integers(1, 1_001, length) for length in rng.integers(1, 51, 500)]
    return cpu_seconds(lambda: [scorer.encode([history]) for history in histories], 2.0) / len(histories)


def position(name: str, n_items: int) -> float:
    """One position of training with the sampled loss, at the defaults for data of this shape."""
    from models.config import TrainConfig
    from models.data import Sequences, leave_one_out, plan_epoch
    from models.training.device import reproducible
    from models.training.train import Training

    rng = np.random.default_rng(0)
    users = [rng.integers(1, n_items + 1, HISTORY) for _ in range(500)]
    split = leave_one_out(Sequences.from_lists(users, n_items))
    config = TrainConfig().with_changes(loss="sampled", threads=1, batch_positions=2048)
    with reproducible(1):
        training = Training(name, split, config)
        training.network.train()
        batches = plan_epoch(split.train, config.network.max_length, config.batch_positions, 0, 1)
        batch = training.gather(batches[0], rng)
        n = int((batch.targets != 0).sum())
        return cpu_seconds(lambda: training.step(batch, 0.5), 1.0) / n


def main() -> None:
    lines = [
        "# What a request and a trained position cost",
        "",
        f"`python benchmarks/unit_costs.py`, {time.strftime('%Y-%m-%d')}. "
        f"Python {platform.python_version()}, "
        + ", ".join(f"{name} {version(name)}" for name in ("numpy", "torch"))
        + f"; {platform.machine()}, one thread, CPU time of one core. Width {WIDTH}; training at "
        "the defaults with 1,024 sampled negatives, 2,048 positions a step.",
        "",
        "| items | scoring a request | SASRec: positions a CPU second | GRU4Rec: positions a CPU second |",
        "|---:|---:|---:|---:|",
    ]
    for n_items in SIZES:
        sasrec, gru4rec = (1 / position(name, n_items) for name in ("sasrec", "gru4rec"))
        lines.append(f"| {n_items:,} | {scoring(n_items) * 1000:.2f} ms | {sasrec:,.0f} | {gru4rec:,.0f} |")
        print(lines[-1], flush=True)
    newest, every = (encoding(every_position) * 1e6 for every_position in (False, True))
    lines += [
        "",
        f"Encoding a history of 1 to 50 items, at random, with SASRec in onnxruntime: {newest:.0f} µs where "
        f"the last block computes the newest item alone, {every:.0f} µs where it computes every position.",
    ]
    REPORT.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
