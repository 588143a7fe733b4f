"""The leaderboards of the shared real data, with intervals: the whole pipeline on each, and a page of them.

    python benchmarks/leaderboards.py                     runs each data set in a new home of its own
    python benchmarks/leaderboards.py --home steam=var    takes homes where the runs are done already

The data lie in ../shared/data. Writes docs/benchmarks/leaderboards.md and docs/pictures/audit-steam.svg.
"""

import argparse
import os
import platform
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from math import isfinite
from pathlib import Path
from typing import Any

from pictures import draw

from assets.evaluation.gate import read_verdict
from assets.evaluation.leaderboard import leaderboard_rows
from assets.evaluation.sequence_audit import read_figures
from assets.resources import Home
from assets.sequences.loading import load_sequences, split_name
from models.evaluation.audit import Figure, describe
from models.evaluation.evidence import Estimate, Verdict

ROOT = Path(__file__).parents[1]
DATA = ROOT.parent / "shared" / "data"
REPORT = ROOT / "docs" / "benchmarks" / "leaderboards.md"
USED = ["torch", "numpy", "scipy", "duckdb", "onnxruntime", "dagster", "mlflow"]
PICTURE = "audit-steam.svg"
LOG = "bench.log"
STEP = re.compile(r"^  done +(\S+) +([\d.]+) s$", re.MULTILINE)


@dataclass(frozen=True)
class DataSet:
    title: str
    about: str
    settings: Mapping[str, str]


DATA_SETS = {
    "steam": DataSet(
        "A part of the Steam libraries",
        "17,236 libraries of Australian players, games played for more than an hour, 5-core, in the order of "
        "the file.",
        {
            "NEXTPLAY_SOURCE": "steam",
            "NEXTPLAY_STEAM_LIBRARIES": "steam/australian_users_items.part.json.gz",
            "NEXTPLAY_STEAM_GAMES": "steam/steam_games.json.gz",
        },
    ),
    "amazon": DataSet(
        "Amazon's video games",
        "The reviews of the SASRec paper's *Games*, 5-core, in time order within each user. Their "
        "`timestamp` is the number of a line and says nothing across users, so `recent_popularity` means "
        "nothing here, nor do the ids.",
        {"NEXTPLAY_SOURCE": "table", "NEXTPLAY_TABLE": "amazon_games/interactions.csv.gz"},
    ),
    "beauty": DataSet(
        "Amazon's beauty",
        "The reviews of the S3-Rec and TIGER papers' *Beauty*, their own 5-core, in S3-Rec's order, with "
        "titles and numbered categories. The rule that turns content on was made with it in sight. "
        "Published, on the same plays: SASRec 0.0318 as in S3-Rec's paper, 0.0531 to 0.0588 where it was "
        "tuned, TIGER 0.0384.",
        {
            "NEXTPLAY_SOURCE": "table",
            "NEXTPLAY_TABLE": "beauty/interactions.csv.gz",
            "NEXTPLAY_TABLE_ITEMS": "beauty/items.csv.gz",
        },
    ),
}


def run(name: str, home: Path) -> None:
    """The whole pipeline on a data set, in a home without champion; ends the bench where it fails."""
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    settings = {
        key: str(DATA / value) if (DATA / value).is_file() else value
        for key, value in DATA_SETS[name].settings.items()
    }
    environment = os.environ | {"NEXTPLAY_HOME": str(home), "DAGSTER_HOME": str(home / "dagster")} | settings
    started = time.perf_counter()
    with (home / LOG).open("w", encoding="utf-8") as log:
        command = [sys.executable, "-m", "pipelines.run"]
        status = subprocess.run(command, env=environment, cwd=ROOT, stderr=log, check=False).returncode
    print(f"{name}: {time.perf_counter() - started:.0f} s", flush=True)
    if status != 0:
        raise SystemExit(f"The run on {name} failed: see {home / LOG}.")


def section(name: str, home: Home) -> Iterator[str]:
    """What a finished home says of a data set, line by line."""
    lake, rows = home.lake(), leaderboard_rows(home.lake())
    sequences, _ = load_sequences(lake)
    yield from ["", f"## {DATA_SETS[name].title}", DATA_SETS[name].about]
    yield (
        f"{len(sequences):,} users, {sequences.n_items:,} items, {len(sequences.items):,} plays; "
        f"{rows[0]['users']:,} test users, split {split_name(lake)}, full catalogue, seen items left out."
    )
    if name == "steam":
        yield from order(read_figures(lake))
    yield from ["", *leaderboard(rows), "", *verdict(read_verdict(home)), *costs(Path(home.path) / LOG)]


def order(figures: Sequence[Figure]) -> Iterator[str]:
    """What the order of Steam's libraries is: in words, as a picture, and its figures."""
    yield from ["", f"**What the order is.** {describe(figures)}"]
    yield from ["", f"![How much the order of Steam's libraries tells](../pictures/{PICTURE})", ""]
    yield from ["| figure | value | 95 % interval |", "|---|---:|---:|"]
    for figure in figures:
        interval = f"{figure.low:.4f} to {figure.high:.4f}" if isfinite(figure.low) else ""
        yield f"| {figure.name} | {figure.value:.4f} | {interval} |"


def leaderboard(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    best = max(row["ndcg_at_10"] for row in rows if row["role"] == "baseline")
    heads = "| model | role | NDCG@10 | 95 % interval | to the best baseline | NDCG@5 | HR@10 | MRR@10 "
    yield heads + "| coverage@20 |"
    yield "|---|---|---:|---:|---:|---:|---:|---:|---:|"
    for row in rows:
        yield (
            f"| {row['model']} | {row['role']} | {row['ndcg_at_10']:.4f} "
            f"| {row['ndcg_at_10_low']:.4f} to {row['ndcg_at_10_high']:.4f} "
            f"| {row['ndcg_at_10'] / best - 1:+.1%} | {row['ndcg_at_5']:.4f} | {row['hr_at_10']:.4f} "
            f"| {row['mrr_at_10']:.4f} | {row['coverage_at_20']:.1%} |"
        )


def verdict(found: Verdict) -> Iterator[str]:
    head = f"promote {found.winner}" if found.promote else "do not promote"
    yield f"**Verdict: {head}.** Paired differences of NDCG@10, user by user:"
    yield from [
        "",
        "| candidate | minus | difference | 95 % interval | of the other |",
        "|---|---|---:|---:|---:|",
    ]
    yield from map(difference, found.estimates)


def difference(e: Estimate) -> str:
    return (
        f"| {e.candidate} | {e.compared_with} | {e.difference:+.4f} | {e.low:+.4f} to {e.high:+.4f} "
        f"| {e.difference / e.other_value:+.1%} |"
    )


def costs(log: Path) -> Iterator[str]:
    """Where the time of the run went, where its log is kept."""
    if log.is_file():
        steps = [(step, float(seconds)) for step, seconds in STEP.findall(log.read_text(encoding="utf-8"))]
        longest = sorted(steps, key=lambda step: -step[1])[:6]
        told = ", ".join(f"{step} {seconds:.0f}" for step, seconds in longest)
        yield from ["", f"The run took {sum(seconds for _, seconds in steps):.0f} s, of which: {told}."]


def page(homes: Mapping[str, Home]) -> str:
    lines = [
        "# Leaderboards of the real data",
        "Every model on the same test users, with the settings that `make run` has by default. A candidate "
        "is compared with each baseline user by user, which tells more than two intervals beside each other.",
    ]
    for name, home in homes.items():
        lines += section(name, home)
    machine = f"{platform.machine()}, {os.cpu_count()} cores"
    packages = ", ".join(f"{package} {version(package)}" for package in USED)
    lines += [
        "",
        "- Command: `make bench-leaderboards`",
        f"- Seed {os.environ.get('NEXTPLAY_SEED', '0')}",
        f"- Machine: {machine}",
        f"- Versions: Python {platform.python_version()}, {packages}",
        "",
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--home", action="append", default=[], metavar="NAME=PATH", help="a finished home")
    given = dict(pair.split("=", 1) for pair in parser.parse_args().home)
    homes = {}
    for name in DATA_SETS:
        path = Path(given.get(name, Path(os.environ.get("NEXTPLAY_HOME", ROOT / "var")) / "bench" / name))
        if name not in given:
            run(name, path)
        homes[name] = Home(path=str(path))
    text = page(homes)
    print(text)
    REPORT.write_text(text, encoding="utf-8")
    draw(PICTURE)


if __name__ == "__main__":
    main()
