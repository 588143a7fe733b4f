"""The picture that says what freshness is worth, and the table behind it."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from markupsafe import Markup

from assets.shown.axis import Axis
from assets.shown.charts import Line, Notes, Plane, line_chart
from pipelines.simulation.judging import OPTIMUM, JudgedDay, Mean, mean_over
from pipelines.simulation.nights import Night
from pipelines.simulation.scenario import NEVER, NIGHTLY, WEEKLY, Outcome, Scenario

ROLES = {NIGHTLY: "champion", WEEKLY: "candidate", NEVER: "also", OPTIMUM: "other"}  # colours
WAYS = (OPTIMUM, NIGHTLY, WEEKLY, NEVER)  # best first
LABELS = {
    OPTIMUM: "best possible",
    NIGHTLY: "retrained nightly",
    WEEKLY: "retrained weekly",
    NEVER: "never retrained",
}


@dataclass(frozen=True)
class WayOnDay:
    """How good a way of retraining was on one day."""

    day: int
    way: str
    plays: int
    ndcg: Mean


def by_day(outcome: Outcome) -> list[WayOnDay]:
    """Every way on every day."""
    return [
        WayOnDay(day.number, way, len(day.players), mean_over([day], way))
        for day in outcome.days
        for way in WAYS
    ]


def draw(found: Sequence[WayOnDay], scenario: Scenario) -> Markup:
    """NDCG@10 a day and way, with 95 % intervals; the shift and the faults are marked."""
    last = max(point.day for point in found)
    lines = []
    for way in WAYS:
        of = [point for point in found if point.way == way]
        days, values = [point.day for point in of], [point.ndcg.value for point in of]
        low, high = [point.ndcg.low for point in of], [point.ndcg.high for point in of]
        lines.append(Line(LABELS[way], ROLES[way], days, values, low, high))
    faults = {
        float(day): fault.__name__.replace("_", " ").replace("nan", "NaN")
        for day, fault in scenario.faults.items()
        if day < scenario.days
    }
    plane = Plane(
        Axis.over([last]),
        Axis.over(point.ndcg.high for point in found),
        "day",
        "NDCG@10 on the day's plays, 95 % interval over players",
        width=960,
        height=480,
        right=144,
    )
    return line_chart(
        plane, lines, Notes({scenario.shift - 0.5: "new games appear, tastes move"}, events=faults)
    )


def periods(outcome: Outcome) -> dict[str, list[JudgedDay]]:
    """The days in the parts that the table has."""
    shift, last = outcome.scenario.shift, outcome.days[-1].number
    cuts = [1, shift, shift + 7, shift + 14, last + 1]
    parts = ([day for day in outcome.days if a <= day.number < b] for a, b in pairwise(cuts))
    return {f"{days[0].number} to {days[-1].number}": days for days in parts if days}


def table(outcome: Outcome) -> str:
    """NDCG@10 by period and way, and what nightly gains, with 95 % intervals, as Markdown."""
    ways = list(WAYS)
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
