"""What each stage of the tables costs, by engine, workers and size; and how the cost grows.

    python benchmarks/scale.py                      sizes of 5,000, 20,000 and 80,000 libraries
    python benchmarks/scale.py --lines 2000 4000

Libraries like the real ones are written once a size. Each measurement is a process of its own, held to as
many cores as it has workers; it makes the tables from the raw file to the sequences. A line through the sizes
(CPU seconds = a + b * millions of items, least squares) is what docs/scale.md computes
with. Prints a table and writes docs/benchmarks/scale.md. Spark needs the extra `spark` and Java 17.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pyarrow as pa

ROOT = Path(__file__).parents[1]
REPORT = ROOT / "docs" / "benchmarks" / "scale.md"
STAGES = ("clean", "core", "sequences")
WAYS = [(engine, workers) for engine in ("duckdb", "spark") for workers in (1, 2, 4)]


def measure(engine: str, workers: int, raw: Path, folder: Path) -> dict[str, Any]:
    """Seconds of each stage, and the rows that came out. Run in a process of its own."""
    sys.path.insert(0, str(ROOT))
    from assets.clean.clean import CLEAN_TABLES, write_clean
    from assets.clean.core_interactions import write_core
    from assets.resources import Home
    from assets.sequences.seen import count_seen
    from assets.sequences.splitting import make_splits
    from assets.sequences.vocabulary import order_items, played_items
    from assets.state.lake import fingerprint

    conf = {"spark.driver.memory": "6g", "spark.sql.shuffle.partitions": str(2 * workers)}
    home = Home(
        path=str(folder), engine=engine, memory_limit="6GB", spark_master=f"local[{workers}]", spark_conf=conf
    )
    lake, seconds, cpu = home.lake(), dict[str, float](), dict[str, float]()

    def timed(name: str, work: Callable[[], object]) -> None:
        started, worked = time.perf_counter(), cpu_seconds()
        work()
        seconds[name], cpu[name] = time.perf_counter() - started, cpu_seconds() - worked

    def start() -> None:
        with home.spark() as spark:
            spark.create("nothing", pa.schema({"n": pa.int32()}))

    def clean() -> None:
        if engine == "duckdb":
            lake.publish_many(
                fingerprint("c"), list(CLEAN_TABLES), lambda p: write_clean({"libraries": raw}, p)
            )
            return
        from assets.clean.spark_clean import write_clean_on_spark

        def write(paths: Any) -> None:
            with home.spark() as spark:
                write_clean_on_spark(spark, {"libraries": str(raw)}, "first", paths)

        lake.publish_many(fingerprint("c"), list(CLEAN_TABLES), write)

    def core() -> None:
        def write(path: Path) -> None:
            with home.engine_on("interactions") as made_on:
                write_core(made_on, path, min_playtime=60, core=5)

        lake.publish("core_interactions", fingerprint("k"), write)

    def sequences() -> None:
        with lake.connect("core_interactions") as connection:
            vocabulary = order_items(None, played_items(connection))

        def write(paths: Any) -> None:
            with home.engine_on("core_interactions", "catalogue", "item_names") as made_on:
                made_on.load("item_order", vocabulary.rows())
                make_splits(made_on, "leave-one-out", "", count_seen(made_on, "auto"))
                made_on.make_table("items")
                made_on.write("ordered_items", paths["items"])
                made_on.write("sequences", paths["sequences"])

        lake.publish_many(fingerprint("s"), ["items", "sequences"], write)

    if engine == "spark":
        timed("start", start)
    for name, work in zip(STAGES, (clean, core, sequences), strict=True):
        timed(name, work)
    rows = {table: lake.current(table).rows for table in ("interactions", "core_interactions", "sequences")}
    return {"engine": engine, "workers": workers, "seconds": seconds, "cpu": cpu, **rows}


def cpu_seconds() -> float:
    """What this process and those that it has started (the JVM, Spark's Python workers) have used so far."""
    used = 0.0
    me = psutil.Process()
    for process in [me, *me.children(recursive=True)]:
        with suppress(psutil.Error):
            times = process.cpu_times()
            used += times.user + times.system
    return used


def run(engine: str, workers: int, raw: Path) -> dict[str, Any]:
    """`measure` on as many cores as there are workers."""
    cores = ",".join(map(str, range(min(workers, os.cpu_count() or 1))))
    environment = os.environ | {"OMP_NUM_THREADS": str(workers)}
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            ["taskset", "-c", cores, sys.executable, __file__,
             "--one", engine, str(workers), str(raw), folder],
            env=environment, stdout=subprocess.PIPE, text=True, check=True,
        )  # fmt: skip
    return dict(json.loads(done.stdout.splitlines()[-1]))


def fit(millions: list[float], seconds: list[float]) -> tuple[float, float]:
    """Start and seconds a million items of the least-squares line."""
    slope, start = np.polyfit(millions, seconds, 1)
    return float(start), float(slope)


def report(results: list[dict[str, Any]], command: str) -> str:
    lines = [
        "# What the tables cost, by engine, workers and size",
        "",
        f"`{command}`, {time.strftime('%Y-%m-%d')}. Python {platform.python_version()}, "
        + ", ".join(f"{name} {_version(name)}" for name in ("duckdb", "pyspark", "pyarrow"))
        + f"; {os.cpu_count()} cores, {platform.machine()}, load {os.getloadavg()[1]:.1f} at the end.",
        "",
        "A process a row, held to as many cores as it has workers, where there are as many. Each cell is "
        "seconds / CPU seconds, of the process, the JVM and Spark's Python workers. Spark's start is apart. "
        "Where others use the machine too, CPU seconds are what to compute with.",
        "",
        "| engine | workers | raw items | core rows | start | clean | core | sequences |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for r in results:
        cells = [f"{r['seconds'].get(n, 0):.1f} / {r['cpu'].get(n, 0):.1f}" for n in ("start", *STAGES)]
        lines.append(
            f"| {r['engine']} | {r['workers']} | {r['interactions']:,} | {r['core_interactions']:,} "
            f"| {' | '.join(cells)} |"
        )
    lines += ["", "## Growth", "", "CPU seconds = a + b · millions of raw items", ""]
    lines += ["| engine | workers | stage | a | b |", "|---|---:|---|---:|---:|"]
    for engine, workers in WAYS:
        those = [r for r in results if (r["engine"], r["workers"]) == (engine, workers)]
        for stage in STAGES:
            millions = [r["interactions"] / 1e6 for r in those]
            a, b = fit(millions, [r["cpu"][stage] for r in those])
            lines.append(f"| {engine} | {workers} | {stage} | {a:.1f} | {b:.2f} |")
    return "\n".join(lines) + "\n"


def _version(name: str) -> str:
    try:
        return version(name)
    except ImportError:
        return "not installed"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, nargs="+", default=[5_000, 20_000, 80_000])
    parser.add_argument("--one", nargs=4, metavar=("ENGINE", "WORKERS", "RAW", "FOLDER"))
    given = parser.parse_args()
    if given.one:
        engine, workers, raw, folder = given.one
        print(json.dumps(measure(engine, int(workers), Path(raw), Path(folder))))
        sys.stdout.flush()
        os._exit(0)  # without tearing the interpreter down: DuckDB would list what ibis still holds
    sys.path.insert(0, str(ROOT / "benchmarks"))
    from etl import write_raw_file

    results = []
    with tempfile.TemporaryDirectory() as folder:
        for lines in given.lines:
            raw = Path(folder) / f"{lines}.json.gz"
            write_raw_file(raw, lines)
            for engine, workers in WAYS:
                results.append(run(engine, workers, raw))
                print(results[-1], flush=True)
    text = report(results, "python benchmarks/scale.py --lines " + " ".join(map(str, given.lines)))
    print(text)
    REPORT.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
