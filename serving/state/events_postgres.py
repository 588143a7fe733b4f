"""The event store in Postgres: many endpoints on many machines write it, and the pipeline reads it.

A writer holds an advisory lock for the time of its commit, so that sequences rise here too.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import psycopg

from serving.state.event_stores import HOW_TO_CLEAR, is_clear
from serving.state.events import EventStoreError, StoreSize
from serving.state.events_sql import FORMATS, Connection, Row, SqlEventStore
from serving.state.events_statements import DDL, LATER_DDL, PAGE, TABLES

WRITERS = 7_305_001  # the advisory lock of writers
CONNECT_SECONDS = 10
OPTIONS = "-c synchronous_commit=on -c lock_timeout=10000"
SIZE = f"""
SELECT sum(pg_total_relation_size(to_regclass(name)))
FROM (VALUES {", ".join(f"('{table}')" for table in TABLES)}) AS tables (name)
"""
READER_SECONDS = 2  # as libpq's shortest wait for a connection
READING = "-c default_transaction_read_only=on -c lock_timeout=250 -c statement_timeout=1000"
SILENCE = {  # that ends a connection: a host that vanished says nothing
    "keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3, "tcp_user_timeout": 25_000,
}  # fmt: skip


class PostgresEventStore(SqlEventStore):
    """The `EventStore` in the database of an address such as `postgresql://user@host/nextplay`.

    Its tables are made if they are missing. No message holds the address, which may hold a password.
    """

    def __init__(self, address: str, at_once: bool = True, reader: bool = False) -> None:
        self._reader = reader
        super().__init__(partial(_Connection, _checked(address), reader), at_once)

    def _prepare(self, again: bool) -> None:
        if self._reader or again:
            return
        connection = self._connect()
        try:
            with connection.writing():
                _create(connection)
        finally:
            connection.close()


class _Connection:
    """A Postgres connection; see `serving.state.events_sql.Connection`."""

    def __init__(self, address: str, reader: bool) -> None:
        options, seconds = (READING, READER_SECONDS) if reader else (OPTIONS, CONNECT_SECONDS)
        with _failures("opened"):
            self._connection = psycopg.connect(
                address, autocommit=True, connect_timeout=seconds, options=options, **SILENCE
            )

    @property
    def is_broken(self) -> bool:
        return bool(self._connection.closed or self._connection.broken)

    @contextmanager
    def writing(self) -> Iterator[None]:
        with _failures():
            self._connection.execute("BEGIN")
            try:
                self._connection.execute("SELECT pg_advisory_xact_lock(%s)", (WRITERS,))
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                self._roll_back()
                raise

    def rows(self, statement: str, values: Sequence[object] = ()) -> Iterator[Row]:
        with _failures():
            cursor = self._connection.execute(_with_its_marks(statement), values)
            while page := cursor.fetchmany(PAGE):
                yield from page

    def change(self, statement: str, rows: Iterable[Sequence[object]] = ((),)) -> int:
        with _failures(), self._connection.cursor() as cursor:
            cursor.executemany(_with_its_marks(statement), rows)
            return int(cursor.rowcount)

    def size(self) -> StoreSize:
        ((tables,),) = self.rows(SIZE)
        return StoreSize(int(tables), 0)

    def give_back(self) -> None:
        with _failures():
            for table in TABLES:
                self._connection.execute(f"VACUUM {table}")

    def wipe(self) -> bool:
        """Postgres keeps no deleted rows in a log that anybody reads; its vacuum reclaims them."""
        return True

    def close(self) -> None:
        self._connection.close()

    def _roll_back(self) -> None:
        """End the transaction; a connection that cannot even do that is closed."""
        try:
            self._connection.execute("ROLLBACK")
        except psycopg.Error:
            self._connection.close()


@contextmanager
def _failures(what: str = "read or written") -> Iterator[None]:
    """Raises EventStoreError where Postgres fails."""
    try:
        yield
    except psycopg.Error as error:
        reason = " ".join(str(error).split())
        raise EventStoreError(f"The event store in Postgres cannot be {what}: {reason}.") from error


def _checked(address: str) -> str:
    """The address. Raises EventStoreError."""
    if not is_clear(address):
        raise EventStoreError(f"The address of the event store in Postgres is not clear: {HOW_TO_CLEAR}.")
    return address


def _with_its_marks(statement: str) -> Any:
    """A statement with the marks for values that psycopg reads."""
    return statement.replace("?", "%s")


def _create(connection: Connection) -> None:
    """Make the tables unless they are there. Raises EventStoreError where they are of another format."""
    ((there,),) = connection.rows("SELECT to_regclass('event_store')")
    if there is None:
        connection.change("CREATE TABLE event_store (format INTEGER NOT NULL)")
        connection.change("INSERT INTO event_store VALUES (?)", [(FORMATS.current,)])
        for statement in filter(str.strip, DDL.split(";")):
            connection.change(statement)
    (found,) = next(connection.rows("SELECT format FROM event_store"), (None,))
    if problem := FORMATS.problem("The event store in Postgres", found):
        raise EventStoreError(problem)
    for statement in LATER_DDL:
        connection.change(statement)
