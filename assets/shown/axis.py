"""Axes of charts: from where to where, and the ticks with their texts."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import ceil, floor, isfinite, log10

MARGIN = 6.0  # per cent of the width left free on both sides, so that labels of ticks fit
ALL_NAMES = 12  # so many names fit below an axis


@dataclass(frozen=True)
class Axis:
    """What one direction of a chart shows."""

    low: float
    high: float
    ticks: tuple[float, ...]
    texts: tuple[str, ...]  # of the ticks
    log: bool = False

    @classmethod
    def over(cls, values: Iterable[float], ticks: int = 4) -> "Axis":
        """From the smallest to the largest of 0 and the finite values, with ends at round numbers."""
        finite = [0.0, *(value for value in values if isfinite(value))]
        low, high = min(finite), max(finite)
        step = _round_step((high - low) / ticks if high > low else 0.25)
        first, last = floor(low / step + 1e-9), ceil(high / step - 1e-9)
        return cls._stepped(first, max(last, first + 1), step)

    @classmethod
    def tight(cls, values: Sequence[float]) -> "Axis":
        """Over finite values alone, for a quantity whose 0 says nothing, such as a loss."""
        low, high = min(values), max(values)
        step = _round_step((high - low) / 3 if high > low else max(abs(high), 1.0) / 4)
        first = floor(low / step)
        return cls._stepped(first, max(ceil(high / step), first + 1), step)

    @classmethod
    def decades(cls, values: Sequence[float]) -> "Axis":
        """Logarithmic, over positive values, with ends and ticks at powers of ten."""
        powers = range(floor(log10(min(values))), ceil(log10(max(values))) + 1)
        ticks = tuple(10.0**power for power in powers)
        return cls(ticks[0], ticks[-1], ticks, tuple(f"{tick:,.10g}" for tick in ticks), log=True)

    @classmethod
    def named(cls, names: Sequence[str]) -> "Axis":
        """Names at 0, 1, 2, …; of many only the first, the one in the middle and the last are written."""
        last = len(names) - 1
        shown = range(len(names)) if len(names) <= ALL_NAMES else (0, last // 2, last)
        return cls(-0.5, last + 0.5, tuple(map(float, shown)), tuple(names[place] for place in shown))

    @classmethod
    def _stepped(cls, first: int, last: int, step: float) -> "Axis":
        ticks = tuple(step * place for place in range(first, last + 1))
        decimals = max(0, -floor(log10(step) + 1e-9))
        return cls(ticks[0], ticks[-1], ticks, tuple(_number(tick, decimals) for tick in ticks))

    def share(self, value: float) -> float:
        """The place of a value between the ends: 0 at the low one, 1 at the high one."""
        if self.log:
            return log10(value / self.low) / log10(self.high / self.low)
        return (value - self.low) / (self.high - self.low)

    def x(self, value: float) -> float:
        """The place of a value, in per cent of the width."""
        return MARGIN + (100 - 2 * MARGIN) * self.share(value)


def _round_step(step: float) -> float:
    """The smallest of 1, 2 and 5 times a power of ten that is no smaller."""
    power = 10.0 ** floor(log10(step))
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor >= step * (1 - 1e-9))


def _number(value: float, decimals: int) -> str:
    return f"{value:,.{decimals}f}".replace("-", "\u2212") if abs(value) > 1e-12 else "0"
