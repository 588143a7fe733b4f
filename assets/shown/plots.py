"""Plots in metadata: one family, the Okabe-Ito palette, labels on the lines, units on the axes."""

import base64
import io
from collections.abc import Mapping, Sequence
from typing import Any

from models.evaluation.audit import AUDIT_LABELS, Figure

# Okabe and Ito, "Color Universal Design" (2008); one fixed order: champion, candidate, then the rest.
BLUE, ORANGE, GREEN, PINK, GREY = "#0072B2", "#E69F00", "#009E73", "#CC79A7", "#8A8A8A"
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


def drift_plot(rows: Sequence[Mapping[str, Any]], days: int = 30) -> str:
    """Each measure as a share of its bound, by day: above 1 it is above the bound."""
    if not rows:
        return "No day to show yet."
    shown = sorted({row["day"] for row in rows})[-days:]
    place = {day: n for n, day in enumerate(shown)}
    made, axes = figure()
    measures = sorted({row["measure"] for row in rows})
    for measure, colour in zip(measures, (BLUE, ORANGE, GREEN, PINK, GREY), strict=False):
        of = [row for row in rows if row["measure"] == measure and row["day"] in place]
        if not of:
            continue
        x, y = [place[row["day"]] for row in of], [row["value"] / max(row["bound"], 1e-9) for row in of]
        axes.plot(x, y, color=colour, marker="o", markersize=3)
        axes.annotate(measure, (x[-1], y[-1]), textcoords="offset points", xytext=(6, 0), va="center",
                      fontsize=8, color=colour)  # fmt: skip
    axes.axhline(1, color=GREY, linewidth=1)
    _days_axis(axes, shown)
    axes.set_ylabel("times the bound")
    axes.set_ylim(bottom=0)
    return markdown_image(made, "Drift by day")


def online_plot(rows: Sequence[Mapping[str, Any]], days: int = 30) -> str:
    """Hit rate by day and model version, with 95 % intervals."""
    if not rows:
        return "No day to show yet."
    shown = sorted({row["day"] for row in rows})[-days:]
    place = {day: n for n, day in enumerate(shown)}
    versions = list(dict.fromkeys(row["model_version"] for row in rows))[-4:]
    made, axes = figure()
    for version, colour in zip(reversed(versions), (BLUE, ORANGE, GREEN, GREY), strict=False):
        of = [row for row in rows if row["model_version"] == version and row["day"] in place]
        x, y = [place[row["day"]] for row in of], [row["hit_rate"] for row in of]
        axes.vlines(x, [row["low"] for row in of], [row["high"] for row in of], color=colour, linewidth=2)
        axes.plot(x, y, color=colour, marker="o", markersize=4)
        axes.annotate(f"version {version}", (x[-1], y[-1]), textcoords="offset points", xytext=(6, 0),
                      va="center", fontsize=8, color=colour)  # fmt: skip
    _days_axis(axes, shown)
    axes.set_ylabel("share of answers, 95 % interval")
    axes.set_ylim(bottom=0)
    return markdown_image(made, "Hit rate by day")


def _days_axis(axes: Any, days: Sequence[str]) -> None:
    ticks = sorted({0, len(days) // 2, len(days) - 1})
    axes.set_xticks(ticks, [days[tick] for tick in ticks])
    axes.set_xlim(-0.5, max(len(days) - 1, 1) * 1.25 + 0.5)  # room for the labels on the lines
