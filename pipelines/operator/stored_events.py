"""What `make status` says of the event store."""

from collections.abc import Iterator

from assets.resources import Home
from serving.state.events import CLOCK_AHEAD_MS, EventStoreError, now_ms


def about_events(home: Home) -> Iterator[str]:
    """One sentence for each thing that is wrong with it."""
    try:
        store = home.event_store()
        newest = store.last_sequence() if store else 0
    except EventStoreError as error:
        yield f"{error} No run takes events in until it can be read."
        return
    if store is not None:
        store.close()
    if (ahead := newest - now_ms()) > CLOCK_AHEAD_MS:
        yield (
            f"The newest event came from a clock that was {ahead / 1000:,.0f} s ahead of this machine's: set "
            "the one that is wrong. Nothing is lost; what has a time to come waits in event_quarantine."
        )


def size_elsewhere(home: Home) -> dict[str, int]:
    """Bytes of a store that lies outside of the home."""
    try:
        store = home.event_store()
        size = store.size() if store else None
    except EventStoreError:  # told of elsewhere
        return {}
    inside = home.events_file.resolve().is_relative_to(home.folder()) and not home.database
    if store is None or size is None or inside:
        return {}
    store.close()
    return {"event store": size.tables + size.log}
