"""User state: the snapshot of all users' histories that the pipeline writes and the endpoint reads.

One SQLite file, replaced whole. It says up to which event it reaches (`cutoff`, a `sequence` of the event
store): a user's history is what it holds and the events received after that. Equal inputs give equal bytes.
"""

import json
import os
import sqlite3
import threading
from collections.abc import Iterable
from pathlib import Path

from models.bundle.formats import Format
from models.mistakes import UserError

FORMATS = Format(1)
SNAPSHOT_FILE = "users.db"  # beside the champion's pointer

DDL = """
CREATE TABLE snapshot (fingerprint TEXT NOT NULL, cutoff BIGINT NOT NULL, users BIGINT NOT NULL);
CREATE TABLE histories (user_id TEXT PRIMARY KEY, items TEXT NOT NULL) WITHOUT ROWID;
"""


class UserStateError(UserError):
    """A snapshot cannot be read; the message says which one and why."""


class Snapshot:
    """An open snapshot, readable also after its file has been replaced; several threads may share it.

    `cutoff` is the sequence of the newest event in it, which is its time in milliseconds since the epoch
    where clocks are right, 0 without any; `users` says how many it holds; `fingerprint` stands for all that
    it was made from.
    """

    def __init__(self, connection: sqlite3.Connection, fingerprint: str, cutoff: int, users: int) -> None:
        self.fingerprint = fingerprint
        self.cutoff = cutoff
        self.users = users
        self._connection = connection
        self._lock = threading.Lock()

    def history(self, user_id: str) -> list[str]:
        """Ids of the user's items, oldest first; empty for a user that it does not hold. Raises
        UserStateError where the file is damaged there."""
        try:
            with self._lock:
                found = self._connection.execute("SELECT items FROM histories WHERE user_id = ?", (user_id,))
                row = found.fetchone()
            items: list[str] = json.loads(row[0]) if row else []
        except (sqlite3.Error, ValueError) as error:
            raise UserStateError(f"The user state is damaged: {error}.") from error
        return items

    def is_whole(self) -> bool:
        """Whether SQLite finds it whole; reads all of it."""
        try:
            with self._lock:
                (found,) = self._connection.execute("PRAGMA quick_check(1)").fetchone()
        except sqlite3.Error:
            return False
        return bool(found == "ok")


def open_snapshot(file: Path) -> Snapshot:
    """Raises UserStateError where the file is no snapshot of this format."""
    if file.exists() and not file.is_file():
        raise UserStateError(f"The user state {file} cannot be read: it is no file.")
    try:
        # Nobody changes the file, it is only replaced: so it needs no locks.
        address = f"{file.resolve().as_uri()}?mode=ro&immutable=1"
        connection = sqlite3.connect(address, uri=True, check_same_thread=False)
        (found,) = connection.execute("PRAGMA user_version").fetchone()
        if found == 0:  # as of any other database
            raise UserStateError(f"{file} is no user state of format {FORMATS.current}.")
        if problem := FORMATS.problem(f"The user state {file}", found):
            raise UserStateError(problem)
        (values,) = connection.execute("SELECT fingerprint, cutoff, users FROM snapshot").fetchall()
        return Snapshot(connection, *values)
    except (OSError, ValueError, sqlite3.Error) as error:
        raise UserStateError(f"The user state {file} cannot be read: {error}.") from error


def write_snapshot(
    file: Path, histories: Iterable[tuple[str, list[str]]], fingerprint: str, cutoff: int
) -> int:
    """Replace the snapshot by one of these histories, given in the order of their user ids; returns how many.

    Readers see the old or the new file, never half. Items are ids, oldest first. Nobody else writes at the
    same time: the caller holds the home's lock.
    """
    for left in file.parent.glob(f".{file.name}.*"):
        left.unlink()  # of a killed run
    aside = file.with_name(f".{file.name}.{os.getpid()}")
    connection = sqlite3.connect(aside, isolation_level=None)
    try:
        connection.executescript(
            f"PRAGMA journal_mode = OFF; PRAGMA user_version = {FORMATS.current}; {DDL} BEGIN;"
        )
        rows = ((user_id, json.dumps(items, separators=(",", ":"))) for user_id, items in histories)
        users = connection.executemany("INSERT INTO histories VALUES (?, ?)", rows).rowcount
        connection.execute("INSERT INTO snapshot VALUES (?, ?, ?)", (fingerprint, cutoff, max(users, 0)))
        connection.execute("COMMIT")  # synchronous: it is on the disk
    except BaseException:
        aside.unlink()
        raise
    finally:
        connection.close()
    aside.replace(file)
    return max(users, 0)
