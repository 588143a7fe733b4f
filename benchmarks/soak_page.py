"""docs/benchmarks/soak.md and its picture, from what a soak saw: `python -m benchmarks.soak_page`."""

import json
from typing import Any

from markupsafe import Markup

from assets.shown.axis import Axis
from assets.shown.charts import Line, Notes, Plane, alone, drawing, line_chart
from benchmarks.serving_load import ROOT, table
from benchmarks.soak import (
    AFTER_KILL,
    ANSWERS,
    EVENTS,
    FORGET_EVERY,
    LISTING_EVERY,
    POSTS,
    RECORD,
    SWAP_EVERY,
    USERS,
    WORKERS,
    Sample,
    Soak,
)

PAGE = ROOT / "docs" / "benchmarks" / "soak.md"
PICTURE = ROOT / "docs" / "pictures" / "soak.svg"
WIDTH, HEIGHT = 640, 220
PANELS = (("memory_mb", "MB of memory"), ("descriptors", "descriptors"), ("disk_mb", "MB of events"))


def read() -> Soak:
    """What the last whole soak saw."""
    found: dict[str, Any] = json.loads(RECORD.read_text(encoding="utf-8"))
    samples = [Sample(**sample) for sample in found.pop("samples")]
    pairs = {name: [tuple(pair) for pair in found.pop(name)] for name in ("failed",)}
    return Soak(**found, **pairs, samples=samples)


def chart(soak: Soak) -> Markup:
    """Memory, descriptors, disk and latencies by minutes, one above the other."""
    minutes = [sample.at / 60 for sample in soak.samples]
    across = Axis.over([0.0, *minutes])
    kills = Notes(events={kill / 60: "worker killed" for kill in soak.kills})
    panels = []
    for name, unit in PANELS:
        values = [float(getattr(sample, name)) for sample in soak.samples]
        plane = Plane(across, Axis.over(values), "minutes", unit, WIDTH, HEIGHT, right=96)
        panels.append(line_chart(plane, [Line("", "champion", minutes, values)], kills))
    slowest = [sample.p99_ms for sample in soak.samples]
    plane = Plane(across, Axis.over(slowest), "minutes", "ms an answer", WIDTH, HEIGHT, right=96)
    usual = Line("p50", "champion", minutes, [sample.p50_ms for sample in soak.samples])
    panels.append(line_chart(plane, [usual, Line("p99", "candidate", minutes, slowest)], kills))
    inner = Markup('<svg x="0" y="{}" width="{}" height="{}">{}</svg>')
    parts = [inner.format(place * HEIGHT, WIDTH, HEIGHT, panel) for place, panel in enumerate(panels)]
    return drawing(parts, len(panels) * HEIGHT, "The endpoint through a soak", WIDTH)


def page(soak: Soak) -> str:
    (first, last), outside = soak.memory(), soak.outside_kills()
    failed = f"{len(outside):,} failed, {len(soak.failed):,} with those {AFTER_KILL:.0f} s after a kill"
    rows = [
        ["events acknowledged", f"{soak.acknowledged:,}", f"{soak.lost:,} lost"],
        ["users forgotten", f"{soak.forgotten:,}", f"{soak.remembered:,} of their events left"],
        ["answers", f"{soak.answers:,}", failed],
        ["memory, early and late", f"{first:.0f} and {last:.0f} MB", f"{100 * (last / first - 1):+.1f} %"],
        ["models swapped", f"{soak.swaps:,}", ""],
        ["workers killed", f"{len(soak.kills):,}", ""],
    ]
    parts = [
        "# A soak of an hour",
        f"`make bench-soak`: {soak.seconds / 60:.0f} minutes of everything at once, {WORKERS} workers. "
        f"{ANSWERS:.0f} answers a second for {USERS:,} users, their impressions kept; {POSTS:.0f} posts of "
        f"{EVENTS} events a second; an item listed and another taken away every {LISTING_EVERY:.0f} s, a "
        f"user forgotten every {FORGET_EVERY:.0f} s, a model swapped every {SWAP_EVERY:.0f} s, and "
        f"{len(soak.kills)} workers killed with SIGKILL. {soak.machine}.",
        table(["", "", ""], rows),
        "An event is *lost* where it was acknowledged, its user was not forgotten, and the store does not "
        "have it at the end. A client sends again what was not acknowledged. Memory is what the workers have "
        "for themselves: medians of the second and of the last tenth of the time.",
        *([soak.remark] if soak.remark else []),
        "![Memory, descriptors, disk and latencies by minutes](../pictures/soak.svg)",
    ]
    return "\n\n".join(parts) + "\n"


def write(soak: Soak) -> None:
    PAGE.write_text(page(soak), encoding="utf-8")
    PICTURE.write_text(alone(chart(soak)), encoding="utf-8")


if __name__ == "__main__":
    write(read())
