"""The event store in a database: what SQLite and Postgres share. Tables and statements: `events_statements`.

What differs between them, opening, locking and the name of an error, is a `Connection`: see `events_sqlite`
and `events_postgres`. Statements have `?` where a value is bound.
"""

import json
import secrets
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import astuple, fields, replace
from typing import Any, Protocol

from models.bundle.formats import Format
from models.feedback import A_PLAY
from serving.state.events import (
    END_OF_TIME_MS,
    MAX_HISTORY,
    MAX_LISTED,
    MAX_NAMES,
    Conflict,
    Event,
    EventStoreError,
    Forgotten,
    Impression,
    Listed,
    ListedItem,
    ListingFullError,
    Play,
    Stored,
    StoreSize,
    Told,
    now_ms,
)
from serving.state.events_statements import (
    COUNT_LISTED,
    EVENT_BY_ID,
    FORGET_PROPENSITIES,
    INSERT_EVENT,
    INSERT_IMPRESSION,
    INSERT_PROPENSITY,
    LAST_CHANGE,
    LAST_UNTIL,
    LIST_ITEM,
    LISTING_STATE,
    MARK_CHANGE,
    NEWEST_PLAYS,
    NEXT_EVENTS,
    NEXT_IMPRESSIONS,
    REMOVE_CLOCKS,
    REMOVE_IMPRESSIONS,
    REMOVE_PROPENSITIES,
)
from serving.state.feedback_sql import (
    add_feedback,
    all_feedback,
    find_feedback,
    forget_feedback,
    last_feedback,
    refused,
    remove_told,
    remove_uncounted,
)

FORMATS = Format(1)
AGAIN_SECONDS = 1.0  # after which a store that could not be opened is tried again

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

    def size(self) -> StoreSize:
        """How large the database is."""
        ...

    def give_back(self) -> None:
        """Give free space back to the disk, some at a time, so that no writer waits long."""
        ...

    def wipe(self) -> bool:
        """Overwrite what the log still holds of deleted rows; False where readers kept it busy."""
        ...

    def close(self) -> None: ...


class SqlEventStore(ABC):
    """An `EventStore` in a database, with one connection per thread; `connect` opens it.

    A store that is not opened `at_once` is opened when it is first used, and tried again while that fails.
    """

    def __init__(self, connect: Callable[[], Connection], at_once: bool) -> None:
        self._connect = connect
        self._local = threading.local()
        self._opened: list[Connection] = []
        self._preparing, self._prepared, self._was_open = threading.Lock(), False, False
        self._refused: tuple[float, EventStoreError] | None = None
        self.ahead_ms = 0
        if at_once:
            self.open()

    @abstractmethod
    def _prepare(self, again: bool) -> None:
        """Make what is missing; but where it was there before, `again`, no new one. Raises
        EventStoreError."""

    def add(
        self, requests: Sequence[Sequence[Play]], impressions: Sequence[Impression] = ()
    ) -> list[Stored | Conflict]:
        connection = self._connection()
        with connection.writing():
            now = now_ms()
            sequence = _next_sequence(connection, now)
            answers = [_add_request(connection, plays, sequence, now) for plays in requests]
            if sequence != now and any(isinstance(answer, Stored) and answer.stored for answer in answers):
                connection.change("INSERT INTO clocks VALUES (?, ?)", [(sequence, now)])
            connection.change(INSERT_IMPRESSION, (astuple(shown)[:-1] for shown in impressions))
            drawn = [one for one in impressions if one.propensity is not None]
            rows = [(one.propensity, one.request_id, one.rank) for one in drawn]
            connection.change(INSERT_PROPENSITY, rows)
        self.ahead_ms = sequence - now
        return answers

    def forget(self, user_id: str) -> Forgotten:
        connection = self._connection()
        with connection.writing():
            connection.change(
                "INSERT INTO forgotten VALUES (?, ?) ON CONFLICT DO NOTHING",
                [(user_id, _next_sequence(connection, now_ms()))],
            )
            connection.change(FORGET_PROPENSITIES, [(user_id,)])
            events = forget_feedback(connection, user_id)
            events += connection.change("DELETE FROM events WHERE user_id = ?", [(user_id,)])
            shown = connection.change("DELETE FROM impressions WHERE user_id = ?", [(user_id,)])
        return Forgotten(events, shown, connection.wipe())

    def is_forgotten(self, user_id: str) -> bool:
        return _is_forgotten(self._connection(), user_id)

    def forgotten_users(self) -> list[str]:
        return [user_id for (user_id,) in self._connection().rows("SELECT user_id FROM forgotten ORDER BY 1")]

    def plays(self, user_id: str, after: int = 0, limit: int = MAX_HISTORY) -> list[str]:
        rows = self._connection().rows(NEWEST_PLAYS, (user_id, after, limit))
        return [item_id for (item_id,) in rows][::-1]

    def refused(self, user_id: str) -> frozenset[str]:
        return refused(self._connection(), user_id)

    def feedback(self) -> Iterator[Told]:
        return all_feedback(self._connection())

    def last_feedback(self) -> int:
        return last_feedback(self._connection())

    def last_sequence(self, until_ms: int = END_OF_TIME_MS) -> int:
        rows = self._connection().rows(LAST_UNTIL, (until_ms,))
        return next((int(sequence) for (sequence,) in rows), 0)

    def events(self, after: int = 0) -> Iterator[Event]:
        at, event_id = after + 1, ""
        while page := list(self._connection().rows(NEXT_EVENTS, (at, at, event_id))):
            yield from (Event(*row) for row in page)
            at, event_id = page[-1][-1], page[-1][0]

    def impressions(self, shown_from: int = 0) -> Iterator[Impression]:
        at, request_id, rank = shown_from, "", -1
        while page := list(self._connection().rows(NEXT_IMPRESSIONS, (at, at, request_id, rank))):
            yield from (Impression(*row) for row in page)
            at, request_id, rank = page[-1][-2], page[-1][0], page[-1][1]

    def list_items(self, items: Sequence[ListedItem]) -> Listed:
        connection, listed_at = self._connection(), now_ms()
        with connection.writing():
            ((before,),) = connection.rows(COUNT_LISTED)
            _refuse_many_names(connection, items)
            connection.change(LIST_ITEM, ((*astuple(item), listed_at) for item in items))
            connection.change(MARK_CHANGE, [(_drawn(),)])
            ((after,),) = connection.rows(COUNT_LISTED)
            if after > max(MAX_LISTED, before):
                raise ListingFullError(f"At most {MAX_LISTED:,} items can be listed")
        return Listed(after - before, len(items) - (after - before))

    def unlist(self, item_id: str) -> bool:
        connection = self._connection()
        with connection.writing():
            gone = connection.change("DELETE FROM listed_items WHERE item_id = ?", [(item_id,)]) > 0
            if gone:
                connection.change(MARK_CHANGE, [(_drawn(),)])
        return gone

    def listed_items(self) -> list[ListedItem]:
        statement = "SELECT item_id, title, attributes FROM listed_items"
        rows = (ListedItem(*row) for row in self._connection().rows(statement))
        return sorted(rows, key=lambda item: item.item_id)  # a database's order follows its locale

    def listing_state(self) -> int:
        ((made,),) = self._connection().rows(LISTING_STATE)
        return int(made)

    def remove_impressions(self, shown_before: int, at_most: int) -> int:
        connection = self._connection()
        with connection.writing():
            connection.change(REMOVE_PROPENSITIES, [(shown_before, at_most)])
            return connection.change(REMOVE_IMPRESSIONS, [(shown_before, at_most)])

    def remove_events(self, event_ids: Sequence[str]) -> int:
        connection, ids = self._connection(), [(event_id,) for event_id in event_ids]
        with connection.writing():
            remove_told(connection, event_ids)
            removed = connection.change("DELETE FROM events WHERE event_id = ?", ids)
            connection.change(REMOVE_CLOCKS)
        return max(removed, 0)

    def remove_uncounted(self, received_before: int, at_most: int) -> int:
        connection = self._connection()
        with connection.writing():
            return max(remove_uncounted(connection, received_before, at_most), 0)

    def size(self) -> StoreSize:
        return self._connection().size()

    def compact(self) -> bool:
        connection = self._connection()
        connection.give_back()
        return connection.wipe()

    def close(self) -> None:
        while self._opened:
            self._opened.pop().close()
        self._local = threading.local()

    def _connection(self) -> Connection:
        """This thread's connection; a broken one is replaced."""
        found: Connection | None = getattr(self._local, "connection", None)
        if found is not None and found.is_broken:
            self._local.connection = None
            if found in self._opened:
                self._opened.remove(found)
            found.close()
            found, self._prepared = None, False  # what is there now may be another store
        if found is None:
            self.open()
            found = self._local.connection = self._connect()
            self._opened.append(found)
        return found

    def open(self) -> None:
        """Open the store, unless it is open; soon after a failure it is not tried again."""
        with self._preparing:
            if self._prepared:
                return
            if self._refused and time.monotonic() < self._refused[0]:
                raise self._refused[1]
            try:
                self._prepare(self._was_open)
            except EventStoreError as error:
                self._refused = time.monotonic() + AGAIN_SECONDS, error
                raise
            self._prepared, self._was_open, self._refused = True, True, None


def _next_sequence(connection: Connection, now: int) -> int:
    """The number of this commit: the time, but more than that of every commit before it."""
    ((last,),) = connection.rows(LAST_CHANGE)
    return max(now, int(last) + 1)


def _add_request(connection: Connection, plays: Sequence[Play], sequence: int, now: int) -> Stored | Conflict:
    """Check all events of a request against those that are there, then insert the new ones."""
    new: dict[str, Play] = {}
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
            new[play.event_id] = replace(play, played_at=now) if play.played_at is None else play
    counted = (play for play in new.values() if play.counts == A_PLAY)
    connection.change(INSERT_EVENT, (_inserted(play, sequence) for play in counted))
    add_feedback(connection, new.values(), sequence)
    return Stored(len(new), repeated, forgotten)


def _inserted(play: Play, sequence: int) -> Row:
    return play.event_id, play.user_id, play.item_id, play.played_at, sequence, play.request_id


def _drawn() -> int:
    """A number that no change had before, and that JSON keeps; 0 stands for no change."""
    return 1 + secrets.randbelow(2**53 - 1)


def _is_forgotten(connection: Connection, user_id: str) -> bool:
    return any(connection.rows("SELECT 1 FROM forgotten WHERE user_id = ?", (user_id,)))


def _refuse_many_names(connection: Connection, items: Sequence[ListedItem]) -> None:
    """Raises ListingFullError where these would give what is listed too many attributes."""
    given = _names(item.attributes for item in items)
    there = _names(text for (text,) in connection.rows("SELECT attributes FROM listed_items") if given)
    if given - there and len(given | there) > MAX_NAMES:
        raise ListingFullError(f"What is listed can have {MAX_NAMES} attributes in all")


def _names(attributes: Iterable[str]) -> set[str]:
    """The names in JSON objects."""
    return {name for text in attributes for name in json.loads(text)}


def _find(connection: Connection, event_id: str) -> Play | None:
    """As it was sent, but for the time where none was given."""
    plain = (Play(*row) for row in connection.rows(EVENT_BY_ID, (event_id,)))
    return find_feedback(connection, event_id) or next(plain, None)


def _difference(play: Play, there: Play) -> str:
    """The first field in which an event sent again differs; a time that was left out differs from none."""
    for field in fields(Play):
        given = getattr(play, field.name)
        told = given is not None or field.name != "played_at"
        if field.compare and told and given != getattr(there, field.name):
            return field.name
    return ""
