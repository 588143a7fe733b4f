"""Clients that mean no good: raw sockets that send what no HTTP library would."""

import socket
import time
from collections.abc import Iterable

CLOSED = ""  # the connection ended without an answer


def connected(port: int, timeout: float = 10.0) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=timeout)


def status_of(answer: bytes) -> str:
    """The status of the first answer in these bytes; CLOSED where there is none."""
    return answer.split(b" ", 2)[1].decode() if answer.startswith(b"HTTP/1.1 ") else CLOSED


def flood(port: int, start: bytes, piece: bytes, limit: int) -> tuple[int, str]:
    """Send `start`, and then `piece` again and again; how many bytes went out, and what came back.

    Raises AssertionError where `limit` bytes were taken and nothing said.
    """
    with connected(port) as client:
        sent, answer = 0, b""
        try:
            client.sendall(start)
            while sent < limit:
                client.sendall(piece)
                sent += len(piece)
                client.settimeout(0.001)
                try:
                    got = client.recv(4096)
                    answer += got
                    if not got or b"\r\n\r\n" in answer:
                        return sent, status_of(answer)
                except TimeoutError:
                    pass
                client.settimeout(10)
        except OSError:  # reset: it was closed while this was still sending
            return sent, status_of(answer)
    raise AssertionError(f"{sent:,} bytes were taken and never refused")


def trickle(port: int, pieces: Iterable[bytes], pause: float) -> tuple[float, str]:
    """Send a piece at a time; after how many seconds it was answered or closed, and the status."""
    started, answer = time.monotonic(), b""
    with connected(port) as client:
        try:
            for piece in pieces:
                client.sendall(piece)
                client.settimeout(pause)
                try:
                    got = client.recv(4096)
                    answer += got
                    if not got or answer:
                        break
                except TimeoutError:
                    pass
        except OSError:
            pass
    return time.monotonic() - started, status_of(answer)


def ask(port: int, raw: bytes, timeout: float = 10.0) -> bytes:
    """Everything that comes back after these bytes until the other side closes, or is silent for a second."""
    with connected(port, timeout) as client:
        client.sendall(raw)
        answer = b""
        try:
            while got := client.recv(65536):
                answer += got
                client.settimeout(1)
        except OSError:
            pass
        return answer
