"""Bounds on time and number, made short: an own server over an app that says how its body was read."""

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator
from itertools import repeat

import pytest
import uvicorn
from prometheus_client import REGISTRY
from starlette.types import Receive, Scope, Send

from serving import connections
from serving.connections import OPEN, Connection, Connections
from tests.support.sockets import CLOSED, ask, connected, status_of, trickle

GET = b"GET / HTTP/1.1\r\nHost: x\r\n"
POST = b"POST / HTTP/1.1\r\nHost: x\r\n"
SOON = 3.0  # seconds; the bounds below are a quarter of it
LARGE = 32 << 20  # bytes of an answer, more than any socket takes


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Reads the body, but at /early; waits at /slow; has a large answer at /large."""
    if scope["type"] != "http":
        return
    path, more = scope["path"], scope["path"] != "/early"
    while more:
        message = await receive()
        more = message.get("more_body", False)
    await asyncio.sleep(1.0 if path == "/slow" else 0)
    content = b"a" * (LARGE if path == "/large" else 2)
    length = str(len(content)).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", length)]})
    await send({"type": "http.response.body", "body": content})


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with pytest.MonkeyPatch.context() as patched:
        for name in ("HEAD_SECONDS", "BODY_SECONDS", "STALLED_SECONDS"):
            patched.setattr(connections, name, SOON / 4)
        patched.setattr(connections, "LOOK_SECONDS", 0.05)
        patched.setattr(connections, "MAX_HELD", 1 << 20)
        patched.setattr(OPEN, "wanted", 20)
        listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        server = uvicorn.Server(uvicorn.Config(app, http=Connection, lifespan="off", log_level="error"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        yield listener.getsockname()[1]
        server.should_exit = server.force_exit = True
        thread.join()


@pytest.mark.parametrize(
    ("pieces", "status"),
    [
        ([b""], CLOSED),  # silent
        ([GET], "408"),
        ([GET, *repeat(b"X: y\r\n", 99)], "408"),
        ([GET + b"\r\n" + GET[:9], *repeat(b"a", 99)], "200"),  # the next request never ends
        ([POST + b"Content-Length: 99\r\n\r\n", *repeat(b"a", 50)], "408"),
        ([POST + b"Transfer-Encoding: chunked\r\n\r\n", *repeat(b"1\r\na\r\n", 99)], "408"),
        ([b"\r\n", *repeat(b"\r\n", 99)], "408"),
    ],
    ids=["silent", "a head", "headers", "a second head", "a body", "chunks", "empty lines"],
)
def test_who_is_slow_is_told_and_closed(port: int, pieces: list[bytes], status: str) -> None:
    seconds, answered = trickle(port, [*pieces, *repeat(b"", 99)], SOON / 50)
    assert (answered, seconds < SOON) == (status, True)
    if status == "200":
        return
    assert seconds > SOON / 5


def test_a_body_that_trickles_after_its_answer_ends_its_connection(port: int) -> None:
    with connected(port) as client:
        client.sendall(b"POST /early HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\na")
        assert status_of(client.recv(4096)) == "200"
        until, ended = time.monotonic() + SOON, False
        client.settimeout(0.1)
        while not ended and time.monotonic() < until:
            try:
                client.sendall(b"a")
                ended = client.recv(1) == b""
            except TimeoutError:
                continue
            except OSError:
                ended = True
        assert ended


def test_who_does_not_read_is_closed(port: int, wait_until: Callable[..., None]) -> None:
    before = len(OPEN._open)
    with connected(port) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.sendall(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
        wait_until(lambda: len(OPEN._open) > before)
        wait_until(lambda: len(OPEN._open) <= before)
    with connected(port) as client:  # who does gets all of it
        client.sendall(b"GET /large HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        got = 0
        while piece := client.recv(1 << 20):
            got += len(piece)
        assert got > LARGE


@pytest.mark.parametrize("sent", [b"", GET, POST + b"Content-Length: 9\r\n\r\na"])
def test_half_a_connection_is_closed_at_once(port: int, sent: bytes) -> None:
    with connected(port) as client:
        client.sendall(sent)
        client.shutdown(socket.SHUT_WR)
        client.settimeout(SOON / 6)
        assert client.recv(4096) == b""


@pytest.mark.parametrize(
    "sent", [GET + b"Host: y\r\n\r\n", b"GET /%FF HTTP/1.1\r\nHost: x\r\n\r\n"], ids=["two hosts", "no UTF-8"]
)
def test_what_has_no_meaning_is_not_counted_as_too_large(port: int, sent: bytes) -> None:
    def closed() -> list[float]:
        value = REGISTRY.get_sample_value
        return [
            value("nextplay_connections_closed_total", {"reason": reason}) or 0.0
            for reason in ("wrong", "large")
        ]

    wrong, large = closed()
    assert status_of(ask(port, sent)) == "400"
    assert closed() == [wrong + 1, large]


def test_silent_ones_give_way_and_those_who_ask_are_answered(port: int) -> None:
    with connected(port) as busy:
        busy.sendall(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
        crowd = [connected(port) for _ in range(60)]
        for _ in range(3):
            assert status_of(ask(port, GET + b"Connection: close\r\n\r\n")) == "200"
        assert len(OPEN._open) <= OPEN.limit()
        assert status_of(busy.recv(4096)) == "200"  # it was older, and not quiet
        for one in crowd:
            one.close()


def test_where_all_are_busy_one_more_is_told_so(port: int) -> None:
    crowd = [connected(port) for _ in range(OPEN.limit())]
    for one in crowd:
        one.sendall(b"GET /slow HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    time.sleep(0.2)
    refused = ask(port, GET + b"\r\n")
    assert status_of(refused) == "503" and b"Too many connections" in refused
    assert b"\r\nretry-after: 1\r\n" in refused
    for one in crowd:
        assert status_of(one.recv(4096)) == "200"
        one.close()


def test_unfinished_bodies_are_bounded_together(port: int, wait_until: Callable[..., None]) -> None:
    wait_until(lambda: OPEN.held == 0)
    crowd = [connected(port) for _ in range(12)]
    for one in crowd:
        one.sendall(POST + b"Content-Length: 200000\r\n\r\n" + b"a" * 190_000)
    whole = POST + b"Content-Length: 300000\r\nConnection: close\r\n\r\n" + b"a" * 300_000
    assert status_of(ask(port, whole)) == "200"
    assert OPEN.held <= connections.MAX_HELD
    for one in crowd:
        one.close()
    wait_until(lambda: OPEN.held == 0 and not OPEN._open)


def test_there_are_fewer_than_the_process_may_have_files(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Connections().limit() <= 1_000
    monkeypatch.setattr(connections.resource, "getrlimit", lambda _: (256, 4096))
    assert Connections().limit() == 56
