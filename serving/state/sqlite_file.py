"""What is told of an SQLite file in WAL mode by its names, past the connections that have it open.

A connection goes on with the files that it has opened when their names are gone or stand for others, and when
somebody writes over them: it sees neither. Nothing that is committed from then on lasts.
"""

import os
import threading
from dataclasses import dataclass
from pathlib import Path

from serving.state.events import EventStoreError, StoreSize

HEAD = 100  # bytes of an SQLite file before its first table
COUNTER, APPLICATION_ID = slice(24, 28), slice(68, 72)

Names = tuple[tuple[int, int] | None, ...]


@dataclass(frozen=True)
class _Head:
    """The raw head: the id of the store, and a count of changes that never falls."""

    store: int
    changes: int


class SqliteFile:
    """The files of one database, for all threads of a process."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._open: tuple[tuple[int, int], int] | None = None  # the file, and a descriptor of it
        self._seen: _Head | None = None
        self._connected: Names = ()

    def is_there(self) -> bool:
        return _file(self.path) is not None

    def now(self) -> Names:
        """Which files the names of the database, its log and its index stand for."""
        real = os.path.realpath(self.path)
        return tuple(_file(name) for name in (real, f"{real}-wal", f"{real}-shm"))

    def size(self) -> StoreSize:
        """Bytes of the database and of its log; 0 of what is not there."""
        real = os.path.realpath(self.path)
        return StoreSize(_bytes(real), _bytes(f"{real}-wal"))

    def refuse_a_log_of_another(self) -> None:
        """Raises EventStoreError where the file is another than before beside the same log, which would be
        read into it when it is opened."""
        names, before = self.now(), self._connected
        if before and names[0] != before[0] and names[1] is not None and names[1] == before[1]:
            raise EventStoreError(
                f"The event store {self.path} was exchanged beside the log of the one before: stop all who "
                f"use it, and remove {self.path.name}-wal and {self.path.name}-shm."
            )

    def connected(self) -> Names:
        """To be called once the file is open; returns what was opened."""
        self._connected = self.now()
        return self._connected

    def refuse_if_overwritten(self) -> None:
        """Raises EventStoreError where other bytes were written into the file under those who have it open.

        The log of the store before would be read into them.
        """
        with self._lock:
            head = self._head()
            before, self._seen = self._seen, self._seen or head
            if head is None or before is None:
                return
            other = before.store and head.store != before.store
            if other or head.changes < before.changes:
                raise EventStoreError(
                    f"The event store {self.path} was written over while it was in use, and takes nothing: "
                    f"stop "
                    f"all who use it, remove {self.path.name}-wal and {self.path.name}-shm, and put the file "
                    "there once more, by a rename."
                )
            self._seen = head

    def close(self) -> None:
        """To be called when no connection of this process is open any more."""
        with self._lock:
            if self._open is not None:
                os.close(self._open[1])
            self._open = self._seen = None

    def _head(self) -> _Head | None:
        """None where the file is not there, which others tell. Raises EventStoreError where it is empty."""
        file = _file(self.path)
        if file is None:
            return None
        if self._open is None or self._open[0] != file:
            # One descriptor, kept: closing any would take the locks of SQLite's own from this process.
            if self._open is not None:
                os.close(self._open[1])
            self._open, self._seen = (file, os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)), None
        head = os.pread(self._open[1], HEAD, 0)
        if len(head) < HEAD:
            raise EventStoreError(
                f"The event store {self.path} was emptied while it was in use: put it back."
            )
        return _Head(int.from_bytes(head[APPLICATION_ID]), int.from_bytes(head[COUNTER]))


def _file(path: str | Path) -> tuple[int, int] | None:
    try:
        found = Path(path).stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _bytes(path: str) -> int:
    try:
        return Path(path).stat().st_size
    except OSError:
        return 0
