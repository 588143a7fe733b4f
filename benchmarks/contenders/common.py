"""What every contender's process shares: the data, the clock, early stopping, and how it is told what to do.

Each contender trains in a process and an environment of its own. NumPy alone is needed here, so that the
environments of other libraries can run it; ranks come from `models.evaluation.metrics` for all.
"""

import argparse
import base64
import json
import re
import sys
import time
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.data import Holdout, Sequences, Split
from models.evaluation.metrics import per_user, rank_targets
from models.scorer import Scorer

WIDTH, LAYERS, HEADS, LENGTH, BATCH_USERS, DROPOUT, RATE = 64, 2, 2, 50, 128, 0.2, 1e-3
LOSSES = ("full", "sampled", "binary")  # cross-entropy over the catalogue, over a sample, binary
WARM_UP_STEPS = 5
VALIDATION_USERS = 5_000  # at most, the same for all
BEYOND = 255  # ranks above it are kept as it
PARTS = ("validation", "test")
Settings = Mapping[str, Any]  # by plain names; what is not there is the contender's default


def save_split(path: Path, split: Split) -> None:
    """A split as one .npz file of plain arrays."""
    arrays: dict[str, Any] = {"n_items": np.array(split.train.n_items)}
    arrays["exclude_seen"] = np.array(split.exclude_seen)
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
        exclude_seen = bool(arrays["exclude_seen"]) if "exclude_seen" in arrays else True
        train = Sequences(arrays["train.items"], arrays["train.offsets"], n_items)
        parts = {
            name: Holdout(
                arrays[f"{name}.users"],
                arrays[f"{name}.targets"],
                Sequences(arrays[f"{name}.items"], arrays[f"{name}.offsets"], n_items),
                exclude_seen,
            )
            for name in PARTS
        }
    return Split(train, **parts)


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
    """Early stopping on validation NDCG@10, and the curve; the best state is kept by the caller.

    Where the clock has a limit, only the speed is measured, and nothing is validated.
    """

    split: Split
    clock: Clock
    patience: int
    epochs: int  # at most
    curve: list[float] = field(default_factory=list)  # validation NDCG@10 after each epoch

    @property
    def measuring(self) -> bool:
        return self.clock.limit is not None

    def validate(self, scorer: Scorer) -> bool:
        """After an epoch; True where it was the best so far."""
        rows = np.random.default_rng(0).permutation(len(self.split.validation))[:VALIDATION_USERS]
        ranks = rank_targets(scorer, self.split.validation.rows(np.sort(rows)))
        ndcg = float(per_user("ndcg@10", ranks).mean())
        best = all(ndcg > earlier for earlier in self.curve)
        self.curve.append(ndcg)
        self.clock.start()
        return best

    @property
    def over(self) -> bool:
        """After so many epochs, or so many without a better one."""
        since_best = len(self.curve) - 1 - int(np.argmax(self.curve)) if self.curve else 0
        return len(self.curve) >= self.epochs or since_best >= self.patience


def peak_mib() -> float:
    """Most memory that this process has had; `ru_maxrss` would begin with that of the one that started it."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None
    return int(found[1]) / 1024


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


Fit = Callable[[Split, Settings, int, Course], Scorer | None]  # of a split, settings and a seed


def main(fit: Fit, versions: Mapping[str, str]) -> None:
    """Measure the speed for `--seconds`, or train as each line of the standard input says."""
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path, help="a split, as save_split writes it")
    parser.add_argument("report", type=Path, help="what is found: JSON, or a line for each training")
    parser.add_argument("--seconds", type=float, help="measure speed for so long, then stop")
    parser.add_argument("--settings", type=json.loads, default={}, help="JSON, for --seconds")
    options = parser.parse_args()
    split = load_split(options.data)
    if options.seconds:
        clock = Clock(options.seconds)
        fit(split, options.settings, 0, Course(split, clock, patience=1, epochs=1000))
        options.report.write_text(json.dumps(speed(clock) | {"versions": dict(versions)}))
        return
    for line in sys.stdin:
        found = json.loads(line) | trained(fit, split, json.loads(line)) | {"versions": dict(versions)}
        with options.report.open("a", encoding="utf-8") as report:
            report.write(json.dumps(found) + "\n")  # in one piece: others may write, too


def trained(fit: Fit, split: Split, job: Mapping[str, Any]) -> dict[str, Any]:
    """What a training found. Test is looked at where the job asks for it, and only then."""
    course = Course(split, Clock(None), job["patience"], job["epochs"])
    before = time.process_time()
    scorer = fit(split, job["settings"], job["seed"], course)
    found: dict[str, Any] = {
        "curve": [round(ndcg, 5) for ndcg in course.curve],
        "cpu_seconds": round(time.process_time() - before),
    }
    if job["test"]:
        assert scorer is not None
        found["ranks"] = packed(rank_targets(scorer, split.test))
    return found


def packed(ranks: NDArray[np.integer]) -> str:
    """Ranks as text, those above BEYOND as BEYOND."""
    small = np.minimum(ranks, BEYOND).astype(np.uint8)
    return base64.b85encode(zlib.compress(small.tobytes(), 9)).decode()


def unpacked(text: str) -> NDArray[np.int32]:
    """The inverse of `packed`, but for the ranks above BEYOND."""
    return np.frombuffer(zlib.decompress(base64.b85decode(text)), dtype=np.uint8).astype(np.int32)


def speed(clock: Clock) -> dict[str, float]:
    return {
        "positions": clock.positions,
        "positions a second": clock.positions / clock.seconds,
        "positions a processor second": clock.positions / clock.processor_seconds,
        "seconds": clock.seconds,
        "peak MiB": peak_mib(),
    }
