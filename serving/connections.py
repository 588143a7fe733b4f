"""What one connection may cost a worker: bounds on what it sends, how long it takes, and how many there are.

A subclass of uvicorn's protocol, beneath every server that runs the app. What is over a bound is refused with
one sentence and closed, or, where nobody would read it, just closed. A connection that is over the number
takes the place of the one that has been quiet for longest, so those who ask are served.
"""

import asyncio
import json
import re
import resource
import socket
from enum import Enum
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote_to_bytes

import httptools
from uvicorn.config import HTTP_PROTOCOLS

from serving import telemetry
from serving.bodies import MAX_BODY
from serving.one_protocol import OneProtocol

MAX_TARGET = 16_384  # bytes of a path and its query
MAX_HEAD = 32_768  # bytes of all headers
MAX_HEADERS = 100
MAX_READ = 8 * MAX_BODY  # bytes of a body that are read, so that who sends too much still learns why
MAX_PIPELINED = 100  # requests of one connection that wait for their answers
MAX_HELD = 64 << 20  # bytes of unfinished requests, of all connections together
CONNECTIONS = 1_000
OTHER_FILES = 200  # descriptors that are not connections: model, stores, logs

HEAD_SECONDS = 20.0  # for the head of a request, from its first byte; of a new connection from its start
BODY_SECONDS = 25.0  # under the 30 s after which BentoML ends a request
STALLED_SECONDS = 60.0  # for which nobody has read what waits to be sent
IDLE_SECONDS = 75  # between two requests; longer than the 60 s for which load balancers keep theirs
LOOK_SECONDS = 1.0

LARGE_HEAD = f"At most {MAX_HEADERS} headers of {MAX_HEAD:,} bytes together are read."


class Phase(Enum):
    IDLE = "idle"  # before the first byte of the next request
    HEAD = "head"
    BODY = "body"
    ANSWER = "answer"


class RefusedError(Exception):
    """Raised within the parser's callbacks: what the connection is ended with."""

    def __init__(self, status: int, detail: str) -> None:
        self.status, self.detail = status, detail


NO_HTTP = RefusedError(400, "This is no HTTP request that can be read.")
LETTERS = re.compile(rb"[A-Z]+ /[^\r\n]*[^\x00-\x7f]")  # in a path or a query, as curl sends what was typed
AS_LETTERS = RefusedError(
    400, "The path and its query hold letters beyond ASCII: write them by percent signs, as in Zo%C3%AB."
)


class Connections:
    """All connections of this process, those first that have been quiet for longest."""

    def __init__(self) -> None:
        self.wanted = CONNECTIONS
        self.held = 0  # bytes of unfinished requests
        self._open: dict[Connection, None] = {}
        self._next_look: asyncio.TimerHandle | None = None

    def limit(self) -> int:
        """How many there may be: as set, and as the descriptors of the process allow."""
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        return self.wanted if soft == resource.RLIM_INFINITY else max(min(self.wanted, soft - OTHER_FILES), 8)

    def add(self, new: "Connection") -> bool:
        """Take one in, at the cost of the quietest where there are too many; False where all are busy."""
        self._open[new] = None
        telemetry.CONNECTIONS.inc()
        if self._next_look is None:
            self._next_look = new.loop.call_later(LOOK_SECONDS, self._look, new.loop)
        if len(self._open) <= self.limit():
            return True
        quiet = next((one for one in self._open if one.phase is not Phase.ANSWER and one is not new), None)
        if quiet is not None:
            quiet.end("crowded")
        return quiet is not None

    def remove(self, gone: "Connection") -> None:
        if gone in self._open:
            del self._open[gone]
            telemetry.CONNECTIONS.dec()

    def was_answered(self, one: "Connection") -> None:
        if one in self._open:
            self._open[one] = self._open.pop(one)

    def relieve(self, but: "Connection") -> None:
        """Where too much of unfinished requests is held, end those that have been at it for longest."""
        while self.held > MAX_HELD:
            slow = [one for one in self._open if one.taken and one is not but]
            if not slow:
                return
            min(slow, key=lambda one: one.since).end("crowded")

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        for one in [one for one in self._open if one.is_late(now)]:
            one.end_late()
        again = bool(self._open)
        self._next_look = loop.call_later(LOOK_SECONDS, self._look, loop) if again else None


OPEN = Connections()


class Connection(OneProtocol):
    """One connection: counts what the parser takes, and ends what goes over a bound."""

    transport: asyncio.Transport
    phase = Phase.IDLE
    since = 0.0  # when this phase began, by the loop's clock
    taken = 0  # bytes of the part of a request that is not finished
    _fresh = True  # has not asked yet
    _answering = 0  # requests with a whole head and no whole answer
    _head_bytes = 0
    _stalled_since: float | None = None
    _fault: RefusedError | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.since = self.loop.time()
        _end_with_a_silent_peer(transport)
        if not OPEN.add(self):
            self._refuse(503, "Too many connections at once: try again in a second.", "full")

    def connection_lost(self, exc: Exception | None) -> None:
        self._reset_taken()
        OPEN.remove(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._unset_keepalive_if_required()
        if self.phase is Phase.IDLE:
            self._enter(Phase.HEAD)
        self.taken += len(data)
        OPEN.held += len(data)
        try:
            self.feed(data)
        except httptools.HttpParserError:
            unread = AS_LETTERS if LETTERS.match(data) else NO_HTTP
            fault = self._fault or unread
            self._refuse(fault.status, fault.detail, "wrong" if fault.status == 400 else "large")
            return
        if self.phase is Phase.HEAD and self.taken > MAX_HEAD + MAX_TARGET:
            self._refuse(431, LARGE_HEAD, "large")
        elif self.phase is Phase.BODY and self.taken > MAX_READ:
            self._refuse(413, f"The body does not end: at most {MAX_BODY:,} bytes are read.", "large")
        elif OPEN.held > MAX_HELD:
            OPEN.relieve(self)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._head_bytes = 0
        if self.phase is not Phase.HEAD:  # the next request of one read
            self._enter(Phase.HEAD)

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        if len(self.url) > MAX_TARGET:
            self._fail(414, f"The path and its query are longer than {MAX_TARGET:,} bytes.")

    def on_header(self, name: bytes, value: bytes) -> None:
        self._head_bytes += len(name) + len(value) + 4
        if len(self.headers) >= MAX_HEADERS or self._head_bytes > MAX_HEAD:
            self._fail(431, LARGE_HEAD)
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._check_names()
        length = next((value for name, value in self.headers if name == b"content-length"), b"0")
        if int(length[:20]) > MAX_READ:
            self._fail(413, f"The body has {int(length[:20]):,} bytes: at most {MAX_BODY:,} are read.")
        if self._answering > MAX_PIPELINED:
            self._fail(429, f"At most {MAX_PIPELINED} requests of a connection wait for their answers.")
        super().on_headers_complete()
        self._answering += 1
        self._fresh = False
        self._enter(Phase.BODY)

    def on_message_complete(self) -> None:
        super().on_message_complete()
        if not self._framing:
            self._enter(Phase.ANSWER if self._answering else Phase.IDLE)

    def on_response_complete(self) -> None:
        self._answering -= 1
        if self.phase is Phase.ANSWER and not self._answering:
            self._enter(Phase.IDLE)
        OPEN.was_answered(self)
        super().on_response_complete()

    def pause_writing(self) -> None:
        self._stalled_since = self.loop.time()
        super().pause_writing()

    def resume_writing(self) -> None:
        self._stalled_since = None
        super().resume_writing()

    def timeout_keep_alive_handler(self) -> None:
        if self.transport.get_write_buffer_size():
            self.end("slow")
        else:
            super().timeout_keep_alive_handler()

    def is_late(self, now: float) -> bool:
        if self._stalled_since is not None and now - self._stalled_since > STALLED_SECONDS:
            return True
        if self.phase is Phase.HEAD or (self.phase is Phase.IDLE and self._fresh):
            return now - self.since > HEAD_SECONDS
        if self.phase is Phase.IDLE:  # uvicorn's own timer knows no body that comes after its answer
            return now - self.since > IDLE_SECONDS
        return self.phase is Phase.BODY and now - self.since > BODY_SECONDS

    def end_late(self) -> None:
        """Close what has taken too long; who has begun to ask is told."""
        if self.phase in (Phase.HEAD, Phase.BODY) and self._stalled_since is None:
            part = self.phase.value
            seconds = HEAD_SECONDS if self.phase is Phase.HEAD else BODY_SECONDS
            self._refuse(408, f"The {part} of the request did not come within {seconds:.0f} seconds.", "slow")
        else:
            self.end("slow")

    def end(self, reason: str) -> None:
        """Close at once, whatever is under way."""
        telemetry.CLOSED.labels(reason).inc()
        self._reset_taken()
        OPEN.remove(self)
        self.transport.abort()

    def _refuse(self, status: int, detail: str, reason: str) -> None:
        """Answer with a sentence and close; where an answer is under way, only close."""
        asking = self.phase is Phase.BODY and not self.cycle.response_started
        if self._answering > asking or self.transport.is_closing() or self.transport.get_write_buffer_size():
            self.end(reason)
            return
        body = json.dumps({"detail": detail}).encode()
        wait = "retry-after: 1\r\n" if status == 503 else ""
        head = (
            f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\ncontent-type: application/json\r\n"
            f"content-length: {len(body)}\r\n{wait}connection: close\r\n\r\n"
        )
        telemetry.CLOSED.labels(reason).inc()
        self._reset_taken()
        OPEN.remove(self)
        self.transport.write(head.encode() + body)
        self.transport.close()
        self.loop.call_later(LOOK_SECONDS, self.transport.abort)  # should nobody read it

    def _check_names(self) -> None:
        """What has no meaning would be given one: another id, the first of two hosts."""
        if b"%" in self.url and not _is_text(unquote_to_bytes(self.url)):
            self._fail(400, "The path and its query must be UTF-8 behind their percent signs.")
        if sum(name == b"host" for name, _ in self.headers) > 1:
            self._fail(400, "A request has one header Host, and this one has several.")

    def _fail(self, status: int, detail: str) -> None:
        self._fault = RefusedError(status, detail)
        raise self._fault

    def _enter(self, phase: Phase) -> None:
        self.phase, self.since = phase, self.loop.time()
        self._reset_taken()

    def _reset_taken(self) -> None:
        OPEN.held -= self.taken
        self.taken = 0


def guard_every_server() -> None:
    """From now on a uvicorn of this process uses `Connection`, whoever starts it."""
    HTTP_PROTOCOLS["auto"] = f"{__name__}:{Connection.__name__}"


def _is_text(given: bytes) -> bool:
    try:
        given.decode()
    except UnicodeDecodeError:
        return False
    return True


def _end_with_a_silent_peer(transport: asyncio.Transport) -> None:
    """The kernel ends the connection of somebody who does not acknowledge, or read, what was sent to them."""
    own: Any = transport.get_extra_info("socket")
    of_tcp = own is not None and own.family in (socket.AF_INET, socket.AF_INET6)
    if of_tcp and hasattr(socket, "TCP_USER_TIMEOUT"):
        own.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(STALLED_SECONDS * 1000))
