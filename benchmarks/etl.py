"""How long it takes to get from the raw libraries to `core_interactions`, by three ways, and the floor.

    python benchmarks/etl.py            the size of the real file: 88,310 lines, 5.15 million items, 74 MB
    python benchmarks/etl.py --lines 4000

Each way runs in a process of its own, reads the same gzip file, and writes the same two tables; they are
compared at the end. Prints a table and writes docs/benchmarks/etl.md. Needs `pip install orjson polars`.
"""

import argparse
import gzip
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from raw_libraries import REAL_LINES, write_raw_file

ROOT = Path(__file__).parents[1]
REPORT = ROOT / "docs" / "benchmarks" / "etl.md"
MIN_PLAYTIME, CORE = 60, 5
USED = ["duckdb", "pyarrow", "numpy", "polars", "orjson", "pandas"]
NAMES = {
    "gunzip": "gunzip alone (the floor)",
    "ours": "Nextplay: proven pieces, DuckDB",
    "orjson_polars": "quotes rewritten, orjson, Polars",
    "literal_eval_pandas": "`ast.literal_eval`, pandas",
}


# --- the ways; each yields the name of a stage when it has ended


def gunzip(source: Path, folder: Path) -> Iterator[str]:
    with gzip.open(source) as stream:
        while stream.read(1 << 24):
            pass
    yield "gunzip"


def ours(source: Path, folder: Path) -> Iterator[str]:
    """What the assets do, publication in the lake included."""
    import pandas  # noqa: F401  (pyarrow imports it at its first conversion)

    from assets.clean.clean import CLEAN_TABLES, write_clean
    from assets.clean.core_interactions import write_core
    from assets.engines.engine import DuckDB
    from assets.state.lake import Lake, fingerprint

    yield "imports"
    lake = Lake(folder / "lake", memory_limit="1GB")
    lake.publish_many(fingerprint("a"), list(CLEAN_TABLES), partial(write_clean, {"libraries": source}))
    yield "read, unite, write"

    def write(path: Path) -> None:
        with lake.connect("interactions") as connection:
            write_core(DuckDB(connection), path, MIN_PLAYTIME, CORE)

    lake.publish("core_interactions", fingerprint("b"), write)
    yield "k-core, write"
    for table in ("interactions", "core_interactions"):
        (folder / f"{table}.parquet").symlink_to(lake.current(table).path)


def orjson_polars(source: Path, folder: Path) -> Iterator[str]:
    import re

    import orjson
    import polars as pl

    yield "imports"
    token = re.compile(rb'"(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\.)*\'')

    def swap(match: "re.Match[bytes]") -> bytes:
        text = match[0]
        if text[:1] == b'"':
            return text
        return b'"' + text[1:-1].replace(b'"', b'\\"').replace(b"\\'", b"'") + b'"'

    users: list[str] = []
    items: list[str] = []
    played: list[int] = []
    with gzip.open(source) as stream:
        for line in stream:
            plain = b'"' not in line and b"\\'" not in line
            library = orjson.loads(line.replace(b"'", b'"') if plain else token.sub(swap, line))
            owned = library["items"]
            users += [library["steam_id"]] * len(owned)
            items += [item["item_id"] for item in owned]
            played += [item["playtime_forever"] for item in owned]
    yield "read"
    position = pl.int_range(pl.len()).over("user_id").cast(pl.Int32).alias("position")
    columns = ["user_id", "item_id", "position", "playtime"]
    frame = pl.DataFrame({"user_id": users, "item_id": items, "playtime": pl.Series(played, dtype=pl.Int32)})
    del users, items, played
    frame = (
        frame.with_row_index("n")
        .group_by("user_id", "item_id")
        .agg(pl.col("n").min(), pl.col("playtime").max())
        .sort("user_id", "n")
        .select("user_id", "item_id", position, "playtime")
    )
    frame.write_parquet(folder / "interactions.parquet", compression="zstd")
    yield "unite, write"
    core = frame.filter(pl.col("playtime") > MIN_PLAYTIME)
    height = -1
    while height != core.height:
        height = core.height
        core = core.filter(pl.len().over("user_id") >= CORE).filter(pl.len().over("item_id") >= CORE)
    core.with_columns(position).select(columns).write_parquet(
        folder / "core_interactions.parquet", compression="zstd"
    )
    yield "k-core, write"


def literal_eval_pandas(source: Path, folder: Path) -> Iterator[str]:
    import ast

    import pandas as pd

    yield "imports"
    users: list[str] = []
    items: list[str] = []
    played: list[int] = []
    with gzip.open(source, "rt", encoding="utf-8") as stream:
        for line in stream:
            library = ast.literal_eval(line)
            for item in library["items"]:
                users.append(library["steam_id"])
                items.append(item["item_id"])
                played.append(item["playtime_forever"])
    yield "read"
    frame = pd.DataFrame({"user_id": users, "item_id": items, "playtime": np.array(played, dtype=np.int32)})
    del users, items, played
    frame = frame.groupby(["user_id", "item_id"], sort=False, as_index=False)["playtime"].max()
    frame = frame.sort_values("user_id", kind="stable", ignore_index=True)
    frame.insert(2, "position", frame.groupby("user_id").cumcount().astype("int32"))
    frame.to_parquet(folder / "interactions.parquet", compression="zstd", index=False)
    yield "unite, write"
    core = frame[frame["playtime"] > MIN_PLAYTIME]
    height = -1
    while height != len(core):
        height = len(core)
        core = core[core.groupby("user_id")["item_id"].transform("size") >= CORE]
        core = core[core.groupby("item_id")["user_id"].transform("size") >= CORE]
    core = core.assign(position=core.groupby("user_id").cumcount().astype("int32"))
    core.to_parquet(folder / "core_interactions.parquet", compression="zstd", index=False)
    yield "k-core, write"


WAYS: dict[str, Callable[[Path, Path], Iterator[str]]] = {
    "gunzip": gunzip,
    "ours": ours,
    "orjson_polars": orjson_polars,
    "literal_eval_pandas": literal_eval_pandas,
}


def run_here(way: str, source: Path, folder: Path) -> dict[str, Any]:
    """Seconds a stage (imports left out of the total), CPU seconds and the peak of memory."""
    stages: dict[str, float] = {}
    last, cpu = time.perf_counter(), time.process_time()
    for stage in WAYS[way](source, folder):
        now = time.perf_counter()
        stages[stage], last = now - last, now
        if stage == "imports":
            cpu = time.process_time()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    total = sum(seconds for stage, seconds in stages.items() if stage != "imports")
    return {"stages": stages, "total": total, "cpu": time.process_time() - cpu, "peak": peak}


def run_apart(way: str, source: Path, folder: Path) -> dict[str, Any]:
    folder.mkdir(parents=True)
    command = [sys.executable, __file__, "--way", way, "--source", str(source), "--folder", str(folder)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    result: dict[str, Any] = json.loads(done.stdout)
    print(f"{way:20}{result['total']:8.1f} s", flush=True)
    return result


def differences(work: Path, ways: list[str]) -> dict[str, int]:
    """Rows in which the tables of a way differ from ours."""
    import duckdb

    found = {}
    with duckdb.connect(config={"memory_limit": "4GB", "temp_directory": str(work / "spill")}) as connection:
        for way in ways:
            found[way] = 0
            for table in ("interactions", "core_interactions"):
                files = [str(work / one / f"{table}.parquet") for one in ("ours", way)]
                for left, right in (files, files[::-1]):
                    select = "SELECT user_id, item_id, position, playtime FROM read_parquet(?)"
                    count = f"SELECT count(*) FROM ({select} EXCEPT ALL {select})"
                    row = connection.execute(count, [left, right]).fetchone()
                    found[way] += row[0] if row else 0
    return found


def report(results: dict[str, dict[str, Any]], about: dict[str, str]) -> str:
    mine = results["ours"]["total"]
    lines = [
        "# From the raw file to core interactions",
        "",
        "One run, each way in a process of its own, one after the other; ours runs at the start and at the",
        "end, and the slower time counts. All read the same gzip file and write the same two Parquet tables",
        "(compared row by row at the end: they are equal):",
        "`interactions`, the libraries of one user united, and `core_interactions`, of which more than",
        f"{MIN_PLAYTIME} minutes were played, {CORE}-core.",
        "",
        "| way | seconds | times ours | CPU seconds | peak memory |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for way, result in results.items():
        lines.append(
            f"| {NAMES[way]} | {result['total']:.1f} | {result['total'] / mine:.1f} | {result['cpu']:.1f} "
            f"| {result['peak'] / 2**30:.2f} GiB |"
        )
    lines += ["", "Where the time goes (seconds; imports are not in the totals):", ""]
    for way, result in results.items():
        stages = ", ".join(f"{stage} {seconds:.1f}" for stage, seconds in result["stages"].items())
        lines.append(f"- {NAMES[way]}: {stages}.")
    lines += ["", *(f"- {name}: {value}" for name, value in about.items()), ""]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=REAL_LINES)
    parser.add_argument("--work", type=Path, help="keeps the generated file there")
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    parser.add_argument("--source", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.way:
        print(json.dumps(run_here(given.way, given.source, given.folder)))
        return
    with tempfile.TemporaryDirectory(dir=given.work) as temporary:
        work = Path(temporary)
        source = (given.work or work) / f"libraries-{given.lines}.json.gz"
        if not source.exists():
            write_raw_file(source, given.lines)
        load = os.getloadavg()[0]
        results = {way: run_apart(way, source, work / way) for way in WAYS}
        again = run_apart("ours", source, work / "again")  # a machine may be busier at the end
        results["ours"] = max(results["ours"], again, key=lambda result: result["total"])
        different = differences(work, ["orjson_polars", "literal_eval_pandas"])
        if any(different.values()):
            raise SystemExit(f"The tables differ from ours: {different} rows.")
        about = {
            "File": f"generated, {given.lines:,} lines, {source.stat().st_size / 1e6:.0f} MB compressed",
            "Command": "`python benchmarks/etl.py`",
            "Machine": f"{platform.machine()}, {os.cpu_count()} cores, load {load:.1f} before the run",
            "Versions": ", ".join(
                [f"Python {platform.python_version()}", *(f"{p} {version(p)}" for p in USED)]
            ),
        }
    text = report(results, about)
    print(text)
    if given.lines == REAL_LINES:
        REPORT.parent.mkdir(parents=True, exist_ok=True)
        REPORT.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
