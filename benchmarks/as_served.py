"""What is served on the shared real data, with the refit of the winner and without: a night before each cut.

    python benchmarks/as_served.py                all data sets; goes on where it was stopped
    python benchmarks/as_served.py beauty dated   some of them

The data lie in ../shared/data. Writes docs/benchmarks/as-served.md, of what was measured before, too.
"""

import argparse
import json
import os
import platform
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from assets.evaluation.as_served import shown
from assets.evaluation.as_served_tables import JUDGED, SERVED
from pipelines.as_served.measure import measure
from pipelines.operator.environment import set_defaults
from pipelines.resources import Settings

ROOT = Path(__file__).parents[1]
DATA = ROOT.parent / "shared" / "data"
REPORT = ROOT / "docs" / "benchmarks" / "as-served.md"
USED = ["torch", "numpy", "duckdb", "onnxruntime", "dagster", "mlflow"]
PLAIN = ("popularity", "recent_popularity", "markov")  # baselines that the page shows


@dataclass(frozen=True)
class DataSet:
    """What is measured; files are named below `DATA`, and a cut is a value of NEXTPLAY_HOLD_BACK."""

    title: str
    about: str
    settings: Mapping[str, Any]
    cuts: Sequence[str] = ("last",)


UNDATED = "There is one cut, the last play of each user, which leaves some look-ahead."
DATA_SETS = {
    "steam": DataSet(
        "A part of the Steam libraries",
        f"17,236 libraries, games played for more than an hour, 5-core, in the order of the file. {UNDATED}",
        {
            "source": "steam",
            "steam_libraries": "steam/australian_users_items.part.json.gz",
            "steam_games": "steam/steam_games.json.gz",
        },
    ),
    "amazon": DataSet(
        "Amazon's video games",
        f"The reviews of the SASRec paper, 5-core, in time order within each user. {UNDATED}",
        {"source": "table", "table": "amazon_games/interactions.csv.gz"},
    ),
    "beauty": DataSet(
        "Amazon's beauty products",
        f"The 5-core of the later papers, in time order within each user. {UNDATED}",
        {"source": "table", "table": "beauty/interactions.csv.gz"},
    ),
    "dated": DataSet(
        "Dated Steam reviews",
        "Each review is a play at its day, 3-core. Everything from a day on is held back: there is no "
        "look-ahead.",
        {"source": "table", "table": "steam/reviews_dated.parquet", "core": 3},
        ("2014-01-01", "2014-07-01", "2015-01-01", "2015-07-01"),
    ),
    "sample-dated": DataSet(
        "The dated sample",
        "Invented players; the cuts follow from the data, and there is no look-ahead.",
        {"source": "sample-dated"},
        (),
    ),
}


def run(name: str, bench: Path, training: str) -> None:
    """Measure a data set, and keep its rows beside its home."""
    data, home = DATA_SETS[name], bench / name
    given = {
        key: str(DATA / value) if isinstance(value, str) and (DATA / value).is_file() else value
        for key, value in data.settings.items()
    }
    settings = Settings(home=home, training=training, progress=False, **given)
    if not data.cuts and not (home / "lake" / "pointer.json").exists():
        tables_of(settings)
    started = time.monotonic()
    rows = measure(settings, data.cuts, tell=lambda said: print(f"{name}: {said}", flush=True))
    found = {"seconds": round(time.monotonic() - started), "training": training, "rows": rows}
    (bench / f"{name}.json").write_text(json.dumps(found, indent=1), encoding="utf-8")


def tables_of(settings: Settings) -> None:
    """The tables up to all plays, from which cuts follow."""
    from pipelines.apart import run_apart

    if why := run_apart(settings, until=["all_interactions"]):
        raise SystemExit(f"The tables could not be made: {why}")


def section(name: str, found: Mapping[str, Any]) -> Iterator[str]:
    """What was measured on a data set, line by line."""
    data, rows = DATA_SETS[name], found["rows"]
    yield from ["", f"## {data.title}", data.about, "", *gain(rows), ""]
    yield "| cut | model | NDCG@10 | 95 % interval | HR@10 | MRR@10 | users | never trained on |"
    yield "|---|---|---:|---:|---:|---:|---:|---:|"
    for cut in dict.fromkeys(row["cut"] for row in rows):
        of_cut = [row for row in rows if row["cut"] == cut and row["model"] in (SERVED, JUDGED, *PLAIN)]
        for row in sorted(of_cut, key=lambda row: -row["ndcg_at_10"]):
            yield line(row)
    served = next(row for row in shown(rows) if row["model"] == SERVED)
    if served["new_users"]:
        yield (
            f"\nBeside them {served['new_users']:,} users played whom the night had not learned from: "
            f"NDCG@10 {served['new_users_ndcg_at_10']:.4f}."
        )
    yield f"\nThe nights and their judgement took {found['seconds']:,} s."


def line(row: Mapping[str, Any]) -> str:
    names = {
        SERVED: f"**served: {row['architecture']}, refitted**",
        JUDGED: f"{row['architecture']}, as judged",
    }
    return (
        f"| {row['cut']} | {names.get(row['model'], row['model'])} | {row['ndcg_at_10']:.4f} "
        f"| {row['ndcg_at_10_low']:.4f} to {row['ndcg_at_10_high']:.4f} | {row['hr_at_10']:.4f} "
        f"| {row['mrr_at_10']:.4f} | {row['users']:,} | {row['never_trained']:,} |"
    )


def gain(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """What the refit brings, in one sentence."""
    value = {row["model"]: row["ndcg_at_10"] for row in shown(rows)}
    if JUDGED not in value:
        yield "The bundle that was judged serves: the refit did not pass its checks, or was turned off."
        return
    yield (
        f"The refit serves {value[SERVED]:.4f} in the place of {value[JUDGED]:.4f}, "
        f"{value[SERVED] / value[JUDGED] - 1:+.1%}."
    )


def page(found: Mapping[str, Mapping[str, Any]]) -> str:
    lines = [
        "# As served",
        "NDCG@10 of what a whole night serves, on each user's next play, which was held back from all of it: "
        "[how it is measured](../operations.md#as-served). *As judged* is the same model without the refit, "
        "which is what was served before there was one. Baselines have the settings that the night chose, "
        "and are fitted on all that it knew. *Never trained on* counts plays of items that the model has not "
        "learned from. Nights run with the settings that `make run` has by default.",
    ]
    for name, of in found.items():
        lines += section(name, of)
    packages = ", ".join(f"{package} {version(package)}" for package in USED)
    training = {of["training"] for of in found.values()}
    lines += [
        "",
        "- Command: `make bench-as-served`",
        *(f"- Changed training: `{changes}`" for changes in sorted(training - {"{}"})),
        f"- Machine: {platform.machine()}, {os.cpu_count()} cores",
        f"- Versions: Python {platform.python_version()}, {packages}",
        "",
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("names", nargs="*", help=f"of {', '.join(DATA_SETS)}")
    parser.add_argument("--training", default="{}", help="changes of training, as NEXTPLAY_TRAINING has them")
    parser.add_argument("--report", type=Path, default=REPORT)
    given = parser.parse_args()
    set_defaults()
    bench = Path(os.environ["NEXTPLAY_HOME"]) / "bench" / "as_served"
    bench.mkdir(parents=True, exist_ok=True)
    for name in given.names or DATA_SETS:
        run(name, bench, given.training)
    measured = [name for name in DATA_SETS if (bench / f"{name}.json").exists()]
    text = page({name: json.loads((bench / f"{name}.json").read_text()) for name in measured})
    print(text)
    given.report.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
