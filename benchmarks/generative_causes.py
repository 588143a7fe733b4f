"""What the published figures of these systems contradict each other by, one cause after the other."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from benchmarks.generative import Result
from benchmarks.generative_data import DATA_SETS
from benchmarks.generative_figures import Measured
from benchmarks.generative_rows import ROWS


@dataclass(frozen=True)
class Cause:
    """Rows that differ in it; the first is what the others are compared with."""

    title: str
    about: str
    data: tuple[str, ...]
    rows: tuple[str, ...]

    @property
    def heading(self) -> str:
        """The first line of its table."""
        first = ROWS[self.rows[0]].title
        return f"| data | {self.title} | NDCG@10 | minus {first} | known items | cold items |"


CAUSES = {
    "tuning": Cause(
        "loss and tuning of the baseline",
        "*As in its paper*: width 50, one head, binary cross-entropy with one negative, Adam at 0.001 "
        "throughout, dropout 0.5. The next row changes its loss alone. Then our settings: with the "
        "paper's loss, with its own, and with content.",
        ("beauty", "steam-dated"),
        ("sasrec-paper", "sasrec-paper-softmax", "sasrec-bce", "sasrec-ids", "sasrec"),
    ),
    "time": Cause(
        "time",
        "With times, attention knows how long ago each item was played when the next was asked for.",
        ("steam-dated", "movielens"),
        ("hstu", "hstu-timed", "sasrec"),
    ),
    "content": Cause(
        "content",
        "What an item is known by: its plays alone, content beside them, codes of content, or beginnings of "
        "its code.",
        ("beauty", "beauty-cold", "steam-dated"),
        (
            "sasrec-ids", "sasrec", "sasrec-ready-codes", "sasrec-ready-prefixes", "sasrec-codes",
            "sasrec-prefixes", "tiger-ready-rqvae", "tiger-prefixes", "tiger-rqvae", "content",
        ),
    ),
}  # fmt: skip
STAGES_ABOUT = (
    "The same plays and the same catalogue. SASRec takes titles and attributes from it where the data have "
    "few plays an item; where they have more, *SASRec with content* does. Prices, the age of items, what is "
    "played of late and counts of what goes together are what rankers see beyond that."
)
STAGES_HEADING = "| data | stages | NDCG@10 | minus SASRec | known items | cold items | ms a request |"
STAGES = ("sasrec", "sasrec-content", "sasrec-ranked", "two-towers", "two-stage")
STAGED_DATA = ("steam", "beauty", "amazon-games", "steam-dated", "movielens")


def tables(results: Sequence[Result]) -> Iterator[str]:
    """A table for each cause, of what is measured so far."""
    measured = {name: Measured.of(name, results) for name in DATA_SETS}
    for cause in CAUSES.values():
        yield from ["", f"## The cause: {cause.title}", cause.about, "", cause.heading]
        yield "|---|---|---:|---:|---:|---:|"
        for name in cause.data:
            yield from _compared(name, measured[name], cause.rows)
    yield from ["", "## One stage or two", STAGES_ABOUT]
    yield from ["", STAGES_HEADING, "|---|---|---:|---:|---:|---:|---:|"]
    for name in STAGED_DATA:
        yield from _compared(name, measured[name], STAGES, request=True)


def _compared(
    name: str, measured: Measured | None, rows: Sequence[str], request: bool = False
) -> Iterator[str]:
    if measured is None:
        return
    for row in rows:
        if not (found := measured.rows[row]):
            continue
        values = measured.mean(row)
        cells = [DATA_SETS[name].title, ROWS[row].title, measured.told(values)]
        cells.append(measured.less(row, rows[0]) if row != rows[0] and measured.rows[rows[0]] else "")
        cells += [measured.told(values, ~measured.cold), measured.told(values, measured.cold)]
        if request:
            cells.append(f"{sum(r['ms'] for r in found) / len(found):.2f}")
        yield f"| {' | '.join(cells)} |"
