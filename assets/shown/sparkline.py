"""A curve in one line of text, for places that show no pictures."""

from collections.abc import Sequence

BARS = "▁▂▃▄▅▆▇█"


def sparkline(values: Sequence[float]) -> str:
    """A bar for each value, from the lowest of all to the highest; equal ones are in the middle."""
    low, high = min(values, default=0.0), max(values, default=0.0)
    if low == high:
        return BARS[len(BARS) // 2] * len(values)
    return "".join(BARS[round((value - low) / (high - low) * (len(BARS) - 1))] for value in values)
