"""What is known of users: their history in the batch snapshot and the events since; and forgetting them."""

import threading
from collections.abc import Sequence
from pathlib import Path

import tenacity

from serving import telemetry
from serving.state.events import MAX_HISTORY, EventStore, EventStoreError, Forgotten
from serving.state.user_state import Snapshot, UserStateError, open_snapshot


class Users:
    """Histories by user id, read anew for every request: what any worker has stored counts at once.

    A new snapshot is opened when its file has been replaced; where it cannot be, the one before it stays, and
    a log line and a metric say so. Safe to use from several threads.
    """

    def __init__(self, store: EventStore | None, snapshot_file: Path) -> None:
        self._store = store
        self._file = snapshot_file
        self._seen: tuple[int, int, int] | None = None
        self._snapshot: Snapshot | None = None
        self._looking = threading.Lock()

    @tenacity.retry(
        retry=tenacity.retry_if_exception_type(EventStoreError),
        stop=tenacity.stop_after_attempt(2),
        reraise=True,
    )  # a connection that the database has dropped is noticed by using it; the next one is new
    def history(self, user_id: str) -> Sequence[str]:
        """Ids of what the user played, oldest first; empty for an unknown or a forgotten user.

        Raises EventStoreError where the event store cannot be read.
        """
        snapshot = self._current()
        if self._store is None:
            return snapshot.history(user_id)[-MAX_HISTORY:] if snapshot else []
        if self._store.is_forgotten(user_id):
            return []
        before, cutoff = (snapshot.history(user_id), snapshot.cutoff) if snapshot else ([], 0)
        return [*before, *self._store.plays(user_id, cutoff, MAX_HISTORY)][-MAX_HISTORY:]

    def forget(self, user_id: str) -> Forgotten:
        """Remove the user's events and impressions, and hide their history; raises EventStoreError."""
        if self._store is None:
            raise ValueError("There is no event store to remember it in.")
        return self._store.forget(user_id)

    def _current(self) -> Snapshot | None:
        try:
            found = self._file.stat()
        except FileNotFoundError:
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
