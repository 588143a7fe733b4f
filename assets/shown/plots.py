"""The charts that the UI, the report and the docs show, each from its figures."""

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from assets.shown.axis import Axis
from assets.shown.charts import ROLES, Interval, Line, Notes, Plane, bar_chart, interval_chart, line_chart
from models.evaluation.audit import AUDIT_LABELS, Figure

DAYS_NAMED = 5  # dates that stand beside each other below an axis


def learning_curve(points: Sequence[Mapping[str, float]], field: str, unit: str) -> Markup:
    """One figure of a training by epoch, with the epoch marked whose weights were kept."""
    best = max(points, key=lambda point: (point["ndcg"], -point["epoch"]))
    epochs, values = [point["epoch"] for point in points], [point[field] for point in points]
    y = Axis.tight(values) if field == "loss" else Axis.over(values)
    kept = Notes(kept=(best["epoch"], best[field]))
    plane = Plane(_epochs(epochs), y, "epoch", unit, width=480, height=256)
    return line_chart(plane, [Line("", "candidate", epochs, values)], kept, kind="learning")


def leaderboard_chart(rows: Sequence[Mapping[str, Any]]) -> Markup:
    """NDCG@10 of each model with its 95 % interval; champion and candidate stand out."""
    known = ("champion", "candidate")
    shown = [
        Interval(
            f"{row['model']} ({row['role']})",
            row["role"] if row["role"] in known else "other",
            row["ndcg_at_10_low"],
            row["ndcg_at_10"],
            row["ndcg_at_10_high"],
        )
        for row in rows
    ]
    return interval_chart(shown, "test NDCG@10, full catalogue, 95 % interval over users")


def audit_chart(figures: Sequence[Figure]) -> Markup:
    """Validation NDCG@10 of simple predictors on real, shuffled and sorted order, with 95 % intervals.

    Above it, where the ids are numbers, how the order of a history correlates with them.
    """
    by_name = {figure.name: figure for figure in figures}
    shown = [
        Interval(
            label,
            "champion" if name == "markov_real_order" else "other",
            by_name[name].low,
            by_name[name].value,
            by_name[name].high,
        )
        for name, label in AUDIT_LABELS.items()
        if name in by_name
    ]
    title = ""
    if follows := by_name.get("id_correlation"):
        stated = f"{follows.value:.2f} (95 % interval {follows.low:.2f} to {follows.high:.2f})"
        title = f"Order and id correlate {stated}"
    return interval_chart(shown, "validation NDCG@10, full catalogue, 95 % interval over users", title)


def drift_chart(rows: Sequence[Mapping[str, Any]], days: int = 30) -> Markup:
    """Each measure as a share of its bound, by day: above 1 it is above the bound."""
    place = _places(rows, days)
    lines = []
    for measure, role in zip(sorted({row["measure"] for row in rows}), ROLES, strict=False):
        of = [row for row in rows if row["measure"] == measure and row["day"] in place]
        if of:
            x = [place[row["day"]] for row in of]
            lines.append(Line(measure, role, x, [row["value"] / max(row["bound"], 1e-9) for row in of]))
    return _by_day(place, lines, "times the bound", Notes(bound=1))


def online_chart(rows: Sequence[Mapping[str, Any]], days: int = 30) -> Markup:
    """Hit rate by day and model version, with 95 % intervals; the newest version first in colour."""
    place = _places(rows, days)
    versions = list(dict.fromkeys(row["model_version"] for row in rows))[:-5:-1]
    lines = []
    for version, role in zip(versions, ROLES, strict=False):
        of = [row for row in rows if row["model_version"] == version and row["day"] in place]
        if of:
            x, y = [place[row["day"]] for row in of], [row["hit_rate"] for row in of]
            low, high = [row["low"] for row in of], [row["high"] for row in of]
            lines.append(Line(f"version {version}", role, x, y, low, high))
    return _by_day(place, lines, "share of answers, 95 % interval")


def standings_chart(nights: Mapping[str, Sequence[Mapping[str, Any]]]) -> Markup:
    """NDCG@10 by night: of the champion, of each candidate, and of the best baseline, with 95 % intervals.

    `nights` has the leaderboard of each night by its name, oldest first.
    """
    named: dict[str, list[tuple[int, Mapping[str, Any]]]] = {}
    for place, rows in enumerate(nights.values()):
        best = max((r for r in rows if r["role"] == "baseline"), key=lambda r: r["ndcg_at_10"], default=None)
        for row in rows:
            if row["role"] in ("champion", "candidate"):
                named.setdefault(row["model"], []).append((place, row))
        if best is not None:
            named.setdefault("best baseline", []).append((place, best))
    candidates = sorted(named.keys() - {"champion", "best baseline"})
    roles = {"champion": "champion"} | dict(zip(candidates, ROLES[1:], strict=False))
    lines = [
        Line(
            name,
            roles.get(name, "other"),
            [place for place, _ in of],
            [row["ndcg_at_10"] for _, row in of],
            [row["ndcg_at_10_low"] for _, row in of],
            [row["ndcg_at_10_high"] for _, row in of],
        )
        for name, of in named.items()
    ]
    y = Axis.over(value for line in lines for value in line.high)
    return line_chart(Plane(_days(list(nights)), y, "night", "test NDCG@10", right=152), lines)


def size_chart(users: Mapping[int, int]) -> Markup:
    """How many users have a library of each size, by its lower end: 1, 2, 4, …"""
    sizes = [2**power for power in range(int(max(users, default=1)).bit_length())]
    heights = [users.get(size, 0) for size in sizes]
    names = Axis.named([f"{size:,}" for size in sizes])
    unit = "games in a library: from this number to below twice as many"
    return bar_chart(Plane(names, Axis.over(heights), unit, "users"), heights)


def _places(rows: Sequence[Mapping[str, Any]], days: int) -> dict[str, int]:
    """The last days that the rows have, each with its place on the axis."""
    shown = sorted({row["day"] for row in rows})[-days:]
    return {day: place for place, day in enumerate(shown)}


def _by_day(place: Mapping[str, int], lines: Sequence[Line], unit: str, notes: Notes | None = None) -> Markup:
    bound = [] if notes is None or notes.bound is None else [notes.bound]  # in the picture on calm days too
    y = Axis.over([*bound, *(value for line in lines for value in (*line.y, *line.high))])
    return line_chart(Plane(_days(list(place)), y, "day", unit, right=136), lines, notes)


def _days(names: Sequence[str]) -> Axis:
    """The axis of some days; of many only the first, the middle and the last are written."""
    if len(names) <= DAYS_NAMED:
        return Axis.named(names)
    last = len(names) - 1
    shown = (0, last // 2, last)
    return Axis(-0.5, last + 0.5, tuple(map(float, shown)), tuple(names[place] for place in shown))


def _epochs(epochs: Sequence[float]) -> Axis:
    first, last = epochs[0], max(epochs[-1], epochs[0] + 1)
    return Axis(first, last, (first, last), (f"{first:.0f}", f"{last:.0f}"))
