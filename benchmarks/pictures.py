"""The charts of docs/, drawn from the figures that stand there.

    python -m benchmarks.pictures     (`make pictures` does it too)

So a change of a chart needs no measuring again, and a test can hold each picture against its figures.
"""

import re
from collections.abc import Callable, Mapping
from pathlib import Path

from markupsafe import Markup

from assets.shown.axis import Axis
from assets.shown.charts import (
    ROLES,
    Interval,
    Line,
    Plane,
    alone,
    beside,
    drawing,
    interval_chart,
    line_chart,
)
from assets.shown.charts import WIDTH as CHART
from assets.shown.plots import audit_chart
from benchmarks import soak_page
from models.evaluation.audit import Figure
from pipelines.simulation.records import picture
from pipelines.simulation.scenario import Scenario

DOCS = Path(__file__).resolve().parents[1] / "docs"
NUMBER = r"[+-]?\d[\d,]*\.?\d*"
WIDTH, HEIGHT = 400, 288  # px, of a panel
ALL = {"NDCG@10": "all plays"}


def rows_below(heading: str, page: str) -> list[list[str]]:
    """The cells of the Markdown table that has this first line, without its two lines of heading."""
    lines = (DOCS / "benchmarks" / page).read_text(encoding="utf-8").partition(heading)[2].splitlines()[2:]
    end = next((n for n, line in enumerate(lines) if not line.startswith("|")), len(lines))
    if end == 0:
        raise ValueError(f"docs/benchmarks/{page} has no table {heading!r}.")
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[:end]]


def numbers(cell: str) -> list[float]:
    """Those of `0.1116 (0.1046 to 0.1189)`: value, low, high."""
    return [float(found.replace(",", "")) for found in re.findall(NUMBER, cell)]


def order_of_steam() -> Markup:
    """How much the order of Steam's libraries tells."""
    rows = rows_below("| figure | value | 95 % interval |", "leaderboards.md")
    return audit_chart([Figure(name, *numbers(value), *numbers(interval)) for name, value, interval in rows])


def training_growth() -> Markup:
    """Speed and memory of training by the size of the catalogue, a line a loss."""
    rows = rows_below("| items | loss | positions a second | peak MiB |", "training.md")
    losses = list(dict.fromkeys(row[1] for row in rows))
    panels = []
    for column, title, unit in ((2, "speed", "positions a second"), (3, "memory", "MiB at the peak")):
        lines = []
        for loss, role in zip(losses, ROLES, strict=False):
            points = [(numbers(row[0])[0], numbers(row[column])[0]) for row in rows if row[1] == loss]
            lines.append(Line(loss, role, [x for x, _ in points], [y for _, y in points]))
        x = Axis.decades([size for line in lines for size in line.x])
        y = Axis.decades([value for line in lines for value in line.y])
        plane = Plane(x, y, "items in the catalogue", unit, WIDTH + 80, HEIGHT, right=80)
        panels.append((title, line_chart(plane, lines)))
    return beside(panels, WIDTH + 80, HEIGHT, "Speed and memory of training by the size of the catalogue")


def bert4rec() -> Markup:
    """NDCG@10 of both networks by budget, a panel a measure, a line a network and loss."""
    rows = rows_below("| network, loss, epochs |", "bert4rec.md")
    measures = ("full catalogue", "100 uniform", "100 by popularity")
    setting = re.compile(r"(.+), (\d+) epochs")
    found = [(setting.fullmatch(row[0]), row[1:]) for row in rows]
    points = [(match[1], match[2], cells) for match, cells in found if match]
    epochs = list(dict.fromkeys(budget for _, budget, _ in points))
    panels = []
    for column, measure in enumerate(measures):
        lines = []
        for name, role in zip(dict.fromkeys(name for name, _, _ in points), ROLES, strict=False):
            of = [(epochs.index(budget), *numbers(cells[column])) for n, budget, cells in points if n == name]
            x, y, low, high = zip(*of, strict=True)
            lines.append(Line(name.replace(", 1 negative", ""), role, x, y, low, high))
        y_axis = Axis.over(value for line in lines for value in line.high)
        plane = Plane(Axis.named(epochs), y_axis, "epochs", "NDCG@10", WIDTH, HEIGHT, right=160)
        panels.append((measure, line_chart(plane, lines)))
    return beside(panels, WIDTH, HEIGHT, "NDCG@10 of SASRec and BERT4Rec by epochs, loss and measure")


def compared(first: str, measures: Mapping[str, str]) -> Markup:
    """A panel for each data set and measure of a cause of `benchmarks.generative_causes`, a row a setting.

    `first` is how the heading of its table begins; `measures` are columns with what they are called.
    """
    page = (DOCS / "benchmarks" / "generative.md").read_text(encoding="utf-8")
    columns = [
        cell.strip() for cell in (first + page.partition(first)[2].split("\n")[0]).strip("|").split("|")
    ]
    rows = rows_below(first, "generative.md")
    parts, below = list[Markup](), 0.0
    for data in dict.fromkeys(row[0] for row in rows):
        for column, words in measures.items():
            found = [(row[1], numbers(row[columns.index(column)])) for row in rows if row[0] == data]
            shown = [
                Interval(name, "candidate" if place else "champion", low, value, high)
                for place, (name, (value, low, high)) in enumerate(found)
            ]
            panel = interval_chart(shown, "NDCG@10", f"{data}: {words}")
            height = float(str(panel).partition('viewBox="0 0 ')[2].partition('"')[0].split()[1])
            parts.append(
                Markup('<svg y="{:g}" width="{}" height="{:g}">{}</svg>').format(below, CHART, height, panel)
            )
            below += height + 24
    return drawing(parts, below - 24, f"NDCG@10 by {columns[1]}", CHART)


CHARTS: Mapping[str, Callable[[], str]] = {
    "audit-steam.svg": lambda: alone(order_of_steam()),
    "bert4rec.svg": lambda: alone(bert4rec()),
    "freshness.svg": lambda: picture(DOCS, Scenario()),
    "generative-content.svg": lambda: alone(
        compared(
            "| data | content |", {"known items": "known items", "cold items": "items nobody has played"}
        )
    ),
    "generative-time.svg": lambda: alone(compared("| data | time |", ALL)),
    "generative-tuning.svg": lambda: alone(compared("| data | loss and tuning of the baseline |", ALL)),
    "soak.svg": lambda: alone(soak_page.chart(soak_page.read())),
    "training-growth.svg": lambda: alone(training_growth()),
}


def draw(name: str) -> None:
    """Write one of CHARTS anew."""
    (DOCS / "pictures" / name).write_text(CHARTS[name](), encoding="utf-8")


if __name__ == "__main__":
    for chart in CHARTS:
        draw(chart)
