"""The event store in an SQLite file in WAL mode: many processes of one machine write it.

A file may be removed or exchanged while it is open, by a restore, say, and SQLite goes on in what has no
name any more. So each commit looks at the names before and after it: see `serving.state.sqlite_file`.
"""

import os
import secrets
import sqlite3
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

from serving.state.events import EventStoreError, StoreSize
from serving.state.events_sql import FORMATS, Row, SqlEventStore
from serving.state.events_statements import DDL, LATER_DDL, PAGE
from serving.state.sqlite_file import SqliteFile

BUSY_SECONDS = 10.0  # that a writer waits for the writers of other processes
READER_BUSY_SECONDS = 0.25  # that a reader waits, who has something else to answer with
WIPE_TRIES, WIPE_SECONDS = 20, 0.1  # for the log: writers come in between, and none waits longer than that
VACUUMED_PAGES, PAUSE_SECONDS = 500, 0.01  # given back at a time, and what others get in between
LOG_BYTES = 64 * 2**20  # that the log keeps on the disk once it has been written back


class SqliteEventStore(SqlEventStore):
    """The `EventStore` in one file, made if it is missing.

    With `at_once` off it is opened by its first use, and again by a later one where that has failed. A
    store of a `reader` makes nothing, changes nothing, and waits for nobody.
    """

    def __init__(self, file: Path, at_once: bool = True, reader: bool = False) -> None:
        self.file = file
        self._names = SqliteFile(file)
        self._reader = reader
        super().__init__(partial(_Connection, self._names, reader), at_once)

    def close(self) -> None:
        super().close()
        self._names.close()

    def _prepare(self, again: bool) -> None:
        with _failures(f"The event store {self.file} cannot be opened"):
            if not (again or self._reader or self.file.exists()):
                _create(self.file)
        connection = _Connection(self._names, self._reader)
        try:
            if not self._reader:
                _complete(connection)
        finally:
            connection.close()


class _Connection:
    """An SQLite connection; see `serving.state.events_sql.Connection`."""

    def __init__(self, names: SqliteFile, reader: bool) -> None:
        self._names, file = names, names.path
        self._problem = f"The event store {file} cannot be read or written"
        if not names.is_there():
            raise EventStoreError(
                f"The event store {file} is not there any more: put it back; a service that is started again "
                "makes a new one."
            )
        names.refuse_a_log_of_another()
        with _failures(f"The event store {file} cannot be opened"), ExitStack() as unless_whole:
            self._connection = sqlite3.connect(
                f"{file.resolve().as_uri()}?mode=rw",
                READER_BUSY_SECONDS if reader else BUSY_SECONDS,
                isolation_level=None,
                check_same_thread=False,
                uri=True,
            )
            unless_whole.callback(self._connection.close)
            self._connection.execute("PRAGMA synchronous = FULL")  # in WAL mode: a commit is on the disk
            self._connection.execute("PRAGMA secure_delete = ON")  # what is deleted is overwritten
            self._connection.execute(f"PRAGMA journal_size_limit = {LOG_BYTES}")
            (found,) = self._connection.execute("PRAGMA user_version").fetchone()
            if found == 0:  # as of any other database
                raise EventStoreError(f"{file} is no event store of format {FORMATS.current}.")
            if problem := FORMATS.problem(f"The event store {file}", found):
                raise EventStoreError(problem)
            mode = "query_only = ON" if reader else "journal_mode = WAL"  # a copy may have another
            self._connection.execute(f"PRAGMA {mode}").fetchone()
            self._opened = names.connected()
            if not reader and None in self._opened:
                raise EventStoreError(
                    f"The log of the event store {file} was removed while it was in use: start all who use "
                    f"it again."
                )
            unless_whole.pop_all()

    @property
    def is_broken(self) -> bool:
        return self._names.now() != self._opened

    @contextmanager
    def writing(self) -> Iterator[None]:
        with _failures(self._problem):
            self._names.refuse_if_overwritten()
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise
            self._names.refuse_if_overwritten()
            if self.is_broken:
                raise EventStoreError(
                    f"The event store {self._names.path} was removed or exchanged while it was written: what "
                    "was sent is not in the one that is there now, and has to be sent again."
                )

    def rows(self, statement: str, values: Sequence[object] = ()) -> Iterator[Row]:
        with _failures(self._problem):
            cursor = self._connection.execute(statement, values)
            while page := cursor.fetchmany(PAGE):
                yield from page

    def change(self, statement: str, rows: Iterable[Sequence[object]] = ((),)) -> int:
        with _failures(self._problem):
            return self._connection.executemany(statement, rows).rowcount

    def size(self) -> StoreSize:
        return self._names.size()

    def give_back(self) -> None:
        with _failures(self._problem):
            while self._connection.execute("PRAGMA freelist_count").fetchone() > (0,):
                before = self._connection.execute("PRAGMA freelist_count").fetchone()
                self._connection.execute(f"PRAGMA incremental_vacuum({VACUUMED_PAGES})").fetchall()
                if self._connection.execute("PRAGMA freelist_count").fetchone() == before:
                    return  # a store of before, which reuses what is free and keeps its size
                time.sleep(PAUSE_SECONDS)

    def wipe(self) -> bool:
        with _failures(self._problem):
            self._connection.execute(f"PRAGMA busy_timeout = {int(WIPE_SECONDS * 1000)}")
            try:
                for _ in range(WIPE_TRIES):
                    row = self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
                    if row[0] == 0:
                        return True
                return False
            finally:
                self._connection.execute(f"PRAGMA busy_timeout = {int(BUSY_SECONDS * 1000)}")

    def close(self) -> None:
        self._connection.close()


@contextmanager
def _failures(problem: str) -> Iterator[None]:
    """Raises EventStoreError where SQLite or the disk fails."""
    try:
        yield
    except (OSError, sqlite3.Error) as error:
        raise EventStoreError(f"{problem}: {error}.") from error


def _create(file: Path) -> None:
    """Make the store aside and link it into place, so that processes that start together make one."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=file.parent) as folder:
        unfinished = Path(folder) / "new.db"
        connection = sqlite3.connect(unfinished)
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")  # before the first table, or never
        connection.execute("PRAGMA journal_mode = WAL")
        connection.executescript(
            f"{DDL} PRAGMA user_version = {FORMATS.current}; PRAGMA application_id = {_new_id()};"
        )
        connection.close()
        try:
            os.link(unfinished, file)
        except FileExistsError:
            return


def _complete(connection: _Connection) -> None:
    """Give a store of before what it lacks, the id among it."""
    for statement in LATER_DDL:
        list(connection.rows(statement))
    if next(connection.rows("PRAGMA application_id")) == (0,):
        with connection.writing():
            if next(connection.rows("PRAGMA application_id")) == (0,):
                list(connection.rows(f"PRAGMA application_id = {_new_id()}"))


def _new_id() -> int:
    """Of a store: what the head of its file has room for."""
    return 1 + secrets.randbelow(2**31 - 1)
