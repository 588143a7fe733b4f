"""How speed and memory of our training grow with the catalogue: generated histories, three sizes."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np

from models.data import Sequences, leave_one_out

matplotlib.use("svg")
SIZES = (6_000, 100_000, 1_000_000)
USERS, LENGTH = 60_000, 20
ORANGE, BLUE = "#D55E00", "#0072B2"  # Okabe-Ito


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


def growth_plot(points: list[Point], picture: Path) -> None:
    """Two panels on logarithmic axes, a line a loss, named on the line."""
    from matplotlib import pyplot as plt

    figure, panels = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
    for panel, name, title in zip(
        panels, ("speed", "memory"), ("positions a second", "peak memory, MiB"), strict=True
    ):
        for loss, colour in (("sampled", BLUE), ("full", ORANGE)):
            line = [p for p in points if p.loss == loss]
            values = [getattr(p, name) for p in line]
            panel.plot([p.n_items for p in line], values, "o-", color=colour)
            panel.annotate(
                loss, (line[-1].n_items, values[-1]), xytext=(6, 0), textcoords="offset points",
                color=colour, va="center",
            )  # fmt: skip
        panel.set(xscale="log", yscale="log", xlabel="items in the catalogue", title=title)
        panel.margins(x=0.2)
        panel.spines[["top", "right"]].set_visible(False)
    figure.savefig(picture, dpi=110)
    plt.close(figure)
