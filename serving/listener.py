"""A listening socket for each worker, so that the kernel spreads connections over the workers.

With one socket for all, the worker that wakes up first accepts whatever waits: of eight connections that came
together, one of two workers had all eight.
"""

import socket
from typing import Any, Self


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


def is_taken(host: str, port: int) -> bool:
    """Does another program listen there? Sockets that share a port would split its connections silently."""
    ((family, kind, protocol, _, address), *_) = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    with socket.socket(family, kind, protocol) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
        except OSError:
            return True
    return False
