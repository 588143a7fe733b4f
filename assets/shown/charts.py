"""Charts as SVG that needs nothing else: text stays text, equal figures give equal bytes.

Colours stand in chart.css alone, light and dark, by role (Okabe and Ito, "Color Universal Design", 2008). The
report has charts in its page and in the rows of its tables; `alone` makes one a file or an image.
"""

import base64
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path

from markupsafe import Markup

from assets.shown.axis import Axis

STYLE = Path(__file__).with_name("chart.css")
ROLES = ("champion", "candidate", "also", "more", "other")  # each a colour, in this order
WIDTH, HEIGHT = 640, 280  # px
LEFT, RIGHT, TOP, BOTTOM = 56, 16, 32, 48  # px around the plane of two axes
ROW, SCALE = 48, 28  # px: a row of a table holds two lines of a label
LABELS, VALUES = 216, 176  # px beside the intervals of a chart that is no table
LETTER, LINE = 8, 18  # px that one letter takes in width, and one line of text in height
POINTS = 31  # a line of more points shows no mark at each


@dataclass(frozen=True)
class Interval:
    """A value with its interval, NaN where it has none."""

    label: str
    role: str
    low: float
    value: float
    high: float


@dataclass(frozen=True)
class Line:
    """Values along x, and their intervals where there are any; its label stands at its end."""

    label: str
    role: str
    x: Sequence[float]
    y: Sequence[float]
    low: Sequence[float] = ()
    high: Sequence[float] = ()


@dataclass(frozen=True)
class Plane:
    """Two axes with their units, and where they lie on the drawing."""

    x: Axis
    y: Axis
    x_unit: str
    y_unit: str
    width: int = WIDTH
    height: int = HEIGHT
    right: int = RIGHT  # px left free for the labels of lines

    @property
    def left(self) -> float:
        """Room for the texts of y, px."""
        return max(LEFT, 12 + LETTER * max(map(len, self.y.texts)))

    def at(self, x: float, y: float) -> tuple[float, float]:
        """The place of a point, px."""
        across, up = self.width - self.left - self.right, self.height - TOP - BOTTOM
        return self.left + across * self.x.share(x), self.height - BOTTOM - up * self.y.share(y)


@dataclass(frozen=True)
class Notes:
    """What is written into a chart of lines."""

    moments: Mapping[float, str] = field(default_factory=dict)  # x: a dashed line with words at its top
    events: Mapping[float, str] = field(default_factory=dict)  # x: a triangle on the axis with words
    bound: float | None = None  # y: a line across
    kept: tuple[float, float] | None = None  # one point that is marked


def interval(axis: Axis, low: float, value: float, high: float, role: str, height: int = ROW) -> Markup:
    """One row: the interval as a line and the value as a mark; shape and colour both follow the role."""
    line = Markup('<line class="{}" x1="{x:.2f}%" x2="{x:.2f}%" y1="0" y2="100%"/>')
    parts = [line.format("zero" if abs(tick) < 1e-12 else "grid", x=axis.x(tick)) for tick in axis.ticks]
    if isfinite(low) and isfinite(high):
        parts.append(
            Markup('<line class="span {}" x1="{:.2f}%" x2="{:.2f}%" y1="50%" y2="50%"/>').format(
                role, axis.x(low), axis.x(high)
            )
        )
    if isfinite(value):
        parts.append(_mark(f"{axis.x(value):.2f}%", "50%", role))
    return _row(parts, height)


def scale(axis: Axis) -> Markup:
    """The row below the others: the axis with its ticks, every other one spared where room is short."""
    text = Markup('<text class="{}" x="{:.2f}%" y="20" text-anchor="middle">{}</text>')
    zero = round(-axis.low / (axis.ticks[1] - axis.ticks[0]))
    return _row(
        [
            text.format("spare" if (place - zero) % 2 else "tick", axis.x(tick), words)
            for place, (tick, words) in enumerate(zip(axis.ticks, axis.texts, strict=True))
        ],
        SCALE,
    )


def interval_chart(rows: Sequence[Interval], unit: str, title: str = "") -> Markup:
    """Rows of label, interval and figures over one axis."""
    axis = Axis.over(value for row in rows for value in (row.low, row.value, row.high))
    top, height = (TOP if title else 0), 32  # of a row
    between = WIDTH - LABELS - VALUES
    placed = Markup('<svg x="{}" y="{}" width="{}" height="{}">{}</svg>')
    parts = [_text(0, 20, title, "strong")] if title else []
    for place, row in enumerate(rows):
        y = top + place * height
        parts += [
            _text(0, y + 21, row.label, "strong"),
            placed.format(
                LABELS, y, between, height, interval(axis, row.low, row.value, row.high, row.role, height)
            ),
            _text(WIDTH, y + 21, _stated(row), anchor="end"),
        ]
    bottom = top + len(rows) * height
    parts.append(placed.format(LABELS, bottom, between, SCALE, scale(axis)))
    parts.append(_text(LABELS + between / 2, bottom + SCALE + LINE, unit, anchor="middle"))
    return drawing(parts, bottom + SCALE + LINE + 8, title or unit)


def line_chart(
    plane: Plane, lines: Sequence[Line], notes: Notes | None = None, kind: str = "chart"
) -> Markup:
    """Lines over two axes, each with its interval as a band and its label at its end."""
    notes = notes or Notes()
    parts = [*_axes(plane), *_moments(plane, notes.moments), *_events(plane, notes.events)]
    parts += [_band(plane, line) for line in lines if line.low]
    if notes.bound is not None:
        parts.append(_across(plane, notes.bound, "zero"))
    for line in lines:
        points = [plane.at(x, y) for x, y in zip(line.x, line.y, strict=True)]
        parts.append(Markup('<polyline class="line {}" points="{}"/>').format(line.role, _points(points)))
        if line.label and len(points) <= POINTS:
            parts += [_mark(f"{x:.1f}", f"{y:.1f}", line.role) for x, y in points]
    if notes.kept is not None:
        x, y = plane.at(*notes.kept)
        parts.append(_mark(f"{x:.1f}", f"{y:.1f}", "candidate"))
    parts += _labels(plane, lines)
    label = f"{plane.y_unit} by {plane.x_unit}"
    return drawing(parts, plane.height, label, plane.width, kind)


def bar_chart(plane: Plane, heights: Sequence[float]) -> Markup:
    """Bars beside each other, at 0, 1, 2, … of x."""
    bar = Markup('<rect class="bar champion" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}"/>')
    parts = _axes(plane)
    for place, height in enumerate(heights):
        (left, bottom), (right, top) = plane.at(place - 0.46, 0), plane.at(place + 0.46, height)
        parts.append(bar.format(left, top, right - left, bottom - top))
    return drawing(parts, plane.height, f"{plane.y_unit} by {plane.x_unit}", plane.width)


def beside(panels: Sequence[tuple[str, Markup]], width: int, height: int, label: str) -> Markup:
    """Charts of one size beside each other, each below its title."""
    parts = []
    for place, (title, panel) in enumerate(panels):
        inner = Markup('<svg x="{}" y="{}" width="{}" height="{}">{}</svg>')
        parts += [
            _text(place * width, 20, title, "strong"),
            inner.format(place * width, TOP, width, height, panel),
        ]
    return drawing(parts, TOP + height, label, len(panels) * width)


def drawing(
    parts: Iterable[Markup], height: float, label: str, width: int = WIDTH, kind: str = "chart"
) -> Markup:
    """A chart for a page that has the style."""
    return Markup('<svg class="{}" viewBox="0 0 {} {:g}" role="img" aria-label="{}">{}</svg>').format(
        kind, width, height, label, Markup("\n").join(parts)
    )


def alone(chart: Markup) -> str:
    """A `drawing` as a file of its own, with its style, on the surface of the house."""
    opening, _, rest = str(chart).partition(">")
    width, height = opening.partition('viewBox="0 0 ')[2].partition('"')[0].split()
    size = f'xmlns="http://www.w3.org/2000/svg" width="{float(width) + 32:g}" height="{float(height) + 32:g}"'
    style = STYLE.read_text(encoding="utf-8")
    inner = f'<svg x="16" y="16" width="{width}" height="{height}"{opening.removeprefix("<svg")}>{rest}'
    surface = '<rect class="surface" width="100%" height="100%"/>'
    return f"<svg {size}>\n<style>\n{style}</style>\n{surface}\n{inner}\n</svg>\n"


def markdown_image(chart: Markup, alt: str) -> str:
    """A `drawing` as a Markdown image that needs no file."""
    return f"![{alt}](data:image/svg+xml;base64,{base64.b64encode(alone(chart).encode()).decode()})"


def _axes(plane: Plane) -> list[Markup]:
    bottom = plane.height - BOTTOM
    parts = [_text(0, 14, plane.y_unit)]
    for tick, words in zip(plane.y.ticks, plane.y.texts, strict=True):
        parts.append(_across(plane, tick, "zero" if tick == 0 else "grid"))
        parts.append(_text(plane.left - 8, plane.at(plane.x.low, tick)[1] + 5, words, anchor="end"))
    for tick, words in zip(plane.x.ticks, plane.x.texts, strict=True):
        parts.append(_text(plane.at(tick, plane.y.low)[0], bottom + 20, words, anchor="middle"))
    middle = (plane.left + plane.width - plane.right) / 2
    return [*parts, _text(middle, plane.height - 8, plane.x_unit, anchor="middle")]


def _across(plane: Plane, y: float, role: str) -> Markup:
    (left, height), (right, _) = plane.at(plane.x.low, y), plane.at(plane.x.high, y)
    line = Markup('<line class="{}" x1="{:.1f}" x2="{:.1f}" y1="{y:.1f}" y2="{y:.1f}"/>')
    return line.format(role, left, right, y=height)


def _band(plane: Plane, line: Line) -> Markup:
    there = [plane.at(x, y) for x, y in zip(line.x, line.low, strict=True)]
    back = [plane.at(x, y) for x, y in zip(line.x, line.high, strict=True)][::-1]
    return Markup('<polygon class="band {}" points="{}"/>').format(line.role, _points([*there, *back]))


def _labels(plane: Plane, lines: Sequence[Line]) -> list[Markup]:
    """At the ends of the lines, moved upwards where two would overlap."""
    ends = sorted((plane.at(line.x[-1], line.y[-1])[::-1], line.label) for line in lines if line.label)
    parts, above = list[Markup](), float("inf")
    for (y, x), label in reversed(ends):  # the lowest first, which has the largest y
        above = min(y, above - LINE)
        parts.append(_text(x + 10, above + 5, label, "strong"))
    return parts


def _moments(plane: Plane, moments: Mapping[float, str]) -> Iterable[Markup]:
    line = Markup('<line class="moment" x1="{x:.1f}" x2="{x:.1f}" y1="{:.1f}" y2="{:.1f}"/>')
    for moment, words in moments.items():
        (x, bottom), (_, top) = plane.at(moment, plane.y.low), plane.at(moment, plane.y.high)
        yield line.format(bottom, top, x=x)
        yield _text(x + 6, top + 14, words)


def _events(plane: Plane, events: Mapping[float, str]) -> Iterable[Markup]:
    """Triangles on the axis; words that would run into those before stand a line higher."""
    free: dict[int, float] = {}  # by line of text: where it ends
    for event, words in sorted(events.items()):
        x, y = plane.at(event, plane.y.low)
        level = next(n for n in range(len(events)) if free.get(n, 0) < x)
        free[level] = x + 10 + LETTER * len(words)
        yield Markup('<path class="bar other" d="M{:.1f} {:.1f}l5 9h-10z"/>').format(x, y - 9)
        yield _text(x + 10, y - 14 - LINE * level, words)


def _mark(x: str, y: str, role: str) -> Markup:
    """Champion a square, candidate a disc, everything else a ring."""
    if role == "champion":
        return Markup(
            '<svg x="{}" y="{}" overflow="visible">'
            '<rect class="mark {}" x="-5" y="-5" width="10" height="10"/></svg>'
        ).format(x, y, role)
    return Markup('<circle class="mark {}" cx="{}" cy="{}" r="5"/>').format(role, x, y)


def _row(parts: Iterable[Markup], height: int) -> Markup:
    return Markup('<svg class="row" width="100%" height="{}" aria-hidden="true">{}</svg>').format(
        height, Markup("").join(parts)
    )


def _text(x: float, y: float, words: str, style: str = "tick", anchor: str = "start") -> Markup:
    return Markup('<text class="{}" x="{:.1f}" y="{:.1f}" text-anchor="{}">{}</text>').format(
        style, x, y, anchor, words
    )


def _stated(row: Interval) -> str:
    known = isfinite(row.low) and isfinite(row.high)
    return f"{row.value:.4f} ({row.low:.4f} to {row.high:.4f})" if known else f"{row.value:.4f}"


def _points(points: Iterable[tuple[float, float]]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
