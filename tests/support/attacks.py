"""One short attack of each kind on an endpoint that runs, whichever server is beneath it."""

import time

import pytest

from serving.connections import MAX_HEADERS, MAX_PIPELINED
from tests.support.sockets import CLOSED, ask, connected, flood, status_of

GET = b"GET /items?query=x HTTP/1.1\r\nHost: 127.0.0.1\r\n"
POST = b"POST /recommend HTTP/1.1\r\nHost: 127.0.0.1\r\n"
LAST = GET + b"Connection: close\r\n\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
ENDLESS = {
    "headers": (GET, b"X-A: " + b"a" * 8000 + b"\r\n", 1 << 20, {"431"}),
    "many small headers": (GET, b"a:b\r\n" * 500, 1 << 20, {"431"}),
    "one header": (GET + b"X-A: ", b"a" * 65536, 1 << 20, {"431"}),
    "the name of a header": (GET, b"a" * 65536, 1 << 20, {"431"}),
    "a path": (b"GET /", b"a" * 65536, 1 << 20, {"414"}),
    "a query": (b"GET /items?query=", b"a" * 65536, 1 << 20, {"414"}),
    "a method": (b"", b"A" * 65536, 1 << 20, {"400"}),
    "empty lines": (b"", b"\r\n" * 30000, 1 << 20, {"431", "400"}),
    "a body": (POST + b"Content-Length: 99999999999\r\n\r\n", b" " * 65536, 16 << 20, {"413"}),
    "chunks": (CHUNKED, (b"%x\r\n" % 60000 + b" " * 60000 + b"\r\n"), 32 << 20, {"413"}),
    "chunks of one byte": (CHUNKED, b"1\r\n \r\n" * 10000, 32 << 20, {"413"}),
    "the name of a chunk": (CHUNKED + b"1;", b"a" * 65536, 32 << 20, {"413", "400"}),
    "trailers": (CHUNKED + b"0\r\n", b"X-A: " + b"a" * 8000 + b"\r\n", 32 << 20, {"431", "400"}),
}
endless = pytest.mark.parametrize("kind", ENDLESS)


def never_ends(port: int, kind: str) -> None:
    """What has no end is refused, or closed, before much of it is read."""
    start, piece, limit, statuses = ENDLESS[kind]
    sent, status = flood(port, start, piece, limit)
    assert status in statuses | {CLOSED}, (kind, sent)


def bounds_are_sharp(port: int) -> None:
    """What is within the bounds is answered as ever; a byte or a header more is not."""
    for headers, length, status in (
        (MAX_HEADERS - 3, 10, "200"),
        (MAX_HEADERS + 1, 10, "431"),
        (3, 9_000, "200"),
        (4, 9_000, "431"),
    ):
        many = b"".join(b"X-%d: %s\r\n" % (n, b"a" * length) for n in range(headers))
        answer = ask(port, GET + b"Connection: close\r\n" + many + b"\r\n")
        assert status_of(answer) == status, (headers, length)
    long = GET.replace(b"query=x", b"query=" + b"a" * 17_000)
    answer = ask(port, long + b"\r\n")
    assert status_of(answer) == "414" and b'{"detail": "The path' in answer


def pipelines(port: int) -> None:
    """Some requests at once are answered in their order; very many end their connection."""
    few = MAX_PIPELINED - 1
    assert ask(port, (GET + b"\r\n") * few).count(b"HTTP/1.1 200") == few
    assert ask(port, (GET + b"\r\n") * 5_000).count(b"HTTP/1.1 200") < 1_000
    assert status_of(ask(port, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")) == "400"
    assert status_of(ask(port, b"\x16\x03\x01\x02\x00\x01")) == "400"  # TLS on a plain port
    both = POST + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    assert status_of(ask(port, both)) == "400"


def offers_more(port: int) -> None:
    """There is nothing to change to: a request that offers it is answered, with its body, and the next."""
    for offer in (b"websocket", b"h2c"):
        upgrade = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: " + offer + b"\r\n"
        get = GET + upgrade + b"\r\n"
        assert ask(port, get + get + LAST).count(b"HTTP/1.1 200") == 3
        body = b'{"history": ["3"], "k": 4}'
        posts = (
            POST + upgrade + b"Content-Length: %d\r\n\r\n" % len(body) + body,
            POST + upgrade + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(body), body),
        )
        for post in posts:
            answer = ask(port, post + get + post + LAST)
            assert answer.count(b"HTTP/1.1 200") == 4 and answer.count(b'"rank":4') == 2, answer[:200]
        cut = posts[0].index(body) + 5
        with connected(port) as client:  # in pieces, and the connection is used again
            for piece in (posts[0][:20], posts[0][20:cut], posts[0][cut:]) * 2:
                client.sendall(piece)
                time.sleep(0.05)
            client.settimeout(1)
            answer = b""
            while answer.count(b'"rank":4') < 2:
                answer += client.recv(65536)
        assert answer.count(b"HTTP/1.1 200") == 2
        empty = POST + upgrade + b"Content-Length: 0\r\n\r\n"
        assert [a[:3] for a in ask(port, empty + LAST).split(b"HTTP/1.1 ")[1:]] == [b"400", b"200"]
        late = POST + upgrade + b"Content-Length: 99999999999\r\n\r\n"
        assert status_of(ask(port, late)) == "413"


def has_no_meaning(port: int) -> None:
    """What would be given a meaning that its sender did not have is refused."""
    for target in (b"/items?query=%ff", b"/items/%ed%a0%80", b"/similar/%c0%af", b"/similar?item_id=a%fe"):
        answer = ask(port, GET.replace(b"/items?query=x", target) + b"\r\n")
        assert status_of(answer) == "400" and b"UTF-8" in answer, target
    for target in ("/items?query=ë", "/similar/ë", "/similar?item_id=a%20ë"):  # as curl sends what was typed
        for encoding in ("utf-8", "latin-1"):
            answer = ask(port, GET.replace(b"/items?query=x", target.encode(encoding)) + b"\r\n")
            assert status_of(answer) == "400" and b"by percent signs" in answer, target
    assert status_of(ask(port, GET + b"Host: localhost\r\n\r\n")) == "400"
