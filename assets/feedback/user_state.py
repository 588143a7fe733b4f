"""The snapshot of users' histories that the endpoint reads beside the events received since."""

from collections.abc import Collection, Iterator
from itertools import islice
from pathlib import Path

import dagster as dg
import duckdb
import pyarrow as pa

from assets.engines.sql import statement
from assets.feedback.clock import clock
from assets.feedback.events import EVENTS_AT_ONCE
from assets.feedback.refusals import refused
from assets.resources import Cleaning, Home
from assets.state.code import made_by
from assets.state.lake import Lake, fingerprint
from models.bundle.code import code_version
from serving.state.events import EventStore
from serving.state.user_state import SNAPSHOT_FILE, Snapshot, UserStateError, open_snapshot, write_snapshot

CODE = fingerprint(made_by(__name__), code_version("serving.state.user_state"))[:16]  # which writes it
INPUTS = ("interactions", "all_interactions", "events", "event_quarantine")
USERS_AT_ONCE = 10_000


@dg.asset(
    pool="lake",
    kinds={"duckdb", "sqlite"},
    code_version=CODE,
    deps=INPUTS,
    description="Every user's history up to the newest event learned from: with the events received since, "
    "what the endpoint knows of a user. Forgotten users are not in it.",
)
def user_state(home: Home, cleaning: Cleaning) -> dg.MaterializeResult[None]:
    lake, forgotten = home.lake(), home.forgotten_users()
    file = home.pointer_file.with_name(SNAPSHOT_FILE)
    made_from = fingerprint(
        "user state",
        CODE,
        [lake.current(table).fingerprint for table in INPUTS],
        [cleaning.min_playtime, cleaning.repeats, forgotten],
    )
    snapshot = _current(file)
    if snapshot is None or snapshot.fingerprint != made_from:
        write_user_state(lake, file, made_from, cleaning, forgotten, home.event_store())
        snapshot = open_snapshot(file)
    if shared := home.shared():
        shared.put_file(SNAPSHOT_FILE)
    return dg.MaterializeResult(
        metadata={
            "users": snapshot.users,
            "cut-off": dg.MetadataValue.timestamp(snapshot.cutoff / 1000) if snapshot.cutoff else "no events",
            "megabytes": round(file.stat().st_size / 1e6, 1),
            "file": dg.MetadataValue.path(file),
        },
        data_version=dg.DataVersion(made_from),
    )


def write_user_state(
    lake: Lake,
    file: Path,
    made_from: str,
    cleaning: Cleaning,
    forgotten: Collection[str],
    store: EventStore | None,
) -> None:
    """Write the snapshot of what the current tables hold: what is learned from, before the k-core, and the
    events that wait for their game."""
    with lake.connect(*INPUTS) as connection:
        connection.register("refused", refused(lake))
        ((cutoff,),) = connection.execute(statement("events_cutoff")).fetchall()
        if store is not None:
            cutoff = _sequence(connection, store, int(cutoff))
        histories = _histories(connection, cleaning, set(forgotten))
        write_snapshot(file, histories, made_from, int(cutoff))


def _sequence(connection: duckdb.DuckDBPyConnection, store: EventStore, cutoff: int) -> int:
    """The sequence of the newest event that this run takes into account: as the tables have times, it is
    looked for among the events after that time. Where the clocks are right there is none but what came
    since."""
    newest, events = cutoff, store.events(cutoff)
    while some := list(islice(events, EVENTS_AT_ONCE)):
        found = {"event_id": [e.event_id for e in some], "sequence": [e.sequence for e in some]}
        connection.register("some_events", pa.table(found))
        ((last,),) = connection.execute(statement("newest_taken")).fetchall()
        newest = max(newest, int(last or 0))
    store.close()
    return newest


def _histories(
    connection: duckdb.DuckDBPyConnection, cleaning: Cleaning, forgotten: Collection[str]
) -> Iterator[tuple[str, list[str]]]:
    how = clock(connection)
    del how["dated"]  # the order of what is learned from is settled
    how |= {"min_playtime": cleaning.min_playtime, "repeats": cleaning.repeats}
    found = connection.execute(statement("histories"), how)
    while users := found.fetchmany(USERS_AT_ONCE):
        yield from ((user_id, items) for user_id, items in users if user_id not in forgotten)


def _current(file: Path) -> Snapshot | None:
    try:
        found = open_snapshot(file)
    except UserStateError:  # not there yet, or of another format: it is made
        return None
    return found if found.is_whole() else None
