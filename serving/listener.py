"""A listening socket for each worker, so that the kernel spreads connections over the workers.

With one socket for all, the worker that wakes up first accepts whatever waits: of eight connections that came
together, one of two workers had all eight.
"""

import errno
import os
import socket
from typing import Any, Self

from models.mistakes import UserError


class Listener(socket.socket):
    """Sent to another process, it becomes a socket of that process's own, on the same port.

    In the process that made it, it only keeps the port: it does not listen, and gets no connection.
    """

    @classmethod
    def bound(cls, host: str, port: int) -> Self:
        """Raises OSError where the address cannot be had."""
        ((family, kind, protocol, _, address), *_) = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        listener = cls(family, kind, protocol)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if hasattr(socket, "SO_REUSEPORT"):
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            listener.bind(address)
            listener.set_inheritable(False)
        except OSError:
            listener.close()
            raise
        return listener

    def __reduce__(self) -> tuple[Any, ...]:
        host, port, *_ = self.getsockname()
        return (Listener.bound, (host, port))


def port_fault(host: str, port: int) -> str | None:
    """Why nobody can listen there, if so; 0 stands for any free port.

    Sockets that share a port would split its connections silently.
    """
    try:
        ((family, kind, protocol, _, address), *_) = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError:
        return f"there is no address {host}"
    with socket.socket(family, kind, protocol) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
        except OSError as error:
            return FAULTS.get(error.errno or 0, os.strerror(error.errno or 0).lower())
    return None


def usable_port(host: str, port: int, setting: str) -> int:
    """The port, or a free one for 0. Raises PortError, which names the setting and a port that is free."""
    if port == 0:
        with socket.socket() as probe:
            probe.bind(("", 0))
            return int(probe.getsockname()[1])
    fault = port_fault(host, port)
    if fault is None:
        return port
    above = range(max(port + 1, 1_024), min(max(port, 1_023) + FURTHER, 65_535))
    free = next((other for other in above if port_fault(host, other) is None), None)
    way = f"set {setting}={free}, which is free" if free else "name another host with --host"
    raise PortError(f"{setting}={port} cannot be had on {host}, {fault}: {way}.")


FURTHER = 50  # ports that are tried
FAULTS = {
    errno.EADDRINUSE: "another program listens there",
    errno.EACCES: "ports below 1024 need the rights of root",
    errno.EADDRNOTAVAIL: "this machine has no such address",
}


class PortError(UserError):
    """Nobody can listen there; the message names another port."""
