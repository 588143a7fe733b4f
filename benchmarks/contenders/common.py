"""What every contender's process shares: the data, the clock, the ranks and the report.

Each contender trains in a process and an environment of its own. NumPy alone is needed here, so that the
environments of other libraries can run it; ranks come from `models.evaluation.metrics` for all.
"""

import argparse
import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.data import Holdout, Sequences, Split
from models.evaluation.metrics import per_user, rank_targets
from models.scorer import Scorer

WIDTH, LAYERS, HEADS, LENGTH, BATCH_USERS = 64, 2, 2, 50, 128
WARM_UP_STEPS = 5
VALIDATION_USERS = 5_000  # at most, the same for all
PARTS = ("validation", "test")


def save_split(path: Path, split: Split) -> None:
    """A split as one .npz file of plain arrays."""
    arrays: dict[str, Any] = {"n_items": np.array(split.train.n_items)}
    arrays |= {"train.items": split.train.items, "train.offsets": split.train.offsets}
    for name in PARTS:
        part: Holdout = getattr(split, name)
        arrays |= {f"{name}.users": part.users, f"{name}.targets": part.targets}
        arrays |= {f"{name}.items": part.histories.items, f"{name}.offsets": part.histories.offsets}
    np.savez(path, **arrays)


def load_split(path: Path) -> Split:
    """The inverse of `save_split`."""
    with np.load(path) as arrays:
        n_items = int(arrays["n_items"])
        train = Sequences(arrays["train.items"], arrays["train.offsets"], n_items)
        parts = {
            name: Holdout(
                arrays[f"{name}.users"],
                arrays[f"{name}.targets"],
                Sequences(arrays[f"{name}.items"], arrays[f"{name}.offsets"], n_items),
            )
            for name in PARTS
        }
    return Split(train, **parts)


def arguments() -> argparse.Namespace:
    """The command line that all contenders have."""
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path, help="a split, as save_split writes it")
    parser.add_argument("report", type=Path, help="where the JSON report goes; ranks go beside it")
    parser.add_argument("--loss", choices=("full", "sampled"), default="sampled")
    parser.add_argument("--seconds", type=float, help="measure speed for so long, then stop")
    parser.add_argument("--patience", type=int, default=10, help="epochs without a better validation NDCG@10")
    parser.add_argument("--epochs", type=int, default=1000)
    parser.add_argument("--hours", type=float, default=2.0, help="of a peer's training at most")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--settings", type=json.loads, default={}, help="JSON, of the contender's own")
    return parser.parse_args()


@dataclass
class Clock:
    """Counts positions (targets) a second of training, validation left out."""

    limit: float | None  # seconds
    positions: int = 0
    seconds: float = 0.0
    processor_seconds: float = 0.0
    _steps: int = 0
    _started: tuple[float, float] = field(default_factory=lambda: (time.perf_counter(), time.process_time()))

    def start(self) -> None:
        self._started = (time.perf_counter(), time.process_time())

    def step(self, positions: int) -> bool:
        """After a step; True once the limit is over. The first few steps only warm up."""
        self._steps += 1
        if self._steps == WARM_UP_STEPS:
            self.positions, self.seconds, self.processor_seconds = 0, 0.0, 0.0
        else:
            self.positions += positions
            self.seconds += time.perf_counter() - self._started[0]
            self.processor_seconds += time.process_time() - self._started[1]
        self.start()
        return self.limit is not None and self._steps > WARM_UP_STEPS and self.seconds > self.limit


@dataclass
class Course:
    """Early stopping on validation NDCG@10, and the curve; the best state is kept by the caller."""

    split: Split
    patience: int
    clock: Clock
    limit: float  # seconds
    curve: list[dict[str, float]] = field(default_factory=list)

    def validate(self, scorer: Scorer) -> bool:
        """After an epoch; True where it was the best so far."""
        rows = np.random.default_rng(0).permutation(len(self.split.validation))[:VALIDATION_USERS]
        ranks = rank_targets(scorer, self.split.validation.rows(np.sort(rows)))
        ndcg = float(per_user("ndcg@10", ranks).mean())
        best = all(ndcg > point["ndcg"] for point in self.curve)
        self.curve.append({"epoch": len(self.curve) + 1, "seconds": self.clock.seconds, "ndcg": ndcg})
        print(f"epoch {len(self.curve)}: {ndcg:.4f} after {self.clock.seconds:.0f} s", flush=True)
        self.clock.start()
        return best

    @property
    def over(self) -> bool:
        best = max(range(len(self.curve)), key=lambda i: self.curve[i]["ndcg"])
        return len(self.curve) - 1 - best >= self.patience or self.clock.seconds > self.limit


def peak_mib() -> float:
    """Most memory that this process has had; `ru_maxrss` would begin with that of the one that started it."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None
    return int(found[1]) / 1024


def report(path: Path, clock: Clock, versions: dict[str, str], course: Course | None, ranks: Any) -> None:
    """Write the JSON report, and before it the ranks of the test part as .npy beside it."""
    content = {
        "positions": clock.positions,
        "positions a second": clock.positions / clock.seconds,
        "positions a processor second": clock.positions / clock.processor_seconds,
        "seconds": clock.seconds,
        "peak MiB": peak_mib(),
        "versions": versions,
        "curve": course.curve if course else [],
    }
    if ranks is not None:
        np.save(path.with_suffix(".npy"), ranks)
        content["test NDCG@10"] = float(per_user("ndcg@10", ranks).mean())
    path.write_text(json.dumps(content))


def left_padded(histories: list[NDArray[np.integer]], length: int, padding: int) -> NDArray[np.int64]:
    """The newest `length` items of each history, [users, length], padded on the left."""
    batch = np.full((len(histories), length), padding, dtype=np.int64)
    for row, history in zip(batch, histories, strict=True):
        kept = history[-length:]
        row[length - len(kept) :] = kept
    return batch


class FunctionScorer:
    """A function of histories as a `models.scorer.Scorer`."""

    def __init__(self, score: Callable[[list[NDArray[np.integer]]], NDArray[np.float32]]) -> None:
        self._score = score

    def score(self, histories: Any) -> NDArray[np.float32]:
        return self._score(list(histories))
