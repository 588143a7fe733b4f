"""The event store in an SQLite file in WAL mode: many processes of one machine write it."""

import os
import sqlite3
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

from serving.state.events import EventStoreError
from serving.state.events_sql import DDL, FORMAT, LISTED_DDL, PAGE, Row, SqlEventStore

BUSY_SECONDS = 10.0  # that a writer waits for the writers of other processes


class SqliteEventStore(SqlEventStore):
    """The `EventStore` in one file, made if it is missing."""

    def __init__(self, file: Path) -> None:
        self.file = file
        super().__init__(partial(_Connection, file))
        with _failures(f"The event store {file} cannot be opened"):
            if not file.exists():
                _create(file)
        for statement in LISTED_DDL:
            list(self._connection().rows(statement))


class _Connection:
    """An SQLite connection; see `serving.state.events_sql.Connection`."""

    is_broken = False

    def __init__(self, file: Path) -> None:
        self._problem = f"The event store {file} cannot be read or written"
        with _failures(f"The event store {file} cannot be opened"), ExitStack() as unless_whole:
            self._connection = sqlite3.connect(
                file, BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
            unless_whole.callback(self._connection.close)
            self._connection.execute("PRAGMA synchronous = FULL")  # in WAL mode: a commit is on the disk
            self._connection.execute("PRAGMA secure_delete = ON")  # what is deleted is overwritten
            (found,) = self._connection.execute("PRAGMA user_version").fetchone()
            if found != FORMAT:
                raise EventStoreError(f"{file} is no event store of format {FORMAT}: it says {found}.")
            unless_whole.pop_all()

    @contextmanager
    def writing(self) -> Iterator[None]:
        with _failures(self._problem):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    def rows(self, statement: str, values: Sequence[object] = ()) -> Iterator[Row]:
        with _failures(self._problem):
            cursor = self._connection.execute(statement, values)
            while page := cursor.fetchmany(PAGE):
                yield from page

    def change(self, statement: str, rows: Iterable[Sequence[object]] = ((),)) -> int:
        with _failures(self._problem):
            return self._connection.executemany(statement, rows).rowcount

    def wipe(self) -> None:
        with _failures(self._problem):
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # the log holds deleted rows too

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
        connection.execute("PRAGMA journal_mode = WAL")
        connection.executescript(f"{DDL} PRAGMA user_version = {FORMAT};")
        connection.close()
        try:
            os.link(unfinished, file)
        except FileExistsError:
            return
