"""What is known of users: their history in the batch snapshot and the events since; and forgetting them."""

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from serving import telemetry
from serving.state.events import MAX_HISTORY, EventStore, EventStoreError, Forgotten
from serving.state.user_state import Snapshot, UserStateError, open_snapshot

LIST_SECONDS = 5.0  # after which the forgotten are listed anew, for when the store cannot be asked
PATIENCE_SECONDS = 1.0  # for which a store that could not be asked is left alone


@dataclass(frozen=True)
class History:
    """Ids of what a user played, oldest first, and of what they refused.

    A `stale` one lacks what was played since the last run, and refusals.
    """

    items: Sequence[str]
    stale: bool = False
    refused: frozenset[str] = frozenset()


class Users:
    """Histories by user id, read anew for every request: what any worker has stored counts at once.

    A new snapshot is opened when its file has been replaced; where it cannot be, the one before it stays, and
    a log line and a metric say so. Safe to use from several threads. `reader` is the store again, as it is
    asked by who does not wait.
    """

    def __init__(
        self, store: EventStore | None, snapshot_file: Path, reader: EventStore | None = None
    ) -> None:
        self._store = store
        self._reader = reader or store
        self._file = snapshot_file
        self._seen: tuple[int, int, int] | None = None
        self._snapshot: Snapshot | None = None
        self._looking = threading.Lock()
        self._forgotten: frozenset[str] | None = None  # as they were last read; None: nobody knows
        self._listing = threading.Lock()  # held while they are read, or one more is noted
        self._listed_at = self._failed_at = -PATIENCE_SECONDS - LIST_SECONDS
        self._problem = EventStoreError()

    def history(self, user_id: str) -> History:
        """Empty for an unknown or a forgotten user.

        Where the event store cannot be asked at once the snapshot alone answers. Raises EventStoreError where
        there is none, or where it is not known who was forgotten since, and UserStateError where the snapshot
        is damaged.
        """
        try:
            return self._history(user_id, self._current())
        except UserStateError as error:
            telemetry.USER_STATE_FAILING.set(1)
            telemetry.log("history not read", reason=str(error))
            raise

    def _history(self, user_id: str, snapshot: Snapshot | None) -> History:
        if self._reader is None:
            return History(snapshot.history(user_id)[-MAX_HISTORY:] if snapshot else [])
        if time.monotonic() - self._failed_at >= PATIENCE_SECONDS:
            for _ in range(2):  # a connection that the database has dropped is noticed by using it
                try:
                    return self._ask(self._reader, user_id, snapshot)
                except EventStoreError as error:
                    self._problem = error
            self._failed_at = time.monotonic()
            telemetry.log("history not read", reason=str(self._problem))
        telemetry.STALE_HISTORIES.inc()
        if snapshot is None or self._forgotten is None:
            raise self._problem
        items = [] if user_id in self._forgotten else snapshot.history(user_id)[-MAX_HISTORY:]
        return History(items, stale=True)

    def _ask(self, store: EventStore, user_id: str, snapshot: Snapshot | None) -> History:
        if time.monotonic() - self._listed_at >= LIST_SECONDS:
            self._listed_at = time.monotonic()
            with self._listing:
                self._forgotten = frozenset(store.forgotten_users())
        if store.is_forgotten(user_id):
            return History([])
        before, cutoff = (snapshot.history(user_id), snapshot.cutoff) if snapshot else ([], 0)
        refused = store.refused(user_id)
        items = [*before, *store.plays(user_id, cutoff, MAX_HISTORY)]
        return History([item for item in items if item not in refused][-MAX_HISTORY:], refused=refused)

    def forget(self, user_id: str) -> Forgotten:
        """Remove the user's events and impressions, and hide their history; raises EventStoreError."""
        if self._store is None:
            raise ValueError("There is no event store to remember it in.")
        removed = self._store.forget(user_id)
        with self._listing:
            if self._forgotten is not None:
                self._forgotten |= {user_id}
        return removed

    def _current(self) -> Snapshot | None:
        try:
            found = self._file.stat()
        except OSError:  # not there, or not to be looked at
            return self._snapshot
        seen = (found.st_ino, found.st_mtime_ns, found.st_size)
        with self._looking:
            if seen != self._seen:
                self._open()
                self._seen = seen
        return self._snapshot

    def _open(self) -> None:
        try:
            self._snapshot = open_snapshot(self._file)
        except UserStateError as error:
            telemetry.USER_STATE_FAILING.set(1)
            telemetry.log("user state not loaded", reason=str(error))
            return
        telemetry.USER_STATE_FAILING.set(0)
        telemetry.log("user state loaded", users=self._snapshot.users, cutoff=self._snapshot.cutoff)
