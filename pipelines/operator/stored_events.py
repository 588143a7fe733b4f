"""What `make status` says of the event store."""

from collections.abc import Iterator
from contextlib import closing

from assets.resources import Home
from serving.state.events import CLOCK_AHEAD_MS, EventStoreError, now_ms


def about_events(home: Home) -> Iterator[str]:
    """One sentence for each thing that is wrong with it."""
    try:
        if (store := home.event_store()) is None:
            return
        with closing(store):
            newest = store.last_sequence()
    except EventStoreError as error:
        yield f"{error} No run takes events in until it can be read."
        return
    if (ahead := newest - now_ms()) > CLOCK_AHEAD_MS:
        yield (
            f"The newest event came from a clock that was {ahead / 1000:,.0f} s ahead of this machine's: set "
            "the one that is wrong. Nothing is lost; what has a time to come waits in event_quarantine."
        )


def size_elsewhere(home: Home) -> dict[str, int]:
    """Bytes of a store that lies outside of the home."""
    if not home.event_database and home.events_file.resolve().is_relative_to(home.folder()):
        return {}
    try:
        if (store := home.event_store()) is None:
            return {}
        with closing(store):
            size = store.size()
    except EventStoreError:  # told of elsewhere
        return {}
    return {"event store": size.tables + size.log}
