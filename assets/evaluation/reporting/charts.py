"""Plots of the report as inline SVG: positions in per cent, so that text and lines keep their size."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil, floor, isfinite, log10

from markupsafe import Markup

MARGIN = 6.0  # per cent of the width left free on both sides, so that labels of ticks fit
ROW = 48  # px, two lines of a label
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 480, 240, 56, 16, 16, 48  # of a learning curve, px


@dataclass(frozen=True)
class Axis:
    """A horizontal axis over which many rows are drawn."""

    low: float
    high: float
    ticks: tuple[float, ...]
    decimals: int

    @classmethod
    def over(cls, values: Iterable[float], ticks: int = 4) -> "Axis":
        """From the smallest to the largest of 0 and the finite values, with ends at round numbers."""
        finite = [0.0, *(value for value in values if isfinite(value))]
        low, high = min(finite), max(finite)
        step = _round_step((high - low) / ticks if high > low else 0.25)
        first, last = floor(low / step + 1e-9), ceil(high / step - 1e-9)
        marks = tuple(step * place for place in range(first, max(last, first + 1) + 1))
        return cls(marks[0], marks[-1], marks, max(0, -floor(log10(step) + 1e-9)))

    def x(self, value: float) -> float:
        """The place of a value, in per cent of the width."""
        return MARGIN + (100 - 2 * MARGIN) * (value - self.low) / (self.high - self.low)


def interval(axis: Axis, low: float, value: float, high: float, role: str) -> Markup:
    """One row: the interval as a line and the value as a mark; shape and colour both follow the role."""
    parts = [_grid(axis)]
    if isfinite(low) and isfinite(high):
        parts.append(
            Markup('<line class="span {}" x1="{:.2f}%" x2="{:.2f}%" y1="50%" y2="50%"/>').format(
                role, axis.x(low), axis.x(high)
            )
        )
    if isfinite(value):
        parts.append(_mark(axis.x(value), role))
    return _svg(parts, ROW)


def scale(axis: Axis) -> Markup:
    """The row below the others: the axis with its ticks, every other one spared where room is short."""
    text = Markup('<text class="{}" x="{:.2f}%" y="20" text-anchor="middle">{}</text>')
    zero = round(-axis.low / (axis.ticks[1] - axis.ticks[0]))
    return _svg(
        [
            text.format("spare" if (place - zero) % 2 else "tick", axis.x(tick), _number(tick, axis.decimals))
            for place, tick in enumerate(axis.ticks)
        ],
        28,
    )


def curve(points: Sequence[Mapping[str, float]], field: str, unit: str, best_epoch: float) -> Markup:
    """One learning curve: a figure by epoch, the epoch that was kept marked."""
    epochs, values = [p["epoch"] for p in points], [p[field] for p in points]
    axis = Axis.over(values) if field != "loss" else _tight(values)
    span = max(epochs[-1] - epochs[0], 1)

    def x(epoch: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * (epoch - epochs[0]) / span

    def y(value: float) -> float:
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (value - axis.low) / (axis.high - axis.low)

    parts = [
        Markup(
            '<line class="grid" x1="{}" x2="{}" y1="{y:.1f}" y2="{y:.1f}"/>'
            '<text x="{}" y="{:.1f}" text-anchor="end">{}</text>'
        ).format(LEFT, WIDTH - RIGHT, LEFT - 8, y(t) + 5, _number(t, axis.decimals), y=y(t))
        for t in axis.ticks
    ]
    line = " ".join(f"{x(e):.1f},{y(v):.1f}" for e, v in zip(epochs, values, strict=True))
    parts.append(Markup('<polyline class="curve" points="{}"/>').format(line))
    parts.append(
        Markup('<circle class="mark candidate" cx="{:.1f}" cy="{:.1f}" r="6"/>').format(
            x(best_epoch), y(values[epochs.index(best_epoch)])
        )
    )
    parts += [
        Markup('<text x="{:.1f}" y="{}" text-anchor="middle">{:.0f}</text>').format(
            x(e), HEIGHT - BOTTOM + 20, e
        )
        for e in sorted({epochs[0], epochs[-1]})
    ]
    parts.append(
        Markup('<text x="{:.1f}" y="{}" text-anchor="middle">epoch</text>').format(
            (LEFT + WIDTH - RIGHT) / 2, HEIGHT - 8
        )
    )
    return Markup(
        '<svg class="learning" viewBox="0 0 {} {}" role="img" aria-label="{} by epoch">{}</svg>'
    ).format(WIDTH, HEIGHT, unit, Markup("").join(parts))


def _tight(values: Sequence[float]) -> Axis:
    """An axis that need not start at 0: the level of a loss says nothing."""
    low, high = min(values), max(values)
    step = _round_step((high - low) / 3 if high > low else max(abs(high), 1.0) / 4)
    marks = tuple(step * place for place in range(floor(low / step), ceil(high / step) + 1))
    if len(marks) == 1:
        marks = (marks[0], marks[0] + step)
    return Axis(marks[0], marks[-1], marks, max(0, -floor(log10(step) + 1e-9)))


def _grid(axis: Axis) -> Markup:
    line = Markup('<line class="{}" x1="{x:.2f}%" x2="{x:.2f}%" y1="0" y2="100%"/>')
    return Markup("").join(
        line.format("zero" if abs(tick) < 1e-12 else "grid", x=axis.x(tick)) for tick in axis.ticks
    )


def _mark(x: float, role: str) -> Markup:
    """Champion a square, candidate a disc, everything else a ring."""
    if role == "champion":
        return Markup(
            '<svg x="{:.2f}%" y="50%" overflow="visible">'
            '<rect class="mark {}" x="-5" y="-5" width="10" height="10"/></svg>'
        ).format(x, role)
    return Markup('<circle class="mark {}" cx="{:.2f}%" cy="50%" r="5"/>').format(role, x)


def _svg(parts: Iterable[Markup], height: int) -> Markup:
    return Markup('<svg class="row" width="100%" height="{}" aria-hidden="true">{}</svg>').format(
        height, Markup("").join(parts)
    )


def _round_step(step: float) -> float:
    """The smallest of 1, 2 and 5 times a power of ten that is no smaller."""
    power = 10.0 ** floor(log10(step))
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor >= step * (1 - 1e-9))


def _number(value: float, decimals: int) -> str:
    return f"{value:.{decimals}f}".replace("-", "\u2212") if abs(value) > 1e-12 else "0"
