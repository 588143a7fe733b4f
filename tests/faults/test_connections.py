"""Crowds and dawdlers against real endpoints, under uvicorn and BentoML, with the bounds as they ship."""

import resource
import socket
import threading
import time
from collections.abc import Iterator
from itertools import repeat
from pathlib import Path

import psutil
import pytest

from serving.connections import BODY_SECONDS, HEAD_SECONDS
from tests.serving.conftest import publish_pointer, random_table, write_fake_bundle
from tests.support.attacks import GET, POST
from tests.support.servers import ROOT, Server, bento, deployment
from tests.support.sockets import CLOSED, ask, connected, status_of, trickle

SILENT = 9_000
GROWTH = 64 << 20  # bytes of all processes of an endpoint together
LATE = 10.0  # seconds after a bound within which it must have been kept, on a busy machine


@pytest.fixture(scope="module", params=["uvicorn", pytest.param("bentoml", marks=pytest.mark.slow)])
def endpoint(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("crowd")
    publish_pointer(folder / "champion.json", write_fake_bundle(folder / "a", random_table(1)), "a1")
    settings = {
        "NEXTPLAY_POINTER": str(folder / "champion.json"),
        "NEXTPLAY_EVENTS": str(folder / "events.db"),
        "NEXTPLAY_WORKERS": "1",
    }
    if request.param == "uvicorn":
        server = deployment(folder, **settings)
    else:
        server = bento("serving.service:Nextplay", folder, **settings)
        server._folder = ROOT
    with server:
        yield server


def memory(endpoint: Server) -> int:
    process = psutil.Process(endpoint.pid)
    return sum(one.memory_info().rss for one in [process, *process.children(recursive=True)])


def recommended(port: int) -> str:
    body = b'{"history": ["3"]}'
    head = POST + b"Content-Length: %d\r\nConnection: close\r\n\r\n" % len(body)
    return status_of(ask(port, head + body))


def test_thousands_who_say_nothing_shut_nobody_out(endpoint: Server) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < SILENT + 500:
        pytest.skip(f"this process may have {hard:,} files")
    resource.setrlimit(
        resource.RLIMIT_NOFILE, (SILENT + 500 if hard == resource.RLIM_INFINITY else hard, hard)
    )
    assert recommended(endpoint.port) == "200"
    before, silent, answered = memory(endpoint), list[socket.socket](), 0
    for number in range(SILENT):
        silent.append(connected(endpoint.port))
        if number % 300 == 0:
            answered += recommended(endpoint.port) == "200"
    assert answered == SILENT // 300
    assert memory(endpoint) - before < GROWTH
    assert all(recommended(endpoint.port) == "200" for _ in range(20))
    for one in silent:
        one.close()


@pytest.mark.slow
def test_who_dawdles_is_ended_and_holds_nobody_up(endpoint: Server) -> None:
    """With the bounds as they ship, for half a minute; tests/serving/test_connections.py has short ones."""
    long = b"Content-Length: 900000\r\n\r\n"
    dawdlers = {
        "silent": (iter([b""]), CLOSED, HEAD_SECONDS),
        "head": (repeat(b"X: y\r\n"), "408", HEAD_SECONDS),
        "body": (repeat(b"a"), "408", BODY_SECONDS),
        "chunks": (repeat(b"1\r\na\r\n"), "408", BODY_SECONDS),
    }
    starts = {"head": GET, "body": POST + long, "chunks": POST + b"Transfer-Encoding: chunked\r\n\r\n"}
    ended: dict[str, tuple[float, str]] = {}

    def dawdle(kind: str) -> None:
        pieces = [
            starts.get(kind, b""),
            *(piece for piece, _ in zip(dawdlers[kind][0], range(120), strict=False)),
        ]
        ended[kind] = trickle(endpoint.port, [*pieces, *repeat(b"", 120 - len(pieces))], 0.5)

    threads = [threading.Thread(target=dawdle, args=(kind,)) for kind in dawdlers for _ in range(5)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        assert recommended(endpoint.port) == "200"
        time.sleep(1)
    for kind, (_, status, bound) in dawdlers.items():
        seconds, answered = ended[kind]
        assert answered == status, kind
        assert bound - 1 < seconds < bound + LATE, kind


def test_large_bodies_that_do_not_end_are_bounded_together(endpoint: Server) -> None:
    """200 connections, each with a megabyte that lacks its last byte."""
    assert recommended(endpoint.port) == "200"
    before, crowd = memory(endpoint), list[socket.socket]()
    for _ in range(200):
        one = connected(endpoint.port)
        crowd.append(one)
        try:
            one.sendall(POST + b"Content-Length: 1000000\r\n\r\n" + b" " * 999_999)
        except OSError:  # it gave way
            continue
    assert recommended(endpoint.port) == "200"
    assert memory(endpoint) - before < 3 * GROWTH  # what is held, and as much again while it is copied
    for one in crowd:
        one.close()


@pytest.mark.slow
def test_few_files_are_enough_for_those_who_ask(tmp_path: Path) -> None:
    publish_pointer(tmp_path / "champion.json", write_fake_bundle(tmp_path / "a", random_table(1)), "a1")
    with deployment(
        tmp_path, NEXTPLAY_POINTER=str(tmp_path / "champion.json"), NEXTPLAY_WORKERS="1"
    ) as server:
        for child in psutil.Process(server.pid).children(recursive=True):
            resource.prlimit(child.pid, resource.RLIMIT_NOFILE, (512, 512))
        crowd = [connected(server.port) for _ in range(700)]
        assert all(recommended(server.port) == "200" for _ in range(20))
        for one in crowd:
            one.close()
