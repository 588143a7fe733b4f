"""Requests that ask for another protocol are answered as they are, with the body that they have.

A client may offer HTTP/2 with every request (`Upgrade: h2c`), as Java's own does, and curl with --http2. The
parser takes such a request for ended with its head, since what comes after a change would be of the other
protocol. There is none to change to, so a second parser reads the body, and what comes after it.
"""

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

FRAMING = {b"content-length", b"transfer-encoding"}


class OneProtocol(HttpToolsProtocol):
    """uvicorn's protocol, which knows HTTP/1.1 and nothing to change to."""

    _framing = b""  # of a body that the parser has left out

    def feed(self, data: bytes) -> None:
        """Parse what came; raises httptools.HttpParserError."""
        while data:
            try:
                self.parser.feed_data(data)
                return
            except httptools.HttpParserUpgrade as upgrade:
                data = data[upgrade.args[0] :]
                if self._framing:
                    framing, self._framing = self._framing, b""
                    self.parser = httptools.HttpRequestParser(AfterHead(self))
                    self.parser.feed_data(b"POST / HTTP/1.1\r\n" + framing + b"\r\n")

    def on_headers_complete(self) -> None:
        if self.parser.should_upgrade():
            lines = [b"%s: %s\r\n" % header for header in self.headers if header[0] in FRAMING]
            self._framing = b"".join(lines)
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        if not self._framing:
            super().on_message_complete()

    def _should_upgrade(self) -> bool:
        return False


class AfterHead:
    """What a parser calls that is given a head once more: nothing, until that head is over."""

    def __init__(self, connection: OneProtocol) -> None:
        self._of = connection
        self._over = False

    def on_message_begin(self) -> None:
        if self._over:
            self._of.on_message_begin()

    def on_url(self, url: bytes) -> None:
        if self._over:
            self._of.on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._over:
            self._of.on_header(name, value)

    def on_headers_complete(self) -> None:
        if self._over:
            self._of.on_headers_complete()
        self._over = True

    def on_body(self, body: bytes) -> None:
        self._of.on_body(body)

    def on_message_complete(self) -> None:
        self._of.on_message_complete()
