"""Removes from the event store what no run needs any more, some rows at a time, so that no endpoint waits."""

from collections.abc import Iterator
from datetime import date, timedelta
from itertools import islice
from time import sleep

import pyarrow as pa

from assets.engines.sql import statement
from assets.feedback import drift, online_results
from assets.feedback.daily import LONGEST_LOOK_BACK
from assets.feedback.impressions import day_of, start_ms
from assets.resources import Home, Retention
from assets.state.apart import FOLDER
from assets.state.lake import Lake
from serving.state.events import Event, EventStore, now_ms
from serving.state.user_state import SNAPSHOT_FILE, UserStateError, open_snapshot

BATCH, PAUSE_SECONDS = 2_000, 0.05  # rows removed at a time, and the time that writers get in between


def trim(home: Home, keep: Retention) -> dict[str, int]:
    """Remove impressions and events that are older than their days; returns how many.

    An impression stays while a run may still count it, and an event until the table `events` and the
    snapshot of histories have it, however old they are.
    """
    store = None if home.folder().parent.name == FOLDER else home.event_store()
    if store is None:  # none there, or that of the home above
        return {}
    try:
        removed = {
            "impressions": _trim_impressions(home, store, keep.impressions_days),
            "events": _trim_events(home, store, keep.events_days),
        }
        if any(removed.values()):
            store.compact()
    finally:
        store.close()
    return removed


def _trim_impressions(home: Home, store: EventStore, days: int) -> int:
    """Those of days that no run makes again, as the tables that count them say: no clock could say so.

    One of the tables may have no day of late, where all answers went to people without a name, say.
    """
    readers = {"online_results": online_results.AGAIN, "drift": drift.AGAIN}
    if not all(home.lake().has(table) for table in readers):
        return 0
    newest = {table: _newest_day(home.lake(), table) for table in readers}
    if not (there := [day for day in newest.values() if day is not None]):
        return 0
    looked_back_to = max(there) - LONGEST_LOOK_BACK
    again = [
        max(looked_back_to, day - timedelta(days=readers[table] - 1)) if day else looked_back_to
        for table, day in newest.items()
    ]
    before = start_ms(min(*again, day_of(now_ms()) - timedelta(days=days)))
    removed = 0
    while some := store.remove_impressions(before, BATCH):
        removed += some
        sleep(PAUSE_SECONDS)
    return removed


def _newest_day(lake: Lake, table: str) -> date | None:
    """None where a table has no day."""
    with lake.connect(table) as connection:
        ((newest,),) = connection.execute(f"SELECT max(day) FROM {table}").fetchall()
    return None if newest is None else date.fromisoformat(newest)


def _trim_events(home: Home, store: EventStore, days: int) -> int:
    """Only those that the current table holds: one that was put back, or came late, waits for a run."""
    before = start_ms(day_of(now_ms()) - timedelta(days=days))
    removed = _trim_told(store, before)
    if not home.lake().has("events"):
        return removed
    events = _old(store, before, min(_known_until(home), store.last_sequence() - 1))
    with home.lake().connect("events") as connection:
        while some := list(islice(events, BATCH)):
            connection.register("some_events", pa.table({"event_id": [event.event_id for event in some]}))
            taken = [row[0] for row in connection.execute(statement("taken_in")).fetchall()]
            removed += store.remove_events(taken)
            sleep(PAUSE_SECONDS)
    return removed


def _trim_told(store: EventStore, before: int) -> int:
    """What users told and what counts nothing, which no run takes in."""
    removed = 0
    while some := store.remove_uncounted(before, BATCH):
        removed += some
        sleep(PAUSE_SECONDS)
    return removed


def _old(store: EventStore, before: int, until: int) -> Iterator[Event]:
    """The events up to a sequence that were received before a time, by their clocks.

    One from a clock that was ahead goes with those that came after it: it keeps nothing.
    """
    now, ahead = now_ms(), list[Event]()
    for event in store.events():
        if event.sequence > until or before < event.received_at <= now:
            return
        ahead.append(event)
        if event.received_at <= now:
            yield from ahead
            ahead = []


def _known_until(home: Home) -> int:
    """The sequence up to which the snapshot has histories; 0 where there is none."""
    try:
        return open_snapshot(home.pointer_file.with_name(SNAPSHOT_FILE)).cutoff
    except UserStateError:
        return 0
