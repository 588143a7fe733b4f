"""A full disk under the event store, and too little memory: a sentence, nothing acknowledged is lost."""

import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from models.memory import NO_MEMORY
from serving.state.event_stores import open_event_store
from tests.faults.runs import ROOT, environment
from tests.serving.conftest import publish_pointer, random_table, write_fake_bundle
from tests.support.servers import Server, bento, blocked, deployment, free_port

pytestmark = pytest.mark.slow
PER_REQUEST = 50
MEGABYTE = 1 << 20


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, str]:
    publish_pointer(tmp_path / "champion.json", write_fake_bundle(tmp_path / "a", random_table(1)), "a1")
    return {"NEXTPLAY_POINTER": str(tmp_path / "champion.json"), "NEXTPLAY_WORKERS": "1"}


@pytest.fixture
def endpoint(settings: dict[str, str], small_disk: Path, tmp_path: Path) -> Iterator[Server]:
    """An endpoint whose events, and nothing else, lie on a disk of 4 MB."""
    with deployment(tmp_path, NEXTPLAY_EVENTS=str(small_disk / "events.db"), **settings) as server:
        yield server


def send(endpoint: Server, number: int) -> httpx.Response:
    events = [
        {"event_id": f"{number}-{n}", "user_id": "ada" * 40, "item_id": str(n % 9)}
        for n in range(PER_REQUEST)
    ]
    return endpoint.client.post("/events", json={"events": events})


def is_one_sentence(answer: httpx.Response) -> bool:
    told = answer.json()["detail"]
    return isinstance(told, str) and "\n" not in told and told.endswith(".") and "Traceback" not in told


def fill(disk: Path) -> None:
    with (disk / "ballast").open("ab", buffering=0) as ballast, suppress(OSError):
        while ballast.write(b"\0" * 4096):
            pass


def test_a_full_disk_takes_nothing_loses_nothing_and_recovers(endpoint: Server, small_disk: Path) -> None:
    acknowledged = [0]
    assert send(endpoint, 0).status_code == 200
    fill(small_disk)
    refused = 0
    for number in range(1, 200):
        answer = send(endpoint, number)
        if answer.status_code == 200:  # into pages that the store has already
            acknowledged.append(number)
            continue
        refused += 1
        assert answer.status_code in (503, 507) and is_one_sentence(answer), answer.text
        assert "retry-after" in answer.headers or answer.status_code == 507
        served = endpoint.client.post("/recommend", json={"history": ["3"]})
        assert served.status_code == 200 and served.json()["items"]
        if refused == 5:
            break
    assert refused == 5
    assert "nextplay_event_store_failing 1.0" in endpoint.client.get("/metrics").text
    (small_disk / "ballast").unlink()
    lost = number
    for number in range(lost, lost + 5):  # what was refused is sent again
        answer = send(endpoint, number)
        assert answer.status_code == 200, answer.text
        acknowledged.append(number)
    assert "nextplay_event_store_failing 0.0" in endpoint.client.get("/metrics").text
    endpoint.kill()
    store = open_event_store(small_disk / "events.db")
    stored = {event.event_id for event in store.events()}
    store.close()
    assert stored == {f"{number}-{n}" for number in acknowledged for n in range(PER_REQUEST)}
    endpoint.start()


def within(megabytes: int, *command: str, **more: Any) -> "subprocess.CompletedProcess[str]":
    """A command under a limit of its address space, and what it said."""
    limit = megabytes * MEGABYTE
    return subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)), **more,
    )  # fmt: skip


def says_why(done: "subprocess.CompletedProcess[str]") -> bool:
    """It ended with one sentence, which names what is short."""
    last = done.stderr.strip().splitlines()[-1]
    told = last == NO_MEMORY or "MB of addresses (ulimit -v), and needs" in last
    return done.returncode == 1 and told and "Traceback" not in done.stderr


@pytest.mark.parametrize("megabytes", [70, 140, 300, 600])
def test_an_endpoint_without_room_ends_with_a_sentence(megabytes: int, settings: dict[str, str]) -> None:
    own = os.environ | settings | {"NEXTPLAY_PORT": str(free_port()), "OMP_NUM_THREADS": "1"}
    done = within(megabytes, sys.executable, "-m", "serving", env=own)
    assert says_why(done), (done.returncode, done.stderr[-2000:])


@pytest.mark.parametrize("megabytes", [90, 350, 1_000, 3_000])
def test_a_night_without_room_ends_with_a_sentence(megabytes: int, tmp_path: Path) -> None:
    """Before its commands are loaded, or before it begins: later the libraries crash."""
    command = [sys.executable, "-m", "pipelines.start", "run"]
    done = within(megabytes, *command, env=environment(tmp_path))
    assert says_why(done), (done.returncode, done.stderr[-2000:])
    assert not (tmp_path / "champion" / "pointer.json").exists()


@pytest.mark.parametrize("way", ["deployment", "bento"])
def test_a_full_disk_for_what_is_temporary_ends_no_worker(
    way: str, settings: dict[str, str], small_disk: Path, tmp_path: Path
) -> None:
    """Metrics are files that workers map: on a full disk the kernel would end each that writes to one."""
    places = {name: str(small_disk) for name in ("TMPDIR", "BENTOML_HOME")}
    served = deployment(tmp_path, **settings, **places)
    if way == "bento":
        path = blocked(tmp_path, str(ROOT))
        served = bento("serving.service:Nextplay", tmp_path, **settings, **places, **path)
    with served as endpoint:
        fill(small_disk)
        for route in ["/items?query=game", "/items/3", "/similar/3", "/model", "/openapi.json", "/no"] * 9:
            endpoint.client.get(route)
        assert endpoint.client.post("/recommend", json={"history": ["3"]}).status_code == 200
        assert 'route="/similar/{item_id}"' in endpoint.client.get("/metrics").text
        if way == "deployment":  # the one that is started in its place serves, too
            workers = psutil.Process(endpoint.pid).children()
            for worker in workers:
                worker.kill()
            psutil.wait_procs(workers, timeout=20)
            deadline = time.monotonic() + 30
            while not endpoint.is_ready():
                assert time.monotonic() < deadline, "No new worker serves."
                time.sleep(0.1)
