"""An hour of everything at once against one endpoint: `make bench-soak`.

Answers for known users, events, listed items, forgotten users, a model swap every minute, and two workers
killed. Writes what it saw to docs/benchmarks/soak.json; `benchmarks.soak_page` makes the page of it.

`python -m benchmarks.soak 60` takes a minute, for a look.
"""

import asyncio
import json
import os
import platform
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import asdict, dataclass, field
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import numpy as np
import psutil

from benchmarks.serving_bundles import pointer_to
from benchmarks.serving_load import CACHE, PORT, ROOT, served
from benchmarks.swaps import publish, twin_with_other_items
from serving.state.event_stores import open_event_store
from serving.state.pointer import read_pointer

RECORD = ROOT / "docs" / "benchmarks" / "soak.json"
SECONDS = 3600.0
N_ITEMS, WORKERS, USERS = 6_000, 2, 5_000
ANSWERS, POSTS, EVENTS = 20.0, 2.0, 5  # answers and posts a second, events a post
LISTING_EVERY, FORGET_EVERY, SWAP_EVERY, SAMPLE_EVERY = 30.0, 20.0, 60.0, 10.0  # seconds
KILLS = (1 / 3, 2 / 3)  # of the time, at which a worker is killed
AFTER_KILL = 10.0  # seconds in which a failure is counted apart
TRIES = 60  # of one event request, a second between two of them


@dataclass(frozen=True)
class Sample:
    """The endpoint at one moment, and the answers since the one before."""

    at: float  # seconds since the start
    memory_mb: float  # of all workers, what each has for itself
    descriptors: int
    disk_mb: float  # of the event store
    p50_ms: float
    p99_ms: float


@dataclass
class Soak:
    """What a soak saw; times are seconds since the start."""

    seconds: float
    machine: str
    samples: list[Sample] = field(default_factory=list)
    kills: list[float] = field(default_factory=list)
    answers: int = 0
    failed: list[tuple[float, int]] = field(default_factory=list)  # the status, or 0 without an answer
    swaps: int = 0
    listings: int = 0
    acknowledged: int = 0
    repeated: int = 0
    lost: int = 0
    forgotten: int = 0
    remembered: int = 0  # rows of forgotten users that are there all the same
    remark: str = ""  # what a person found out about this run

    def outside_kills(self) -> list[tuple[float, int]]:
        """Failures that no kill of a worker explains."""
        return [
            (at, status)
            for at, status in self.failed
            if not any(0 <= at - kill <= AFTER_KILL for kill in self.kills)
        ]

    def memory(self) -> tuple[float, float]:
        """Medians of MB: of the tenth of the time after the first, and of the last tenth."""
        inside = [s for s in self.samples if 0.1 * self.seconds <= s.at < 0.2 * self.seconds]
        last = [s for s in self.samples if s.at >= 0.9 * self.seconds]
        first, end = (float(np.median([s.memory_mb for s in part])) for part in (inside, last))
        return first, end


class Client:
    """All that is sent to the endpoint, and what was promised for it."""

    def __init__(self, soak: Soak, http: httpx.AsyncClient, started: float) -> None:
        self.soak, self.http, self._started = soak, http, started
        self.acknowledged: dict[str, str] = {}  # the user by event id
        self.forgotten: set[str] = set()
        self.latest: list[float] = []  # ms of the answers since the last sample
        self._rng = np.random.default_rng(0)
        self._number = count()
        self._listed = ""  # the item whose listing was acknowledged last

    def now(self) -> float:
        return time.monotonic() - self._started

    async def ask(self) -> None:
        started = time.perf_counter()
        body = {"user_id": self._user(), "history": ["30", "b30", "70", "b70"], "k": 10}
        await self._send("POST", "/recommend", body)
        self.latest.append(1000 * (time.perf_counter() - started))
        self.soak.answers += 1

    async def play(self) -> None:
        """One post of events, sent again until it is acknowledged, as the docs ask of a client."""
        events = [
            {"event_id": f"e{next(self._number)}", "user_id": self._user(), "item_id": self._item()}
            for _ in range(EVENTS)
        ]
        for _ in range(TRIES):
            status, answer = await self._send("POST", "/events", {"events": events})
            if status == httpx.codes.OK:
                self.acknowledged |= {event["event_id"]: event["user_id"] for event in events}
                self.soak.repeated += answer["repeated"]
                return
            await asyncio.sleep(1)

    async def list_item(self) -> None:
        """List an item, and end the listing of the one before."""
        new = f"new-{self.soak.listings}"
        status, _ = await self._send("POST", "/items", {"items": [{"item_id": new, "title": "A new game"}]})
        if self._listed:
            await self._send("DELETE", f"/items/{self._listed}")
        self._listed = new if status == httpx.codes.OK else ""
        self.soak.listings += 1

    async def forget(self) -> None:
        user = self._user()
        status, _ = await self._send("DELETE", f"/users/{user}")
        if status == httpx.codes.OK:
            self.forgotten.add(user)

    async def _send(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        try:
            answer = await self.http.request(method, path, json=body)
        except httpx.TransportError:
            self.soak.failed.append((self.now(), 0))
            return 0, {}
        if not answer.is_success:
            self.soak.failed.append((self.now(), answer.status_code))
        return answer.status_code, answer.json() if answer.is_success and answer.content else {}

    def _user(self) -> str:
        return f"u{self._rng.integers(USERS)}"

    def _item(self) -> str:
        return str(10 * self._rng.integers(1, N_ITEMS + 1))


async def every(seconds: float, client: Client, act: Callable[[], Awaitable[object]]) -> None:
    """Act at fixed times until the soak is over, however long each takes."""
    started, asked = time.monotonic(), set[asyncio.Task[object]]()
    for number in count():
        if client.now() >= client.soak.seconds:
            break
        task = asyncio.ensure_future(act())
        asked.add(task)
        task.add_done_callback(asked.discard)
        await asyncio.sleep(max(0.0, started + (number + 1) * seconds - time.monotonic()))
    await asyncio.gather(*asked)


async def soak_up(soak: Soak, server: psutil.Process, folder: Path) -> Client:
    """Everything at once, for as long as the soak takes."""
    pointer = folder / "champion.json"
    bundles = bundles_in(folder)

    async def swap() -> None:
        soak.swaps += 1
        turn = soak.swaps % 2
        await asyncio.to_thread(publish, pointer, bundles[turn], f"{'ab'[turn]}{soak.swaps}")

    async def sample() -> None:
        soak.samples.append(await asyncio.to_thread(sampled, client, server, folder))

    async def kill(share: float) -> None:
        await asyncio.sleep(share * soak.seconds)
        os.kill(workers(server)[0].pid, signal.SIGKILL)
        soak.kills.append(client.now())

    limits = httpx.Limits(max_connections=200)
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{PORT}", timeout=30, limits=limits) as http:
        client = Client(soak, http, time.monotonic())
        await asyncio.gather(
            every(1 / ANSWERS, client, client.ask),
            every(1 / POSTS, client, client.play),
            every(LISTING_EVERY, client, client.list_item),
            every(FORGET_EVERY, client, client.forget),
            every(SWAP_EVERY, client, swap),
            every(min(SAMPLE_EVERY, soak.seconds / 60), client, sample),
            *map(kill, KILLS),
        )
    return client


def bundles_in(folder: Path) -> list[Path]:
    """Two bundles without a common item."""
    made = pointer_to(N_ITEMS, CACHE)
    named = read_pointer(made)
    assert named is not None
    bundle = named.folder(made)
    twin = folder / "twin"
    return [bundle, twin if twin.exists() else twin_with_other_items(bundle, twin)]


def workers(server: psutil.Process) -> list[psutil.Process]:
    """The processes that answer: those with the libraries of a model loaded."""
    found = [(process.memory_info().rss, process) for process in server.children(recursive=True)]
    return [process for _, process in sorted(found, key=lambda pair: -pair[0])[:WORKERS]]


def sampled(client: Client, server: psutil.Process, folder: Path) -> Sample:
    memory, descriptors = 0, 0
    for process in workers(server):
        try:
            memory += process.memory_full_info().uss
            descriptors += process.num_fds()
        except psutil.NoSuchProcess:  # killed a moment ago
            continue
    times, client.latest = client.latest or [0.0], []
    disk = sum(file.stat().st_size for file in folder.glob("events.db*"))
    p50, p99 = np.quantile(times, [0.5, 0.99])
    return Sample(client.now(), memory / 1e6, descriptors, disk / 1e6, float(p50), float(p99))


def settle(soak: Soak, client: Client, file: Path) -> None:
    """Compare what the store holds with what was acknowledged."""
    store = open_event_store(file)
    there = {event.event_id: event.user_id for event in store.events()}
    store.close()
    kept = {event for event, user in client.acknowledged.items() if user not in client.forgotten}
    soak.acknowledged, soak.forgotten = len(client.acknowledged), len(client.forgotten)
    soak.lost = len(kept - there.keys())
    soak.remembered = sum(user in client.forgotten for user in there.values())


def run(seconds: float) -> Soak:
    busy = os.getloadavg()[0]
    machine = f"Python {platform.python_version()}, {os.cpu_count()} cores"
    soak = Soak(seconds, f"{machine}, load average {busy:.1f} at the start")
    with TemporaryDirectory() as name:
        folder = Path(name)
        publish(folder / "champion.json", bundles_in(folder)[0], "a")
        places = {"NEXTPLAY_POINTER": folder / "champion.json", "NEXTPLAY_EVENTS": folder / "events.db"}
        settings = {key: str(place) for key, place in places.items()} | {"NEXTPLAY_WORKERS": str(WORKERS)}
        with served([sys.executable, "-m", "serving"], N_ITEMS, **settings) as server:
            client = asyncio.run(soak_up(soak, server, folder))
        settle(soak, client, folder / "events.db")
    return soak


def faults(soak: Soak) -> Iterator[str]:
    """What was promised and not held, one sentence each."""
    first, last = soak.memory()
    if soak.lost:
        yield f"{soak.lost:,} acknowledged events are lost."
    if soak.remembered:
        yield f"{soak.remembered:,} events of forgotten users are there."
    if outside := soak.outside_kills():
        yield f"{len(outside):,} requests failed with no kill within {AFTER_KILL:.0f} s before them."
    if not last <= 1.1 * first:
        yield f"Memory grew from {first:.0f} to {last:.0f} MB."


def main() -> int:
    from benchmarks.soak_page import write

    soak = run(float(sys.argv[1]) if len(sys.argv) > 1 else SECONDS)
    if soak.seconds >= SECONDS:
        RECORD.write_text(json.dumps(asdict(soak)), encoding="utf-8")
        write(soak)
    print(json.dumps(asdict(soak) | {"samples": len(soak.samples)}, indent=1))
    found = list(faults(soak))
    print("\n".join(found) or "Nothing was lost, and memory stayed.")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
