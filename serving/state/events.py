"""The event store: what users played, what they were shown, and who asked to be forgotten.

The endpoint writes it and the pipeline reads it, so its format is a contract between the two: SQLite in WAL
mode, three tables (see DDL), times in milliseconds since the epoch, UTC. A commit is on the disk before it is
acknowledged. `received_at` rises from commit to commit, so a reader that has seen all rows up to some value
never finds a new one at or below it. The SQL keeps to what Postgres understands too, apart from the pragmas.
"""

import os
import sqlite3
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Any

FORMAT = 1
BUSY_SECONDS = 10.0  # that a writer waits for the writers of other processes
PAGE = 10_000  # rows fetched at a time

DDL = """
CREATE TABLE events (
    event_id TEXT PRIMARY KEY,
    user_id TEXT NOT NULL,
    item_id TEXT NOT NULL,
    played_at BIGINT NOT NULL,
    received_at BIGINT NOT NULL,
    request_id TEXT
);
CREATE INDEX events_by_user ON events (user_id, played_at);
CREATE INDEX events_by_arrival ON events (received_at);
CREATE TABLE impressions (
    request_id TEXT NOT NULL,
    rank INTEGER NOT NULL,
    user_id TEXT,
    item_id TEXT NOT NULL,
    score DOUBLE PRECISION,
    model_version TEXT NOT NULL,
    fallback TEXT,
    shown_at BIGINT NOT NULL,
    PRIMARY KEY (request_id, rank)
);
CREATE INDEX impressions_by_user ON impressions (user_id) WHERE user_id IS NOT NULL;
CREATE INDEX impressions_by_time ON impressions (shown_at);
CREATE TABLE forgotten (
    user_id TEXT PRIMARY KEY,
    forgotten_at BIGINT NOT NULL
);
CREATE INDEX forgotten_by_time ON forgotten (forgotten_at);
"""

INSERT_EVENT = "INSERT INTO events VALUES (?, ?, ?, ?, ?, ?)"
INSERT_IMPRESSION = """
INSERT INTO impressions
SELECT * FROM (SELECT ? AS request_id, ?, ? AS user_id, ?, ?, ?, ?, ?) AS shown
WHERE NOT EXISTS (SELECT 1 FROM forgotten WHERE forgotten.user_id = shown.user_id)
ON CONFLICT DO NOTHING
"""
LAST_CHANGE = """
SELECT coalesce(max(at), 0) FROM (
    SELECT max(received_at) AS at FROM events UNION ALL SELECT max(forgotten_at) FROM forgotten
) AS changes
"""
NEWEST_PLAYS = """
SELECT item_id FROM events WHERE user_id = ? AND received_at > ?
ORDER BY played_at DESC, received_at DESC, event_id DESC LIMIT ?
"""


class EventStoreError(Exception):
    """The file is no event store that this version reads; the message says why."""


@dataclass(frozen=True)
class Play:
    """A play event as a client sends it; `played_at` None means when it is received."""

    event_id: str
    user_id: str
    item_id: str
    played_at: int | None = None
    request_id: str | None = None


@dataclass(frozen=True)
class Event:
    """A row of `events`: a stored play event."""

    event_id: str
    user_id: str
    item_id: str
    played_at: int
    received_at: int
    request_id: str | None


@dataclass(frozen=True)
class Impression:
    """A row of `impressions`: one recommended item. `rank` starts at 1; `user_id` is None where unknown."""

    request_id: str
    rank: int
    user_id: str | None
    item_id: str
    score: float
    model_version: str
    fallback: str | None
    shown_at: int


@dataclass(frozen=True)
class Stored:
    """What became of the events of one request. Those of forgotten users are dropped, not stored."""

    stored: int
    repeated: int
    forgotten: int


@dataclass(frozen=True)
class Conflict:
    """An event id was sent with another content before: nothing of its request is stored."""

    event_id: str
    field: str  # the first one that differs


@dataclass(frozen=True)
class Forgotten:
    """What was removed of one user."""

    events: int
    impressions: int


class EventStore:
    """The store in one file, made if it is missing; safe to use from several threads and processes.

    Raises EventStoreError where the file is something else, and sqlite3.Error where it cannot be read or
    written: what was not acknowledged by a normal return must be sent again.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self._local = threading.local()
        self._opened: list[sqlite3.Connection] = []
        try:
            if not file.exists():
                _create(file)
            (found,) = self._connection().execute("PRAGMA user_version").fetchone()
        except (OSError, sqlite3.Error) as error:
            raise EventStoreError(f"The event store {file} cannot be opened: {error}.") from error
        if found != FORMAT:
            raise EventStoreError(f"{file} is no event store of format {FORMAT}: it says {found}.")

    def add(
        self, requests: Sequence[Sequence[Play]], impressions: Sequence[Impression] = ()
    ) -> list[Stored | Conflict]:
        """Store the events of several requests, and impressions, in one durable commit.

        The answer has one entry a request, in order; a request with a conflict stores nothing, the others do.
        An impression whose request id and rank are there already is left out.
        """
        with self._writing() as connection:
            received_at = _next_time(connection)
            answers = [_add_request(connection, plays, received_at) for plays in requests]
            connection.executemany(INSERT_IMPRESSION, (astuple(shown) for shown in impressions))
        return answers

    def forget(self, user_id: str) -> Forgotten:
        """Remove a user's events and impressions and remember not to take any more. May be repeated."""
        with self._writing() as connection:
            tombstone = (user_id, _next_time(connection))
            connection.execute("INSERT INTO forgotten VALUES (?, ?) ON CONFLICT DO NOTHING", tombstone)
            events = connection.execute("DELETE FROM events WHERE user_id = ?", (user_id,)).rowcount
            shown = connection.execute("DELETE FROM impressions WHERE user_id = ?", (user_id,)).rowcount
        self._wipe()
        return Forgotten(events, shown)

    def is_forgotten(self, user_id: str) -> bool:
        found = self._connection().execute("SELECT 1 FROM forgotten WHERE user_id = ?", (user_id,))
        return found.fetchone() is not None

    def forgotten_users(self) -> list[str]:
        """All forgotten users, sorted."""
        return [row[0] for row in self._connection().execute("SELECT user_id FROM forgotten ORDER BY 1")]

    def plays(self, user_id: str, received_after: int = 0, limit: int = 10_000) -> list[str]:
        """The items that a user played, oldest first by `played_at`; the newest `limit` of them."""
        rows = self._connection().execute(NEWEST_PLAYS, (user_id, received_after, limit)).fetchall()
        return [row[0] for row in reversed(rows)]

    def last_received(self) -> int:
        """`received_at` of the newest event, 0 where there is none."""
        (newest,) = self._connection().execute("SELECT max(received_at) FROM events").fetchone()
        return int(newest or 0)

    def events(self, received_after: int = 0) -> Iterator[Event]:
        """Events in the order in which they were received, those of one commit by their id."""
        statement = "SELECT * FROM events WHERE received_at > ? ORDER BY received_at, event_id"
        return (Event(*row) for row in self._rows(statement, received_after))

    def impressions(self, shown_from: int = 0) -> Iterator[Impression]:
        """Impressions in the order in which they were shown."""
        statement = "SELECT * FROM impressions WHERE shown_at >= ? ORDER BY shown_at, request_id, rank"
        return (Impression(*row) for row in self._rows(statement, shown_from))

    def close(self) -> None:
        """Close the connections of all threads; none may be in use."""
        while self._opened:
            self._opened.pop().close()
        self._local = threading.local()

    def _wipe(self) -> None:
        self._connection().execute("PRAGMA wal_checkpoint(TRUNCATE)")  # the log holds deleted rows too

    def _rows(self, statement: str, value: int) -> Iterator[tuple[Any, ...]]:
        cursor = self._connection().execute(statement, (value,))
        while page := cursor.fetchmany(PAGE):
            yield from page

    def _connection(self) -> sqlite3.Connection:
        """This thread's connection."""
        found: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if found is None:
            found = self._local.connection = _connect(self.file)
            self._opened.append(found)
        return found

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction that holds the right to write from its start, committed or rolled back at its end."""
        connection = self._connection()
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield connection
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise


def now_ms() -> int:
    """Milliseconds since the epoch, UTC."""
    return time.time_ns() // 1_000_000


def _next_time(connection: sqlite3.Connection) -> int:
    """The time of this commit: now, but later than every commit before it, whatever the clock says."""
    (last,) = connection.execute(LAST_CHANGE).fetchone()
    return max(now_ms(), int(last) + 1)


def _add_request(
    connection: sqlite3.Connection, plays: Sequence[Play], received_at: int
) -> Stored | Conflict:
    """Check all events of a request against those that are there, then insert the new ones."""
    new: dict[str, Event] = {}
    repeated = forgotten = 0
    for play in plays:
        there = new.get(play.event_id) or _find(connection, play.event_id)
        if there is not None:
            changed = _difference(play, there)
            if changed:
                return Conflict(play.event_id, changed)
            repeated += 1
        elif connection.execute("SELECT 1 FROM forgotten WHERE user_id = ?", (play.user_id,)).fetchone():
            forgotten += 1
        else:
            played_at = received_at if play.played_at is None else play.played_at
            new[play.event_id] = Event(
                play.event_id, play.user_id, play.item_id, played_at, received_at, play.request_id
            )
    connection.executemany(INSERT_EVENT, (astuple(event) for event in new.values()))
    return Stored(len(new), repeated, forgotten)


def _find(connection: sqlite3.Connection, event_id: str) -> Event | None:
    row = connection.execute("SELECT * FROM events WHERE event_id = ?", (event_id,)).fetchone()
    return Event(*row) if row else None


def _difference(play: Play, there: Event) -> str:
    """The first field in which an event sent again differs; a time that was left out differs from none."""
    for field in fields(Play):
        given = getattr(play, field.name)
        if given != getattr(there, field.name) and not (field.name == "played_at" and given is None):
            return field.name
    return ""


def _connect(file: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(file, BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA synchronous = FULL")  # in WAL mode: every commit is on the disk
    connection.execute("PRAGMA secure_delete = ON")  # what is deleted is overwritten
    return connection


def _create(file: Path) -> None:
    """Make the store aside and link it into place, so that processes that start together make one."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=file.parent) as folder:
        unfinished = Path(folder) / "new.db"
        connection = sqlite3.connect(unfinished)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.executescript(f"{DDL} PRAGMA user_version = {FORMAT};")
        connection.close()
        try:
            os.link(unfinished, file)
        except FileExistsError:
            return
