"""Four times as many requests as the endpoint can answer, for a minute; writes docs/benchmarks/overload.md.

wrk sends the flood. Beside it one client asks ten times a second and notes for each request whether it was
admitted and how long that or the refusal took: before, during and after.
"""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

import httpx
import numpy as np
import psutil

from benchmarks.serving_load import PORT, ROOT, load, served, table

PAGE = ROOT / "docs" / "benchmarks" / "overload.md"
N_ITEMS, WORKERS = 6_000, 1
TIMES, SECONDS, CONNECTIONS = 4, 60, 256
CALM_SECONDS = 10
EVERY = 0.1  # seconds between two requests of the client
BODY = {"history": ["10", "20", "30", "40", "50"]}


@dataclass(frozen=True)
class Asked:
    at: float  # seconds on the monotonic clock
    status: int
    ms: float


def probe(stop: threading.Event, asked: list[Asked]) -> None:
    """A connection of its own for every request, as a visitor who comes now has none yet."""
    while not stop.wait(EVERY):
        at = time.monotonic()
        try:
            status = httpx.post(f"http://127.0.0.1:{PORT}/recommend", json=BODY, timeout=30).status_code
        except httpx.TransportError:
            status = 0
        asked.append(Asked(at, status, 1000 * (time.monotonic() - at)))


def flood(rate: float) -> None:
    pause = 1000 * CONNECTIONS / rate
    script = str(ROOT / "benchmarks" / "requests.lua")
    subprocess.run(
        [
            "wrk", "-t1", f"-c{CONNECTIONS}", f"-d{SECONDS}s", "--timeout", "10s", "-s", script,
            f"http://127.0.0.1:{PORT}", "--", "/recommend", str(N_ITEMS), f"{pause:.0f}",
        ],
        capture_output=True, check=True,
    )  # fmt: skip


def row(name: str, asked: Sequence[Asked]) -> list[str]:
    cells = []
    for chosen in ([a for a in asked if a.status == 200], [a for a in asked if a.status == 503]):
        ms = [a.ms for a in chosen]
        figures = np.percentile(ms, (50, 99, 100)) if ms else ()
        cells += [f"{len(ms):,}", " / ".join(f"{figure:.0f}" for figure in figures) or "none"]
    failed = sum(a.status not in (200, 503) for a in asked)
    return [name, *cells, str(failed)]


def main() -> None:
    busy = os.getloadavg()[0]
    asked: list[Asked] = []
    stop = threading.Event()
    command = [sys.executable, "-m", "serving"]
    with served(command, N_ITEMS, NEXTPLAY_WORKERS=str(WORKERS)) as server:
        capacity = load(server, "/recommend", N_ITEMS, 8).rate
        before_memory = _memory(server)
        client = threading.Thread(target=probe, args=(stop, asked), daemon=True)
        client.start()
        time.sleep(CALM_SECONDS)
        began = time.monotonic()
        flood(TIMES * capacity)
        ended = time.monotonic()
        time.sleep(CALM_SECONDS)
        stop.set()
        client.join()
        grown = (_memory(server) - before_memory) / 2**20
        refused = _refused()
    parts = {
        "before": [a for a in asked if a.at < began],
        "during": [a for a in asked if began <= a.at < ended],
        "first 2 s after": [a for a in asked if ended <= a.at < ended + 2],
        "later": [a for a in asked if a.at >= ended + 2],
    }
    head = ["", "admitted", "p50 / p99 / longest ms", "refused", "p50 / p99 / longest ms", "failed"]
    text = "\n\n".join(
        [
            "# Overload",
            f"`make bench-overload`: {WORKERS} worker, {N_ITEMS:,} items, its capacity measured first "
            f"({capacity:,.0f} answers a second at 8 connections), then {TIMES} times that offered for "
            f"{SECONDS} s by {CONNECTIONS} connections at random times. The figures are of one more client, "
            "which asks ten times a second on a new connection each. wrk and server share "
            f"{psutil.cpu_count()} cores, load average {busy:.1f} at the start. The queue is the default "
            "(`NEXTPLAY_MAX_WAITING=32`).",
            table(head, [row(name, of) for name, of in parts.items()]),
            f"The server refused {refused:,.0f} requests in all; its memory grew by {grown:.0f} MB.",
        ]
    )
    PAGE.write_text(text + "\n", encoding="utf-8")
    print(text)


def _memory(server: psutil.Process) -> int:
    return sum(p.memory_info().rss for p in (server, *server.children(recursive=True)))


def _refused() -> float:
    text = httpx.get(f"http://127.0.0.1:{PORT}/metrics", timeout=30).text
    (line,) = (line for line in text.splitlines() if line.startswith("nextplay_overloaded_total"))
    return float(line.split()[-1])


if __name__ == "__main__":
    main()
