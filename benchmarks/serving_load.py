"""The endpoint under load, beside an empty route, a bare app and RecTools; writes docs/benchmarks/serving.md.

Load generator (wrk) and server share the machine. Bundles have random weights, made by the real export: what
an answer costs does not depend on what the weights are.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import httpx
import psutil

from benchmarks.serving_bundles import pointer_to

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "benchmarks" / "serving.md"
CACHE = Path(os.environ.get("NEXTPLAY_HOME", ROOT / "var")) / "bench" / "serving"
SIZES = (6_000, 100_000, 1_000_000)
SECONDS = 5
CONNECTIONS = 8
PACED_CONNECTIONS = 64  # each pauses between its requests: they come as from many visitors
MARK = 1_000  # requests a second
PORT = 8765
TARGETS = (sys.executable, "-m", "benchmarks.serving_targets")


@dataclass(frozen=True)
class Load:
    """What wrk saw, in milliseconds and requests a second, and the CPU that the server took a request."""

    rate: float
    p50: float
    p90: float
    p99: float
    cpu: float
    errors: int

    def cells(self) -> list[str]:
        return [f"{self.rate:,.0f}", *(f"{v:.2f}" for v in (self.p50, self.p90, self.p99)), f"{self.cpu:.3f}"]


@contextmanager
def served(command: Sequence[str], n_items: int, **environment: str) -> Iterator[psutil.Process]:
    """A server on PORT, ready; ended with all that it started."""
    env = os.environ | {
        "PYTHONPATH": str(ROOT),
        "NEXTPLAY_POINTER": str(pointer_to(n_items, CACHE)),
        "NEXTPLAY_PORT": str(PORT),
        "NEXTPLAY_DEMO": "false",
        "OPENBLAS_NUM_THREADS": "1",
        "BENTOML_DO_NOT_TRACK": "True",
        **environment,
    }
    with tempfile.TemporaryDirectory() as folder, (Path(folder) / "log").open("w") as log:
        env |= {"PROMETHEUS_MULTIPROC_DIR": folder}
        server = subprocess.Popen(command, cwd=ROOT, env=env, stdout=log, stderr=log, start_new_session=True)
        try:
            _wait_until_ready(server)
            yield psutil.Process(server.pid)
        finally:
            os.killpg(server.pid, signal.SIGTERM)
            server.wait(timeout=30)


def load(server: psutil.Process, path: str, n_items: int, connections: int, pause: float = 0) -> Load:
    """Ask for SECONDS, after a second that does not count."""
    _wrk(path, n_items, connections, pause, 1)
    before = _cpu(server)
    seen = _wrk(path, n_items, connections, pause, SECONDS)
    cpu = 1000 * (_cpu(server) - before) / max(1, seen["requests"])
    rate = seen["requests"] / seen["seconds"]
    return Load(rate, seen["p50"], seen["p90"], seen["p99"], cpu, int(seen["errors"]))


def paced(server: psutil.Process, path: str, n_items: int, rate: float) -> Load:
    """About so many requests a second, at random times."""
    pause = max(1.0, 1000 * PACED_CONNECTIONS / rate - 1)
    return load(server, path, n_items, PACED_CONNECTIONS, pause)


def _wrk(path: str, n_items: int, connections: int, pause: float, seconds: int) -> dict[str, float]:
    done = subprocess.run(
        [
            "wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s",
            "-s", str(ROOT / "benchmarks" / "requests.lua"), f"http://127.0.0.1:{PORT}",
            "--", path, str(n_items), f"{pause:.0f}",
        ],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    seen: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    return seen


def _cpu(server: psutil.Process) -> float:
    """Seconds of CPU of the server and its workers so far."""
    return sum(sum(p.cpu_times()[:2]) for p in (server, *server.children(recursive=True)))


def _wait_until_ready(server: "subprocess.Popen[bytes]") -> None:
    time.sleep(0.5)  # one that cannot have its port has ended by then, and another might answer for it
    deadline = time.monotonic() + 120
    settled = 0
    while settled < 20 and time.monotonic() < deadline and server.poll() is None:
        try:
            settled += httpx.get(f"http://127.0.0.1:{PORT}/readyz", timeout=10).status_code == httpx.codes.OK
        except httpx.TransportError:
            time.sleep(0.2)
    if settled < 20:
        raise SystemExit(f"A server did not start within 120 s, or ended with status {server.poll()}.")


def measure(n_items: int, workers: int) -> dict[str, Load]:
    """The endpoint and the empty route at full and at half load, the bare app, and one client."""
    found: dict[str, Load] = {}
    with served([*TARGETS, "ours"], n_items, NEXTPLAY_WORKERS=str(workers)) as server:
        found["ours"] = load(server, "/recommend", n_items, CONNECTIONS)
        found["empty"] = load(server, "/empty", n_items, CONNECTIONS)
        for name, path in (("ours", "/recommend"), ("empty", "/empty")):
            found[f"{name}, half load"] = paced(server, path, n_items, found[name].rate / 2)
        found["empty, as often"] = paced(server, "/empty", n_items, found["ours"].rate / 2)
        found["ours, one client"] = load(server, "/recommend", n_items, 1)
        if n_items == SIZES[0]:
            found["ours, 1,000 a second"] = paced(server, "/recommend", n_items, MARK * 1.02)
    with served([*TARGETS, "bare"], n_items, NEXTPLAY_WORKERS=str(workers)) as server:
        found["bare"] = load(server, "/recommend", n_items, CONNECTIONS)
        found["bare, empty"] = load(server, "/empty", n_items, CONNECTIONS)
    return found


def deployments() -> dict[str, Load]:
    """Ways to run the same app, with the smallest catalogue."""
    n_items, found = SIZES[0], {}
    for workers in (1, 2):
        with served([sys.executable, "-m", "serving"], n_items, NEXTPLAY_WORKERS=str(workers)) as server:
            name = f"uvicorn, {workers} worker{'s' * (workers > 1)}"
            found[name] = load(server, "/recommend", n_items, CONNECTIONS)
    bento = [str(Path(sys.executable).with_name("bentoml")), "serve", "serving.service:Nextplay"]
    with served([*bento, "--host", "127.0.0.1", "--port", str(PORT)], n_items) as server:
        found["BentoML, 1 worker"] = load(server, "/recommend", n_items, CONNECTIONS)
    return found


def rectools(n_items: int) -> str:
    """RecTools' `recommend`, a user at a time, in an environment of its own; or why there is none."""
    python = ROOT / ".venv-rectools" / "bin" / "python"
    if not (python.parent.parent / "installed").exists():
        return "Not measured: `make .venv-rectools/installed` installs it."
    script = ROOT / "benchmarks" / "contenders" / "rectools_recommend.py"
    done = subprocess.run(
        [python, script, str(n_items)], capture_output=True, text=True, check=False, timeout=240
    )
    lines = done.stdout.strip().splitlines()
    return lines[-1] if done.returncode == 0 and lines else f"RecTools failed: {done.stderr.strip()[-300:]}"


def verdicts(found: dict[int, dict[str, Load]], workers: int) -> list[list[str]]:
    small, large = found[min(found)], found[max(found)]
    mark, alone = small["ours, 1,000 a second"], large["ours, one client"]
    added, bare = small["ours"].cpu - small["empty"].cpu, small["bare"].cpu - small["bare, empty"].cpu
    half = small["ours, half load"].p99
    tail, same = (half / small[f"empty, {load}"].p99 for load in ("half load", "as often"))
    return [
        [
            f"1,000 predictions a second at p90 below 7 ms, 6 thousand items, {workers} workers",
            f"{mark.rate:,.0f} a second, p90 {mark.p90:.2f} ms, {mark.errors} errors",
            _word(mark.rate >= MARK * 0.98 and mark.p90 < 7 and mark.errors == 0),
        ],
        [
            "p99 at half load at most twice the empty route's at half of its own",
            f"{half:.2f} ms, {tail:.2f} times ({same:.2f} times the empty route's when asked as often)",
            _word(tail <= 2),
        ],
        [
            "CPU added to the empty route at most 1.5 times what the bare app adds to its own",
            f"{added:.3f} ms and {bare:.3f} ms, {added / bare:.2f} times",
            _word(added <= 1.5 * bare),
        ],
        [
            f"exact top-k of {max(found):,} items below 40 ms at p99, one client",
            f"{alone.p99:.1f} ms",
            _word(alone.p99 < 40),
        ],
    ]  # fmt: skip


def _word(holds: bool) -> str:
    return "holds" if holds else "**missed**"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    marks = ["---", *(["---:"] * (len(head) - 1))]
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, marks, *rows))


def page(
    found: dict[int, dict[str, Load]], ways: dict[str, Load], peer: str, workers: int, busy: float
) -> str:
    head = ["", "requests a second", "p50 ms", "p90 ms", "p99 ms", "CPU ms a request"]
    versions = ", ".join(
        f"{name} {version(name)}"
        for name in ("fastapi", "uvicorn", "uvloop", "httptools", "onnxruntime", "numpy")
    )
    parts = [
        "# The endpoint under load",
        f"`make bench-serving`, on {psutil.cpu_count()} cores shared by wrk and the server, load average "
        f"{busy:.1f} at the start; Python {sys.version.split()[0]}, {versions}. SASRec, width 64, 2 blocks, "
        "at most 64 items of history, random weights; a history of 1 to 50 items a request, 10 an answer; "
        f"the log line of every request is on. {workers} uvicorn workers, {CONNECTIONS} connections unless "
        f"said, {SECONDS} s each.",
        table(["goal", "measured", ""], verdicts(found, workers)),
    ]
    for n_items, loads in found.items():
        parts += [f"## {n_items:,} items", table(head, [[name, *of.cells()] for name, of in loads.items()])]
    parts += [
        "*Empty* is a route of the same app that reads and checks the same body; *bare* is a uvicorn app "
        "without framework, checks, metrics or log around the same recommender. *Half load* comes at random "
        f"times from {PACED_CONNECTIONS} connections at half the rate that the same route reached above; *as "
        "often* is the empty route at the rate of ours.",
        "## Ways to run it, 6,000 items",
        table(head, [[name, *of.cells()] for name, of in ways.items()]),
        "## RecTools",
        peer,
    ]
    return "\n\n".join(parts) + "\n"


def main() -> None:
    """Measure, print and write the page; sizes of the catalogue may be given as arguments."""
    if not shutil.which("wrk"):
        raise SystemExit("The bench needs wrk: apt-get install wrk.")
    busy, workers = os.getloadavg()[0], psutil.cpu_count() or 1
    sizes = [int(size) for size in sys.argv[1:]] or SIZES
    found = {}
    for n_items in sizes:
        found[n_items] = measure(n_items, workers)
        for name, of in found[n_items].items():
            print(f"{n_items:>9,}  {name:<22}", "  ".join(f"{cell:>8}" for cell in of.cells()), flush=True)
    text = page(found, deployments(), rectools(SIZES[0]), workers, busy)
    PAGE.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
