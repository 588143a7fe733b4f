"""docs/benchmarks/generative.md of what `benchmarks.generative` has measured so far."""

import os
import platform
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.contenders.common import unpacked
from benchmarks.generative import SEEDS, Result
from benchmarks.generative_data import DATA_SETS
from benchmarks.generative_rows import ROWS
from benchmarks.tomorrow import codes_in
from models.evaluation.metrics import per_user
from models.evaluation.stats import SEED, bootstrap_interval

PAGE = Path(__file__).parents[1] / "docs" / "benchmarks" / "generative.md"
USED = ("torch", "numpy", "scipy", "onnxruntime")
REFERENCE = "sasrec"
COLUMNS = (
    "row", "seeds", "NDCG@10", "HR@10", f"NDCG@10 minus {REFERENCE}", "cold items", "coverage",
    "parameters", "training, CPU min", "ms a request", "lines of code",
)  # fmt: skip
DASH = "–"
Values = NDArray[np.float64]


def write(results: Sequence[Result]) -> None:
    """Write the page."""
    PAGE.write_text("\n".join([*_head(), *_body(results), *_foot()]) + "\n", encoding="utf-8")
    print(f"{PAGE} is written.")


def _head() -> Iterator[str]:
    yield "# From popularity to generated codes: the figures"
    yield (
        "NDCG@10 and HR@10 on all test plays, over the full catalogue without what the user had, with "
        "intervals of 95 % over users. Rows that draw at random are means over their seeds, of which there "
        f"are {SEEDS} when the study is complete; with several seeds the range of their means stands behind. "
        "*Cold items*: NDCG@10 on test plays of items without any play in training. *Coverage*: the share of "
        "the catalogue in the test users' ten best. *Parameters*: numbers that were learned. *Training*: CPU "
        "minutes of one seed on one thread, validation and writing the bundle included. *A request*: CPU "
        "milliseconds for the scores of all items and the ten best, one user at a time. *Lines of code*: of "
        "the files that are there for the row alone. [What it means](../generative.md)"
    )


def _body(results: Sequence[Result]) -> Iterator[str]:
    for name, data in DATA_SETS.items():
        about = next((r for r in reversed(results) if r["data"] == name and "about" in r), None)
        yield from ["", f"## {data.title}", data.about]
        if about is None:
            yield "\nNot measured yet."
            continue
        made = [r for r in results if r["data"] == name and r["made"] == about["made"]]
        yield from _table(name, about["about"], made)


def _table(name: str, about: Mapping[str, Any], made: Sequence[Result]) -> Iterator[str]:
    people, cold = codes_in(about["people"]), unpacked(about["cold"]).astype(bool)
    yield (
        f"\n{len(people):,} test plays of {len(np.unique(people)):,} users, {about['items']:,} items, "
        f"{about['trained']:,} plays to train on, split {about['split']}; {cold.sum():,} test plays "
        f"({cold.mean():.1%}) are of items without any play in training.\n"
    )
    rows = {row: [r for r in made if r.get("row") == row and "ranks" in r] for row in ROWS}
    reference = _mean("ndcg@10", rows[REFERENCE]) if rows[REFERENCE] else None
    yield f"| {' | '.join(COLUMNS)} |"
    yield f"|---|{'---:|' * (len(COLUMNS) - 1)}"
    for row, found in rows.items():
        if found:
            yield f"| {' | '.join(_cells(row, found, people, cold, reference))} |"
    left = {r["row"]: r["left out"] for r in made if "left out" in r}
    if left:
        yield "\nLeft out: " + "; ".join(f"{ROWS[row].title} ({why})" for row, why in left.items()) + "."
    missing = [row for row in ROWS if not rows[row] and row not in left and ROWS[row].suits(name)]
    if missing:
        yield f"\nNot measured yet: {', '.join(ROWS[row].title for row in missing)}."


def _cells(
    row: str,
    found: Sequence[Result],
    people: NDArray[np.int32],
    cold: NDArray[np.bool_],
    reference: Values | None,
) -> Iterator[str]:
    ndcg = _mean("ndcg@10", found)
    yield ROWS[row].title
    yield str(len(found)) if ROWS[row].random else DASH
    yield _interval(ndcg, people) + _range(found)
    yield _interval(_mean("hr@10", found), people)
    yield DASH if reference is None or row == REFERENCE else _interval(ndcg - reference, people, sign="+")
    yield _interval(ndcg[cold], people[cold]) if cold.any() else DASH
    yield f"{np.mean([r['coverage'] for r in found]):.1%}"
    yield f"{found[0]['parameters']:,}"
    yield f"{np.mean([r['cpu_minutes'] for r in found]):.1f}"
    yield f"{np.mean([r['ms'] for r in found]):.2f}"
    yield str(ROWS[row].lines)


def _mean(metric: str, found: Sequence[Result]) -> Values:
    """Of each test play over the seeds, [plays]."""
    values: Values = np.mean([per_user(metric, unpacked(r["ranks"])) for r in found], axis=0)
    return values


def _interval(values: Values, people: NDArray[np.int32], sign: str = "") -> str:
    if len(np.unique(people)) < 2:
        return f"{values.mean():{sign}.4f}"
    low, high = bootstrap_interval(values, seed=SEED, people=people)
    return f"{values.mean():{sign}.4f} ({low:{sign}.4f} to {high:{sign}.4f})"


def _range(found: Sequence[Result]) -> str:
    """The least and the greatest mean of a seed."""
    if len(found) < 2:
        return ""
    means = [per_user("ndcg@10", unpacked(r["ranks"])).mean() for r in found]
    return f", seeds {min(means):.4f} to {max(means):.4f}"


def _foot() -> Iterator[str]:
    yield ""
    yield (
        "- Command: `make study-generative`, which goes on where it was stopped; of one row of one data set, "
        "`python -m benchmarks.generative --data beauty --row tiger-ready-rqvae`"
    )
    yield f"- Machine: {platform.machine()}, {os.cpu_count()} busy cores, one thread a training"
    packages = ", ".join(f"{package} {version(package)}" for package in USED)
    yield f"- Versions: Python {platform.python_version()}, {packages}"
