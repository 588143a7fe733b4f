"""200 model swaps under constant load, beside the same load without swaps: `make bench-swaps`.

One worker, one client that sends at a fixed rate whatever the answers take; two bundles of random weights
with no item in common, so that an answer tells by its items which model gave it.
"""

import asyncio
import json
import os
import platform
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import numpy as np

from benchmarks.serving_bundles import pointer_to
from models.bundle.bundle import ITEMS_FILE, MANIFEST_FILE, bundle_hash, read_items, read_manifest
from serving.state.pointer import Pointer, read_pointer

ROOT = Path(__file__).resolve().parents[1]
RESULT = ROOT / "docs" / "benchmarks" / "swaps.md"
SIZES = (6_000, 100_000)
SWAPS, RATE = 200, 50.0
STALL_MS = 100.0
WARM_SWAPS = 20  # after which memory is measured first
SWAP_TIMEOUT_S = 120.0
QUIET_SECONDS = 60.0  # of load without swaps, at most
HISTORY = ["30", "b30", "70", "b70"]  # two items of either model


@dataclass(frozen=True)
class Answer:
    """One request under load; `items` are empty where it failed."""

    seconds: float
    status: int
    version: str
    items: tuple[str, ...]

    def is_mixed(self) -> bool:
        """Is an item not of the model that the answer names? Versions begin as the ids of their items do."""
        of_b = self.version.startswith("b")
        return not self.items or any(item.startswith("b") != of_b for item in self.items)


@dataclass(frozen=True)
class Load:
    """What a constant load saw; `grown_mb` is what the server's memory grew by between two moments."""

    answers: list[Answer]
    grown_mb: float = 0.0

    @property
    def failed(self) -> int:
        return sum(answer.status != 200 for answer in self.answers)

    @property
    def mixed(self) -> int:
        return sum(answer.status == 200 and answer.is_mixed() for answer in self.answers)

    def milliseconds(self) -> np.ndarray:
        return np.array([answer.seconds * 1000 for answer in self.answers])


def publish(pointer: Path, bundle: Path, version: str) -> None:
    """Point to a bundle as promotion does: whole or not at all."""
    aside = pointer.with_suffix(".new")
    aside.write_text(Pointer(str(bundle), version, bundle_hash(bundle), promoted_at=1.0).to_json())
    aside.replace(pointer)


async def swaps_under_load(
    url: str, server: int, pointer: Path, bundles: Sequence[Path], swaps: int, rate: float
) -> Load:
    """Swap between two bundles, each time as soon as the one before is seen in an answer.

    `server` is the process whose memory is watched.
    """
    answers, stop = list[Answer](), asyncio.Event()
    async with httpx.AsyncClient(base_url=url, timeout=30) as client:
        sending = asyncio.create_task(_send(client, rate, stop, answers))
        memory = []
        for turn in range(swaps):
            if turn in (min(WARM_SWAPS, swaps // 2), swaps - 1):
                memory.append(resident_mb(server))
            version = f"{'ab'[turn % 2]}{turn}"
            seen = len(answers)
            publish(pointer, bundles[turn % 2], version)
            async with asyncio.timeout(SWAP_TIMEOUT_S):
                while not any(answer.version == version for answer in answers[seen:]):
                    await asyncio.sleep(0.01)
        stop.set()
        await sending
    return Load(answers, memory[-1] - memory[0])


async def load_without_swaps(url: str, seconds: float, rate: float) -> Load:
    answers, stop = list[Answer](), asyncio.Event()
    async with httpx.AsyncClient(base_url=url, timeout=30) as client:
        sending = asyncio.create_task(_send(client, rate, stop, answers))
        await asyncio.sleep(seconds)
        stop.set()
        await sending
    return Load(answers)


async def _send(client: httpx.AsyncClient, rate: float, stop: asyncio.Event, answers: list[Answer]) -> None:
    """Requests at fixed times, each waited for apart from the others."""
    started, asked = time.perf_counter(), set[asyncio.Task[None]]()
    for number in count():
        if stop.is_set():
            break
        asked.add(asyncio.create_task(_ask(client, answers)))
        await asyncio.sleep(max(0.0, started + (number + 1) / rate - time.perf_counter()))
    await asyncio.gather(*asked)


async def _ask(client: httpx.AsyncClient, answers: list[Answer]) -> None:
    started = time.perf_counter()
    try:
        answer = await client.post("/recommend", json={"history": HISTORY, "k": 20})
    except httpx.TransportError:
        answers.append(Answer(time.perf_counter() - started, 0, "", ()))
        return
    seconds = time.perf_counter() - started
    body = answer.json() if answer.status_code == 200 else {}
    items = tuple(item["item_id"] for item in body.get("items", ()))
    answers.append(Answer(seconds, answer.status_code, body.get("model", {}).get("version", ""), items))


def resident_mb(process: int) -> float:
    pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


@contextmanager
def server(pointer: Path) -> Iterator[tuple[str, int]]:
    """One worker under uvicorn, ready; its address and its process."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    app = "serving.app:app_from_environment"
    command = [sys.executable, "-m", "uvicorn", "--factory", app, "--port", str(port), "--no-access-log"]
    environment = {
        "NEXTPLAY_POINTER": str(pointer), "NEXTPLAY_POLL_SECONDS": "0.05", "NEXTPLAY_LOG_REQUESTS": "false",
        "PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1",
    }  # fmt: skip
    process = subprocess.Popen(command, env=os.environ | environment, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 120
        while not _is_ready(url):
            assert process.poll() is None and time.monotonic() < deadline, "The server did not become ready."
            time.sleep(0.05)
        yield url, process.pid
    finally:
        process.terminate()
        process.wait()


def _is_ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz", timeout=5).status_code == 200
    except httpx.TransportError:
        return False


def twin_with_other_items(bundle: Path, twin: Path) -> Path:
    """The same bundle under other item ids: `b` before each."""
    shutil.copytree(bundle, twin)
    items = read_items(bundle)
    items = replace(items, ids=["", *(f"b{item_id}" for item_id in items.ids[1:])])
    (twin / ITEMS_FILE).write_text(items.to_json(), encoding="utf-8")
    manifest = replace(read_manifest(bundle), vocabulary_hash=items.vocabulary_hash())
    (twin / MANIFEST_FILE).write_text(json.dumps(asdict(manifest)), encoding="utf-8")
    return twin


def measure(n_items: int, folder: Path, swaps: int) -> tuple[Load, Load]:
    """The load with swaps, and one without."""
    made = pointer_to(n_items, folder)
    named = read_pointer(made)
    assert named is not None
    bundle = named.folder(made)
    bundles = [bundle, twin_with_other_items(bundle, folder / f"twin-{n_items}")]
    pointer = folder / "champion.json"
    publish(pointer, bundles[1], "b")
    with server(pointer) as (url, process):
        started = time.perf_counter()
        swapped = asyncio.run(swaps_under_load(url, process, pointer, bundles, swaps, RATE))
        seconds = time.perf_counter() - started
        return swapped, asyncio.run(load_without_swaps(url, min(seconds, QUIET_SECONDS), RATE))


def row(n_items: int, name: str, load: Load) -> str:
    times = load.milliseconds()
    p50, p99 = np.quantile(times, [0.5, 0.99])
    grown = f"{load.grown_mb:+.1f} MB" if load.grown_mb else ""
    return (
        f"| {n_items:,} | {name} | {len(times):,} | {load.failed} | {load.mixed} | {p50:.1f} | {p99:.1f} "
        f"| {times.max():.0f} | {int((times > STALL_MS).sum())} | {grown} |"
    )


def main() -> None:
    lines = []
    with TemporaryDirectory() as folder:
        for n_items in SIZES:
            swapped, unswapped = measure(n_items, Path(folder), SWAPS)
            lines += [row(n_items, f"{SWAPS} swaps", swapped), row(n_items, "none", unswapped)]
            print("\n".join(lines[-2:]), flush=True)
    load = os.getloadavg()[1]
    RESULT.write_text(report(lines, load), encoding="utf-8")


def report(lines: Sequence[str], load: float) -> str:
    machine = f"Python {platform.python_version()}, httpx {httpx.__version__}, {os.cpu_count()} cores"
    return f"""# Model swaps under load
`make bench-swaps`: one worker under uvicorn, one client that sends {RATE:.0f} requests a second whatever the
answers take, SASRec of width 64 with random weights. Two bundles with no item in common take turns, each as
soon as the one before is seen in an answer: at 100,000 items one is being loaded nearly all of the time.
*Mixed* answers name one model and hold an item of the other.
*Stalls* are answers that took more than {STALL_MS:.0f} ms. Memory is the server's, from swap {WARM_SWAPS} to
the last. Load generator, server and whatever else runs share the machine: {machine}; load average of the last
five minutes {load:.1f}.

| items | swaps | requests | failed | mixed | p50 ms | p99 ms | longest ms | stalls | memory |
|---:|---|---:|---:|---:|---:|---:|---:|---:|---:|
""" + "".join(f"{line}\n" for line in lines)


if __name__ == "__main__":
    main()
