"""What supervises an endpoint's workers is killed alone: they finish what they were asked, end, and free the
port for a new endpoint."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tests.serving.conftest import publish_pointer, random_table, write_fake_bundle
from tests.support.servers import Server, bento, deployment
from tests.support.sockets import connected, status_of

SOON = 15.0  # seconds; on a busy machine
HEAD = b"POST /recommend HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Length: 18\r\n\r\n"
BODY = b'{"history": ["3"]}'


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, str]:
    bundle = write_fake_bundle(tmp_path / "a", random_table(1))
    publish_pointer(tmp_path / "champion.json", bundle, "a1")
    return {
        "NEXTPLAY_POINTER": str(tmp_path / "champion.json"),
        "NEXTPLAY_EVENTS": str(tmp_path / "events.db"),
    }


def holds_soon(what: Callable[[], bool]) -> bool:
    until = time.monotonic() + SOON
    while not what() and time.monotonic() < until:
        time.sleep(0.05)
    return what()


def is_closed(port: int) -> bool:
    try:
        connected(port).close()
    except ConnectionRefusedError:
        return True
    return False


def workers_end_with_their_supervisor(server: Server) -> None:
    """Started anew on the same port, the endpoint serves alone."""
    workers = psutil.Process(server.pid).children(recursive=True)
    with connected(server.port) as asked:
        asked.sendall(HEAD + BODY[:5])
        time.sleep(0.5)  # it is under way
        os.kill(server.pid, signal.SIGKILL)
        assert holds_soon(lambda: is_closed(server.port)), "they serve on"
        asked.sendall(BODY[5:])
        assert status_of(asked.recv(4096)) == "200"
    assert holds_soon(lambda: not any(map(is_there, workers))), workers
    server.start()


def is_there(process: psutil.Process) -> bool:
    """Whether it runs; one that nobody has waited for does not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_workers_end_with_their_killed_supervisor(tmp_path: Path, settings: dict[str, str]) -> None:
    with deployment(tmp_path, NEXTPLAY_WORKERS="2", **settings) as server:
        workers_end_with_their_supervisor(server)


@pytest.mark.slow
def test_a_worker_of_bentoml_does_so_too(tmp_path: Path, settings: dict[str, str]) -> None:
    with bento("serving.service:Nextplay", tmp_path, **settings) as server:
        workers_end_with_their_supervisor(server)
