"""What the page of nights shows, and the page: figures in, one self-contained HTML text out; no script."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from assets.evaluation.reporting.page import STYLES
from assets.shown.plots import drift_chart, online_chart, standings_chart

FOLDER = Path(__file__).parent
TEMPLATE = FOLDER / "page.html"
STYLE = FOLDER / "style.css"
MARKS = {
    **{"promoted": "▲", "refused": "=", "unchanged": "=", "skipped": "–"},
    **{"failed": "✕", "interrupted": "✕", "not started": "✕"},
}  # of outcomes, by their first words


@dataclass(frozen=True)
class Serving:
    """A champion: since when, as text, and why it became that."""

    version: str
    architecture: str
    since: str
    why: str


@dataclass(frozen=True)
class Night:
    """A run with its retries, or what else happened: `report` is the file name of its report."""

    at: str
    how: str
    outcome: str
    said: str
    took: str = ""
    report: str = ""

    @property
    def kind(self) -> str:
        """The first words of the outcome, which its mark and its colour follow."""
        return next((kind for kind in MARKS if self.outcome.startswith(kind)), "other")

    @property
    def mark(self) -> str:
        return MARKS.get(self.kind, "·")


@dataclass(frozen=True)
class Report:
    """A gate report that is kept."""

    name: str
    made: str
    headline: str


@dataclass(frozen=True)
class Overview:
    """Everything that the page says. Times are texts in one zone, so that the page needs no clock."""

    made: str
    home: str
    zone: str = "UTC"
    champion: Serving | None = None
    as_served: str = ""  # what is served, as it was measured last
    attention: Sequence[str] = ()
    next_night: str = ""
    nights: Sequence[Night] = ()  # newest first
    reigns: Sequence[Serving] = ()  # newest first
    # The leaderboard of each night, by its name, oldest first.
    standings: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    drift: Sequence[Mapping[str, Any]] = ()  # rows of the table, oldest day first
    drift_words: str = ""
    online: Sequence[Mapping[str, Any]] = ()  # rows of the table for k = 10, oldest day first
    reports: Sequence[Report] = ()  # newest first


def render(shown: Overview) -> str:
    """The whole page."""
    environment = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    newest = next(reversed(list(shown.standings.items())), None)
    return environment.get_template(TEMPLATE.name).render(
        style=Markup("\n").join(Markup(path.read_text(encoding="utf-8")) for path in (*STYLES, STYLE)),
        shown=shown,
        newest=newest,
        over_time=standings_chart(shown.standings) if shown.standings else None,
        drift=drift_chart(shown.drift) if shown.drift else None,
        online=online_chart(shown.online) if shown.online else None,
        online_words=online_words(shown.online),
    )


def online_words(rows: Sequence[Mapping[str, Any]]) -> str:
    """What the newest day of online results says, in a sentence."""
    if not rows:
        return ""
    newest = [row for row in rows if row["day"] == rows[-1]["day"]]
    told = [
        f"of {row['requests']:,} answers of version {row['model_version']} {row['hits']:,} were followed "
        f"({row['hit_rate']:.1%}, 95 % interval {row['low']:.1%} to {row['high']:.1%})"
        for row in newest
    ]
    return f"On {rows[-1]['day']}, {'; '.join(told)}."
