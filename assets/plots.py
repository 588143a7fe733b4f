"""Plots in metadata: one family, the Okabe-Ito palette, labels on the lines, units on the axes."""

import base64
import io
from collections.abc import Mapping, Sequence
from typing import Any

from models.evaluation.audit import AUDIT_LABELS, Figure

# Okabe and Ito, "Color Universal Design" (2008); one fixed order: champion, candidate, then the rest.
BLUE, ORANGE, GREEN, GREY = "#0072B2", "#E69F00", "#009E73", "#8A8A8A"
DARK_GREY = "#595959"  # of text


def markdown_image(figure: Any, alt: str) -> str:
    """A matplotlib figure as a Markdown image that needs no file."""
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=110, bbox_inches="tight")
    return f"![{alt}](data:image/png;base64,{base64.b64encode(stream.getvalue()).decode()})"


def figure(width: float = 6.4, height: float = 3.2) -> tuple[Any, Any]:
    """An empty figure and its axes in the house style; no window, no global state."""
    from matplotlib.figure import Figure

    made = Figure(figsize=(width, height), layout="constrained")
    axes = made.subplots()
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=9)
    return made, axes


def curve_plot(curve: list[dict[str, float]], name: str) -> str:
    """Validation NDCG@10 by epoch, the best epoch marked."""
    made, axes = figure()
    epochs, values = [point["epoch"] for point in curve], [point["ndcg"] for point in curve]
    best = max(range(len(values)), key=values.__getitem__)
    axes.plot(epochs, values, color=BLUE, marker="o", markersize=3)
    axes.annotate(f"best {values[best]:.4f}", (epochs[best], values[best]), textcoords="offset points",
                  xytext=(0, 8), ha="center", color=BLUE, fontsize=9)  # fmt: skip
    axes.set_xlabel("epoch")
    axes.set_ylabel("validation NDCG@10")
    axes.set_title(name, loc="left", fontsize=11)
    axes.margins(y=0.15)
    return markdown_image(made, f"Learning curve of {name}")


def leaderboard_plot(rows: Sequence[Mapping[str, Any]]) -> str:
    """NDCG@10 of each model with its 95 % interval, best on top; baselines and the optimum in grey."""
    colours = {"champion": BLUE, "candidate": ORANGE}
    made, axes = figure(height=0.6 + 0.42 * len(rows))
    for place, row in enumerate(reversed(rows)):
        colour = colours.get(row["role"], GREY)
        value = row["ndcg_at_10"]
        axes.hlines(place, row["ndcg_at_10_low"], row["ndcg_at_10_high"], color=colour, linewidth=3)
        axes.plot(value, place, "o", color=colour)
        axes.annotate(f"{value:.4f}", (value, place), textcoords="offset points", xytext=(0, 6), ha="center",
                      fontsize=8, color=colour)  # fmt: skip
    axes.set_yticks(range(len(rows)), [f"{row['model']} ({row['role']})" for row in reversed(rows)])
    axes.set_xlabel("test NDCG@10, full catalogue, 95 % interval over users")
    axes.set_xlim(left=0)
    axes.margins(y=0.15)
    return markdown_image(made, "Leaderboard")


def audit_plot(figures: Sequence[Figure]) -> str:
    """Validation NDCG@10 of simple predictors on real, shuffled and sorted order, with 95 % intervals.

    Above it, where the ids are numbers, how the order of a history correlates with them.
    """
    by_name = {figure.name: figure for figure in figures}
    shown = [(label, by_name[name]) for name, label in AUDIT_LABELS.items() if name in by_name]
    made, axes = figure(height=0.6 + 0.42 * len(shown))
    for place, (_, found) in enumerate(reversed(shown)):
        real = found.name == "markov_real_order"
        colour, text = (BLUE, BLUE) if real else (GREY, DARK_GREY)
        axes.hlines(place, found.low, found.high, color=colour, linewidth=3)
        axes.plot(found.value, place, "o", color=colour)
        axes.annotate(f"{found.value:.4f}", (found.value, place), textcoords="offset points", xytext=(0, 6),
                      ha="center", fontsize=8, color=text)  # fmt: skip
    if follows := by_name.get("id_correlation"):
        stated = f"{follows.value:.2f} (95 % interval {follows.low:.2f} to {follows.high:.2f})"
        axes.set_title(f"Order and id correlate {stated}", loc="left", fontsize=11)
    axes.set_yticks(range(len(shown)), [label for label, _ in reversed(shown)])
    axes.set_xlabel("validation NDCG@10, full catalogue, 95 % interval over users")
    axes.set_xlim(left=0)
    axes.margins(y=0.15)
    return markdown_image(made, "What the order tells")
