"""From raw libraries of 1, 10 and 100 million items to `core_interactions` in 4 GB of memory.

    python benchmarks/etl_scale.py                 about an hour on 2 free cores, 10 GB of disk below --work
    python benchmarks/etl_scale.py --millions 1 10

The ways of `etl.py`, each in a process of its own, one after the other. A way whose processes hold more than
the limit together, or that takes more than --patience seconds, is stopped: it did not survive that size, and
is not asked for a larger one. Prints a table and, after all sizes and ways, writes
docs/benchmarks/etl-scale.md.
"""

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import etl
import psutil
from raw_libraries import write_large_raw_file

REPORT = etl.ROOT / "docs" / "benchmarks" / "etl-scale.md"
SIZES = [1, 10, 100]  # million items
LIMIT = 4_000_000_000  # bytes
SAMPLE_S = 0.1
WAYS = ["ours", "orjson_polars", "literal_eval_pandas"]


def run_limited(way: str, source: Path, folder: Path, patience_s: float) -> dict[str, Any]:
    """What `etl.py` says of a way, the peak of its process tree, or why it was stopped."""
    folder.mkdir(parents=True)
    command = [sys.executable, etl.__file__, "--way", way, "--source", str(source), "--folder", str(folder)]
    started, peak, stopped = time.monotonic(), 0, ""
    process = psutil.Popen(
        command, stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": str(etl.ROOT)}
    )
    while process.poll() is None and not stopped:
        held, seconds = _held(process), time.monotonic() - started
        peak = max(peak, held)
        if held > LIMIT:
            stopped = f"stopped after {seconds:.0f} s, over the limit"
        elif seconds > patience_s:
            stopped = f"stopped after {seconds:.0f} s with {held / 2**30:.1f} GiB, too slow"
        time.sleep(SAMPLE_S)
    if stopped:
        process.kill()
    output, _ = process.communicate()
    if not stopped and process.returncode:
        stopped = f"ended with status {process.returncode}"
    return {"peak": peak, "stopped": stopped} | ({} if stopped else _told(output, peak))


def _held(process: psutil.Process) -> int:
    """Bytes that a process and its children hold in memory."""
    total = 0
    for one in [process, *process.children(recursive=True)]:
        try:
            total += one.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return total


def _told(output: str, peak: int) -> dict[str, Any]:
    result: dict[str, Any] = json.loads(output)
    return result | {"peak": max(peak, result["peak"])}


def report(results: dict[tuple[str, int], dict[str, Any]], about: dict[str, str]) -> str:
    lines = [
        "# From the raw file to core interactions, at scale",
        "",
        f"The ways of [etl](etl.md) on larger files. The processes of a way may hold {LIMIT / 1e9:.0f} GB",
        "together; one that needs more is stopped, and spared the larger sizes. Ours reads and writes piece",
        "by piece, and DuckDB spills to the disk above 1 GB.",
        "",
        "| way | million items | seconds | seconds a million | CPU seconds a million | peak memory |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for (way, millions), found in results.items():
        peak = f"{found['peak'] / 2**30:.2f} GiB"
        if found["stopped"]:
            lines.append(f"| {etl.NAMES[way]} | {millions} | {found['stopped']} | | | {peak} |")
        else:
            a_million = f"{found['total'] / millions:.2f} | {found['cpu'] / millions:.2f}"
            lines.append(f"| {etl.NAMES[way]} | {millions} | {found['total']:.1f} | {a_million} | {peak} |")
    return "\n".join([*lines, "", *(f"- {name}: {value}" for name, value in about.items()), ""])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--millions", type=int, nargs="+", default=SIZES)
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=WAYS)
    parser.add_argument("--work", type=Path, help="keeps the generated files there")
    parser.add_argument("--patience", type=float, default=1800, help="seconds a way and size")
    given = parser.parse_args()
    load, results = os.getloadavg()[0], dict[tuple[str, int], dict[str, Any]]()
    with tempfile.TemporaryDirectory(dir=given.work) as temporary:
        for millions in given.millions:
            source = (given.work or Path(temporary)) / f"libraries-{millions}m.json.gz"
            if not source.exists():
                write_large_raw_file(source, millions * 10**6)
            for way in given.ways:
                if any(found["stopped"] for (other, _), found in results.items() if other == way):
                    continue
                folder = Path(temporary) / f"{way}-{millions}"
                results[way, millions] = found = run_limited(way, source, folder, given.patience)
                shutil.rmtree(folder)
                print(f"{way:20} {millions:4} {found['stopped'] or found['total']}", flush=True)
    about = {
        "Files": "generated as for [etl](etl.md), in parts of a million items",
        "Command": "`python benchmarks/etl_scale.py`",
        "Machine": f"{platform.machine()}, {os.cpu_count()} cores, load {load:.1f} before the run",
        "Versions": ", ".join(
            [f"Python {platform.python_version()}", *(f"{p} {version(p)}" for p in etl.USED)]
        ),
    }
    text = report(results, about)
    print(text)
    if given.millions == SIZES and given.ways == WAYS:
        REPORT.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
