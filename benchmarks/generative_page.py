"""docs/benchmarks/generative.md of what `benchmarks.generative` has measured so far."""

import os
import platform
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path

import numpy as np

from benchmarks.generative import SEEDS, Result, suits
from benchmarks.generative_causes import tables
from benchmarks.generative_data import DATA_SETS
from benchmarks.generative_figures import DASH, Measured
from benchmarks.generative_rows import ROWS

PAGE = Path(__file__).parents[1] / "docs" / "benchmarks" / "generative.md"
USED = ("torch", "numpy", "scipy", "onnxruntime")
REFERENCE = "sasrec"
COLUMNS = (
    "row", "seeds", "NDCG@10", "HR@10", f"NDCG@10 minus {REFERENCE}", "cold items", "coverage",
    "parameters", "training, CPU min", "ms a request", "lines of code",
)  # fmt: skip


def write(results: Sequence[Result]) -> None:
    """Write the page."""
    PAGE.write_text(
        "\n".join([*_head(), *_body(results), *tables(results), *_foot()]) + "\n", encoding="utf-8"
    )
    print(f"{PAGE} is written.")


def _head() -> Iterator[str]:
    yield "# From popularity to generated codes: the figures"
    yield (
        "NDCG@10 and HR@10 on all test plays, over the full catalogue without what the user had, with "
        "intervals of 95 % over users. Rows that draw at random are means over their seeds, of which there "
        f"are {SEEDS} when the study is complete. Intervals know nothing of seeds: with several the range of "
        "their means stands behind, and behind a difference that of the differences from the same seed. "
        "*Cold items*: NDCG@10 on test plays of items without any play in training. *Coverage*: the share of "
        "the catalogue in the test users' ten best. *Parameters*: numbers that were learned. *Training*: CPU "
        "minutes of one seed on one thread, validation and writing the bundle included. *A request*: CPU "
        "milliseconds for the scores of all items and the ten best, one user at a time. *Lines of code*: of "
        "the files that are there for the row alone. [What it means](../generative.md)"
    )


def _body(results: Sequence[Result]) -> Iterator[str]:
    for name, data in DATA_SETS.items():
        yield from ["", f"## {data.title}", data.about]
        measured = Measured.of(name, results)
        if measured is None:
            yield "\nNot measured yet."
        else:
            yield from _table(name, measured)


def _table(name: str, measured: Measured) -> Iterator[str]:
    about, people, cold = measured.about, measured.people, measured.cold
    yield (
        f"\n{len(people):,} test plays of {len(np.unique(people)):,} users, {about['items']:,} items, "
        f"{about['trained']:,} plays to train on, split {about['split']}; {cold.sum():,} test plays "
        f"({cold.mean():.1%}) are of items without any play in training.\n"
    )
    yield f"| {' | '.join(COLUMNS)} |"
    yield f"|---|{'---:|' * (len(COLUMNS) - 1)}"
    for row, found in measured.rows.items():
        if found:
            yield f"| {' | '.join(_cells(row, measured))} |"
    left = measured.left_out
    if left:
        yield "\nLeft out: " + "; ".join(f"{ROWS[row].title} ({why})" for row, why in left.items()) + "."
    rows = [row for row in ROWS if not measured.rows[row] and row not in left and suits(row, name)]
    if rows:
        yield f"\nNot measured yet: {'; '.join(ROWS[row].title for row in rows)}."


def _cells(row: str, measured: Measured) -> Iterator[str]:
    found, ndcg = measured.rows[row], measured.mean(row)
    compared = row != REFERENCE and measured.rows[REFERENCE]
    yield ROWS[row].title
    yield str(len(found)) if ROWS[row].random else DASH
    yield measured.told(ndcg) + measured.by_seed(row)
    yield measured.told(measured.mean(row, "hr@10"))
    yield measured.less(row, REFERENCE) if compared else DASH
    yield measured.told(ndcg, measured.cold)
    yield f"{np.mean([r['coverage'] for r in found]):.1%}"
    yield f"{found[0]['parameters']:,}"
    yield f"{np.mean([r['cpu_minutes'] for r in found]):.1f}"
    yield f"{np.mean([r['ms'] for r in found]):.2f}" if ROWS[row].served else DASH
    yield str(ROWS[row].lines)


def _foot() -> Iterator[str]:
    yield ""
    yield (
        "- Command: `make study-generative`, which goes on where it was stopped; of one row of one data set, "
        "`python -m benchmarks.generative --data beauty --row tiger-ready-rqvae`"
    )
    yield f"- Machine: {platform.machine()}, {os.cpu_count()} busy cores, one thread a training"
    packages = ", ".join(f"{package} {version(package)}" for package in USED)
    yield f"- Versions: Python {platform.python_version()}, {packages}"
