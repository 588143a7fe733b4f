"""The event store in a database: the tables and the statements that SQLite and Postgres share.

What differs between them, opening, locking and the name of an error, is a `Connection`: see `events_sqlite`
and `events_postgres`. Statements have `?` where a value is bound.
"""

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import astuple, fields
from typing import Any, Protocol

from serving.state.events import (
    MAX_HISTORY,
    MAX_LISTED,
    Conflict,
    Event,
    Forgotten,
    Impression,
    Listed,
    ListedItem,
    ListingFullError,
    Play,
    Stored,
    now_ms,
)

FORMAT = 1
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

# Additive, so a store of before gets them when it is opened.
LISTED_DDL = (
    """
    CREATE TABLE IF NOT EXISTS listed_items (
        item_id TEXT PRIMARY KEY,
        title TEXT NOT NULL,
        attributes TEXT NOT NULL,
        listed_at BIGINT NOT NULL
    )
    """,
    "CREATE TABLE IF NOT EXISTS listing_changes (id INTEGER PRIMARY KEY, made BIGINT NOT NULL)",
)
LIST_ITEM = """
INSERT INTO listed_items VALUES (?, ?, ?, ?) ON CONFLICT (item_id) DO UPDATE
SET title = excluded.title, attributes = excluded.attributes, listed_at = excluded.listed_at
"""
COUNT_LISTED = "SELECT count(*) FROM listed_items"
COUNT_CHANGE = """
INSERT INTO listing_changes VALUES (1, 1) ON CONFLICT (id) DO UPDATE SET made = listing_changes.made + 1
"""
LISTING_STATE = "SELECT coalesce(max(made), 0) FROM listing_changes"

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


Row = tuple[Any, ...]


class Connection(Protocol):
    """A connection to a database, for one thread. Any method raises EventStoreError."""

    @property
    def is_broken(self) -> bool:
        """Whether it will never work again."""
        ...

    def writing(self) -> AbstractContextManager[None]:
        """A transaction that holds the only right to write from its start, and is durable at its end."""
        ...

    def rows(self, statement: str, values: Sequence[object] = ()) -> Iterator[Row]:
        """What a query finds, fetched in pages."""
        ...

    def change(self, statement: str, rows: Iterable[Sequence[object]] = ((),)) -> int:
        """Run a statement for each row of values, or once; returns how many rows of the table it changed."""
        ...

    def wipe(self) -> None:
        """Overwrite what the database still holds of deleted rows."""
        ...

    def close(self) -> None: ...


class SqlEventStore:
    """An `EventStore` in a database, with one connection per thread; `connect` opens it."""

    def __init__(self, connect: Callable[[], Connection]) -> None:
        self._connect = connect
        self._local = threading.local()
        self._opened: list[Connection] = []

    def add(
        self, requests: Sequence[Sequence[Play]], impressions: Sequence[Impression] = ()
    ) -> list[Stored | Conflict]:
        connection = self._connection()
        with connection.writing():
            received_at = _next_time(connection)
            answers = [_add_request(connection, plays, received_at) for plays in requests]
            connection.change(INSERT_IMPRESSION, (astuple(shown) for shown in impressions))
        return answers

    def forget(self, user_id: str) -> Forgotten:
        connection = self._connection()
        with connection.writing():
            connection.change(
                "INSERT INTO forgotten VALUES (?, ?) ON CONFLICT DO NOTHING",
                [(user_id, _next_time(connection))],
            )
            events = connection.change("DELETE FROM events WHERE user_id = ?", [(user_id,)])
            shown = connection.change("DELETE FROM impressions WHERE user_id = ?", [(user_id,)])
        connection.wipe()
        return Forgotten(events, shown)

    def is_forgotten(self, user_id: str) -> bool:
        return _is_forgotten(self._connection(), user_id)

    def forgotten_users(self) -> list[str]:
        return [user_id for (user_id,) in self._connection().rows("SELECT user_id FROM forgotten ORDER BY 1")]

    def plays(self, user_id: str, received_after: int = 0, limit: int = MAX_HISTORY) -> list[str]:
        rows = self._connection().rows(NEWEST_PLAYS, (user_id, received_after, limit))
        return [item_id for (item_id,) in rows][::-1]

    def last_received(self) -> int:
        ((newest,),) = self._connection().rows("SELECT max(received_at) FROM events")
        return int(newest or 0)

    def events(self, received_after: int = 0) -> Iterator[Event]:
        statement = "SELECT * FROM events WHERE received_at > ? ORDER BY received_at, event_id"
        return (Event(*row) for row in self._connection().rows(statement, (received_after,)))

    def impressions(self, shown_from: int = 0) -> Iterator[Impression]:
        statement = "SELECT * FROM impressions WHERE shown_at >= ? ORDER BY shown_at, request_id, rank"
        return (Impression(*row) for row in self._connection().rows(statement, (shown_from,)))

    def list_items(self, items: Sequence[ListedItem]) -> Listed:
        connection, listed_at = self._connection(), now_ms()
        with connection.writing():
            ((before,),) = connection.rows(COUNT_LISTED)
            connection.change(LIST_ITEM, ((*astuple(item), listed_at) for item in items))
            connection.change(COUNT_CHANGE)
            ((after,),) = connection.rows(COUNT_LISTED)
            if after > max(MAX_LISTED, before):
                raise ListingFullError
        return Listed(after - before, len(items) - (after - before))

    def unlist(self, item_id: str) -> bool:
        connection = self._connection()
        with connection.writing():
            gone = connection.change("DELETE FROM listed_items WHERE item_id = ?", [(item_id,)]) > 0
            if gone:
                connection.change(COUNT_CHANGE)
        return gone

    def listed_items(self) -> list[ListedItem]:
        statement = "SELECT item_id, title, attributes FROM listed_items"
        rows = (ListedItem(*row) for row in self._connection().rows(statement))
        return sorted(rows, key=lambda item: item.item_id)  # a database's order follows its locale

    def listing_state(self) -> int:
        ((made,),) = self._connection().rows(LISTING_STATE)
        return int(made)

    def close(self) -> None:
        while self._opened:
            self._opened.pop().close()
        self._local = threading.local()

    def _connection(self) -> Connection:
        """This thread's connection; a broken one is replaced."""
        found: Connection | None = getattr(self._local, "connection", None)
        if found is None or found.is_broken:
            found = self._local.connection = self._connect()
            self._opened.append(found)
        return found


def _next_time(connection: Connection) -> int:
    """The time of this commit: now, but later than every commit before it, whatever the clock says."""
    ((last,),) = connection.rows(LAST_CHANGE)
    return max(now_ms(), int(last) + 1)


def _add_request(connection: Connection, plays: Sequence[Play], received_at: int) -> Stored | Conflict:
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
        elif _is_forgotten(connection, play.user_id):
            forgotten += 1
        else:
            played_at = received_at if play.played_at is None else play.played_at
            new[play.event_id] = Event(
                play.event_id, play.user_id, play.item_id, played_at, received_at, play.request_id
            )
    connection.change(INSERT_EVENT, (astuple(event) for event in new.values()))
    return Stored(len(new), repeated, forgotten)


def _is_forgotten(connection: Connection, user_id: str) -> bool:
    return any(connection.rows("SELECT 1 FROM forgotten WHERE user_id = ?", (user_id,)))


def _find(connection: Connection, event_id: str) -> Event | None:
    found = (Event(*row) for row in connection.rows("SELECT * FROM events WHERE event_id = ?", (event_id,)))
    return next(found, None)


def _difference(play: Play, there: Event) -> str:
    """The first field in which an event sent again differs; a time that was left out differs from none."""
    for field in fields(Play):
        given = getattr(play, field.name)
        if given != getattr(there, field.name) and not (field.name == "played_at" and given is None):
            return field.name
    return ""
