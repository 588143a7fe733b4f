"""How speed and memory of our training grow with the catalogue: generated histories, three sizes."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from models.data import Sequences, leave_one_out

SIZES = (6_000, 100_000, 1_000_000)
USERS, LENGTH = 60_000, 20


@dataclass(frozen=True)
class Point:
    n_items: int
    loss: str
    speed: float  # positions a second
    memory: float  # MiB, the peak of the process


def generated(path: Path, n_items: int) -> Path:
    """Histories of Zipf items; what is learned does not matter here, what is touched does."""
    from common import save_split

    rng = np.random.default_rng(0)
    items = (rng.zipf(1.2, size=USERS * LENGTH) % n_items + 1).astype(np.int32)
    offsets = np.arange(0, USERS * LENGTH + 1, LENGTH)
    save_split(path, leave_one_out(Sequences(items, offsets, n_items)))
    return path


def measure_growth(folder: Path, run_ours: Callable[[Path, str], dict[str, Any]]) -> list[Point]:
    points = []
    for n_items in SIZES:
        path = generated(folder / f"generated-{n_items}.npz", n_items)
        for loss in ("sampled", "full"):
            found = run_ours(path, loss)
            points.append(Point(n_items, loss, found["positions a second"], found["peak MiB"]))
            print(points[-1], flush=True)
    return points


def growth_table(points: list[Point]) -> list[str]:
    lines = ["| items | loss | positions a second | peak MiB |", "|---:|---|---:|---:|"]
    lines += [f"| {p.n_items:,} | {p.loss} | {p.speed:,.0f} | {p.memory:,.0f} |" for p in points]
    return lines
