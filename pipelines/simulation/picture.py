"""The picture that says what freshness is worth, and the table behind it."""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from assets.shown.plots import BLUE, GREEN, GREY, ORANGE, figure
from pipelines.simulation.judging import OPTIMUM, JudgedDay, Mean, mean_over
from pipelines.simulation.nights import Night
from pipelines.simulation.scenario import NEVER, NIGHTLY, WEEKLY, Outcome

COLOURS = {OPTIMUM: GREY, NIGHTLY: BLUE, WEEKLY: ORANGE, NEVER: GREEN}
LABELS = {
    OPTIMUM: "best possible",
    NIGHTLY: "retrained nightly",
    WEEKLY: "retrained weekly",
    NEVER: "never retrained",
}
LABEL_DAYS = 14  # the right edge keeps so much room for the labels
LEAST_GAP = 0.035  # between two labels


def draw(outcome: Outcome) -> Any:
    """NDCG@10 a day and way, with 95 % intervals; the shift and the faults are marked."""
    shift, last = outcome.scenario.shift, outcome.days[-1].number
    made, axes = figure(width=9.6, height=4.8)
    days, ends = [day.number for day in outcome.days], {}
    for way, colour in COLOURS.items():
        found = [mean_over([day], way) for day in outcome.days]
        axes.fill_between(
            days, [m.low for m in found], [m.high for m in found], color=colour, alpha=0.14, linewidth=0
        )
        axes.plot(days, [m.value for m in found], color=colour, linewidth=1.8)
        ends[way] = mean_over(outcome.days[-7:], way).value
    for way, height in _spread(ends).items():
        axes.annotate(LABELS[way], (last + 0.8, height), va="center", color=COLOURS[way], fontsize=10)
    axes.axvline(shift - 0.5, color="#555555", linestyle=(0, (4, 3)), linewidth=1)
    top = axes.get_ylim()[1]
    axes.annotate("new games appear,\ntastes move", (shift + 0.2, top), va="top", fontsize=9, color="#555555")
    _mark_faults(axes, outcome)
    axes.set_xlim(1, last + LABEL_DAYS)
    axes.set_xticks(range(0, last + 1, 10))
    axes.set_xlabel("day")
    axes.set_ylabel("NDCG@10 on the day's plays")
    return made


def _mark_faults(axes: Any, outcome: Outcome) -> None:
    bottom = axes.get_ylim()[0]
    for day, fault in outcome.scenario.faults.items():
        if day < outcome.scenario.days:
            axes.plot(day, bottom, marker="^", color="#555555", markersize=7, clip_on=False)
            words = fault.__name__.replace("_", " ").replace("nan", "NaN")
            axes.annotate(words, (day + 0.8, bottom), textcoords="offset points", xytext=(0, 4), fontsize=8,
                          color="#555555")  # fmt: skip


def _spread(heights: dict[str, float]) -> dict[str, float]:
    """Heights of labels that would overlap, moved apart upwards."""
    spread: dict[str, float] = {}
    for way in sorted(heights, key=heights.__getitem__):
        lowest = max(spread.values(), default=-1.0) + LEAST_GAP
        spread[way] = max(heights[way], lowest)
    return spread


def periods(outcome: Outcome) -> dict[str, list[JudgedDay]]:
    """The days in the parts that the table has."""
    shift, last = outcome.scenario.shift, outcome.days[-1].number
    cuts = [1, shift, shift + 7, shift + 14, last + 1]
    parts = ([day for day in outcome.days if a <= day.number < b] for a, b in pairwise(cuts))
    return {f"{days[0].number} to {days[-1].number}": days for days in parts if days}


def table(outcome: Outcome) -> str:
    """NDCG@10 by period and way, and what nightly gains, with 95 % intervals, as Markdown."""
    ways = list(COLOURS)
    lines = [
        "| days | plays | "
        + " | ".join(LABELS[way] for way in ways)
        + " | nightly − weekly | nightly − never |",
        "|---|" + "---:|" * (len(ways) + 3),
    ]
    for name, days in periods(outcome).items():
        plays = sum(len(day.players) for day in days)
        cells = [_shown(mean_over(days, way)) for way in ways]
        cells += [_shown(mean_over(days, NIGHTLY, minus=way), sign="+") for way in (WEEKLY, NEVER)]
        lines.append(f"| {name} | {plays:,} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def nights_table(outcome: Outcome) -> str:
    """How many nights ended how, by way; and what each fault did."""
    lines = ["| way | runs | promoted | refused |", "|---|---:|---:|---:|"]
    for way in (NIGHTLY, WEEKLY, NEVER):
        ended = [night.outcome for night in outcome.nights if night.way == way]
        lines.append(f"| {way} | {len(ended)} | {ended.count('promoted')} | {ended.count('refused')} |")
    lines += ["", "| night | fault | runs | ended | next promotion |", "|---:|---|---:|---|---:|"]
    for night in outcome.nights:
        if night.fault:
            row = [night.day, night.fault, night.runs, night.outcome, _next_promotion(outcome, night)]
            lines.append("| " + " | ".join(map(str, row)) + " |")
    return "\n".join(lines)


def _next_promotion(outcome: Outcome, fault: Night) -> str:
    """The night of the first promotion from that of a fault on."""
    later = [night for night in outcome.nights if night.way == fault.way and night.day >= fault.day]
    return next((f"night {night.day}" for night in later if night.outcome == "promoted"), "none")


def _shown(mean: Mean, sign: str = "") -> str:
    return f"{mean.value:{sign}.3f} ({mean.low:{sign}.3f} to {mean.high:{sign}.3f})"


def save(outcome: Outcome, folder: Path) -> Sequence[Path]:
    """The picture as SVG and PNG."""
    made = draw(outcome)
    paths = [folder / "freshness.svg", folder / "freshness.png"]
    for path in paths:
        made.savefig(
            path, dpi=160, bbox_inches="tight", metadata={"Date": None} if path.suffix == ".svg" else None
        )
    return paths
