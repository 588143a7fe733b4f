"""What applications list beside what the model has learned: in the event store, followed by every worker."""

import threading
from collections.abc import Sequence
from concurrent.futures import Executor

from serving import telemetry
from serving.reload import Follower
from serving.state.events import EventStore, EventStoreError, Listed, ListedItem

LOOK_SECONDS = 5.0  # between two looks at most: a listed item is in answers of every worker that soon


class Listing:
    """Keeps the model in service at what is listed. Where the store cannot be read, what was read stays, and
    a log line and a metric say so. `threads` ask the store, which keeps a connection for each.
    """

    def __init__(self, store: EventStore, follower: Follower, poll_seconds: float, threads: Executor) -> None:
        self._store, self._follower, self._threads = store, follower, threads
        self._seconds = min(poll_seconds, LOOK_SECONDS)
        self._seen = 0  # nothing was ever listed
        self._problem = ""
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Look, then look again and again: a first model comes with what is listed."""
        self._stopping.clear()
        self.look()
        self._thread = threading.Thread(target=self._run, name="listing", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(timeout=5)

    def add(self, items: Sequence[ListedItem]) -> Listed:
        """Durable when it returns. Raises EventStoreError and ListingFullError."""
        return self._store.list_items(items)

    def remove(self, item_id: str) -> bool:
        """Was it listed? Durable when it returns. Raises EventStoreError."""
        return self._store.unlist(item_id)

    def look(self) -> None:
        """Look once, and follow what has changed."""
        try:
            state = self._threads.submit(self._store.listing_state).result()
            if state != self._seen:
                listed = self._threads.submit(self._store.listed_items).result()
                self._follower.list_items(listed)
                self._seen = state
                telemetry.LISTED_ITEMS.set(len(listed))
                telemetry.log("listing followed", items=len(listed))
            self._problem = ""
        except Exception as error:  # whatever it is, the next look must come
            if str(error) != self._problem:
                trace = None if isinstance(error, EventStoreError) else error
                telemetry.log("listing not followed", error=trace, reason=str(error))
            self._problem = str(error)
        telemetry.LISTING_FAILING.set(bool(self._problem))

    def _run(self) -> None:
        while not self._stopping.wait(self._seconds):
            self.look()
