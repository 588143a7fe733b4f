"""The event store in Postgres: many endpoints on many machines write it, and the pipeline reads it.

It is the store of `serving.state.events`, statement for statement; only what opens it and what locks it
differs. A writer holds an advisory lock for the time of its commit, so that `received_at` rises here too.
"""

import re
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

from serving.state.events import DDL, FORMAT, EventStore, EventStoreError

WRITERS = 7_305_001  # the advisory lock of writers
CONNECT_SECONDS = 10
OPTIONS = "-c synchronous_commit=on -c lock_timeout=10000"
CLEAR = re.compile(r"postgres(?:ql)?://(?:(?:[^@/?#%]|%[0-9A-Fa-f]{2})*@)?[^@]*")  # user:password@the rest
SILENCE = {  # that ends a connection: a host that vanished says nothing
    "keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3, "tcp_user_timeout": 25_000,
}  # fmt: skip


class PostgresEventStore(EventStore):
    """The store in the database of an address such as `postgresql://user@host/nextplay`; see EventStore.

    Where EventStore raises sqlite3.Error, so does this one, whatever Postgres said.
    """

    def __init__(self, address: str) -> None:
        self.file = Path("postgres")  # for messages: an address may hold a password
        self._address = _checked(address)
        self._local = threading.local()
        self._opened: list[Any] = []
        try:
            with self._writing() as connection:
                _create(connection)
        except sqlite3.Error as error:
            raise EventStoreError(f"The event store in Postgres cannot be opened: {error}.") from error

    def _connection(self) -> Any:
        """This thread's connection; a broken one is replaced."""
        found: Connection | None = getattr(self._local, "connection", None)
        if found is None or found.is_broken:
            found = self._local.connection = Connection(self._address)
            self._opened.append(found)
        return found

    @contextmanager
    def _writing(self) -> Iterator[Any]:
        connection = self._connection()
        connection.execute("BEGIN")
        try:
            connection.execute("SELECT pg_advisory_xact_lock(?)", (WRITERS,))
            yield connection
            connection.execute("COMMIT")
        except BaseException:
            connection.roll_back()
            raise

    def _wipe(self) -> None:
        """Postgres keeps no deleted rows in a log that anybody reads; its vacuum reclaims them."""


class Connection:
    """One connection with the part of sqlite3's interface that the store uses."""

    def __init__(self, address: str) -> None:
        with _as_sqlite():
            self._connection = psycopg.connect(
                address, autocommit=True, connect_timeout=CONNECT_SECONDS, options=OPTIONS, **SILENCE
            )

    @property
    def is_broken(self) -> bool:
        return bool(self._connection.closed or self._connection.broken)

    def execute(self, statement: str, values: Sequence[Any] = ()) -> "psycopg.Cursor[Any]":
        with _as_sqlite():
            return self._connection.execute(_carried(statement), values)

    def executemany(self, statement: str, rows: Iterable[Sequence[Any]]) -> None:
        with _as_sqlite(), self._connection.cursor() as cursor:
            cursor.executemany(_carried(statement), rows)

    def roll_back(self) -> None:
        """End the transaction; a connection that cannot even do that is closed."""
        try:
            self._connection.execute("ROLLBACK")
        except psycopg.Error:
            self._connection.close()

    def close(self) -> None:
        self._connection.close()


@contextmanager
def _as_sqlite() -> Iterator[None]:
    try:
        yield
    except psycopg.Error as error:
        raise sqlite3.OperationalError(" ".join(str(error).split())) from error


def _checked(address: str) -> str:
    """The address. Raises EventStoreError where libpq would take pieces of a password for something else:
    its message would hold them."""
    if not CLEAR.fullmatch(address):
        raise EventStoreError(
            "The address of the event store in Postgres is not clear: in its password, write what is no "
            "letter or digit as % and two digits."
        )
    return address


def _carried(statement: str) -> Any:
    return statement.replace("?", "%s")


def _create(connection: Connection) -> None:
    """Make the tables unless they are there. Raises EventStoreError where they are of another format."""
    if connection.execute("SELECT to_regclass('event_store')").fetchone() == (None,):
        connection.execute("CREATE TABLE event_store (format INTEGER NOT NULL)")
        connection.execute("INSERT INTO event_store VALUES (?)", (FORMAT,))
        for statement in filter(str.strip, DDL.split(";")):
            connection.execute(statement)
    (found,) = connection.execute("SELECT format FROM event_store").fetchone() or (None,)
    if found != FORMAT:
        raise EventStoreError(f"The event store in Postgres is of format {found}, not {FORMAT}.")
