"""The loop's first half: events that the endpoint acknowledged become interactions to learn from.

Events are taken from the endpoint's store into the table `events`, in the order of their sequence, each
once, under the day on which they were received by the clock. What is in the table stays there, whatever
becomes of the store, unless its user is forgotten. All that was acknowledged so far is taken in, whatever
its time. The cut-off of a run (the tag `nextplay/cutoff`, else now) is the time up to which it learns from
them: see `all_interactions`.
"""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, date, datetime
from itertools import islice
from time import monotonic
from typing import Any

import dagster as dg
import duckdb
import pyarrow as pa

from assets.contracts import checks_of
from assets.engines.sql import query, statement
from assets.feedback.impressions import start_ms
from assets.formats.table import DAY, Rule, Table, text, time
from assets.resources import Home
from assets.shown.tables import columns_shown, table_result
from assets.state.by_content import publish_rows
from assets.state.code import made_by
from assets.state.lake import Lake, TableVersion, write_parquet
from serving.state.events import CLOCK_AHEAD_MS, Event, EventStore, now_ms

CODE = made_by(__name__)
CUTOFF_TAG = "nextplay/cutoff"  # of a run: an ISO time, UTC where nothing else is said
EVENTS_AT_ONCE = 50_000
RECEIVED = (
    text("event_id", "as its application gave it"),
    text("user_id", "who played"),
    text("item_id", "what was played"),
    time("played_at", "milliseconds since 1970, UTC"),
    time("received_at", "milliseconds since 1970, UTC", at_least=0),
)
EVENTS = Table(
    "events",
    "Acknowledged plays, one row for each event: those that were there and those received since.",
    (
        *RECEIVED,
        text("request_id", "the answer that led to the play, where one did", nullable=True, filled=False),
        text("day", "of arrival, UTC", matches=DAY),
    ),
    (Rule("events_once", "fault_events", "Every event is there once, under its day of arrival."),),
)

Logs = dg.AssetExecutionContext | dg.OpExecutionContext

RECEIVED_DAYS = "received_days"  # those on which something came; of a calendar quiet ones would be "missing"
received_days = dg.DynamicPartitionsDefinition(name=RECEIVED_DAYS)

received_events = dg.AssetSpec(
    "received_events",
    kinds={"sqlite"},
    partitions_def=received_days,
    description="The endpoint's event store, by the day (UTC) of arrival, of those on which something came. "
    "Each run takes in what is new; the job events_of_a_day takes in a day that was left out.",
)


@dg.asset(
    pool="lake",
    kinds={"duckdb", "sql"},
    code_version=CODE,
    deps=[received_events],
    description=EVENTS.words,
    metadata=columns_shown(EVENTS),
)
def events(context: dg.AssetExecutionContext, home: Home) -> dg.MaterializeResult[None]:
    started, lake = monotonic(), home.lake()
    version = take_in(context, home, newest_ms(lake))
    tell_of_clocks(context, newest_ms(lake))
    with lake.connect("events") as connection:
        told = {"by day": dg.MetadataValue.md(query(connection, "events_by_day"))}
        return table_result(connection, version, started, told)


@dg.op(pool="lake", description="Takes in one day of the event store; what was there already stays as it is.")
def take_in_day(context: dg.OpExecutionContext, home: Home) -> None:
    day = _day(context.partition_key)
    version = take_in(context, home, start_ms(day) - 1, day.isoformat())
    context.log_event(dg.AssetMaterialization("events", metadata={"dagster/row_count": version.rows}))


def take_in(context: Logs, home: Home, after: int, day: str | None = None) -> TableVersion:
    """Publish `events` with what the store has after a sequence: all of it, or what was received on one day.

    A sequence is never below the time of its clock, so times may stand for sequences here. Each day that
    brought something new is logged as a partition of `received_events`.
    """
    lake = home.lake()
    with lake.connect(*(["events"] if lake.has("events") else [])) as connection:
        connection.register("no_events", EVENTS.schema.empty_table())
        connection.table("events" if lake.has("events") else "no_events").create_view("events_before")
        connection.execute("CREATE TABLE new_events AS FROM no_events")
        forgotten = _read_store(connection, home.event_store(), after, day)
        connection.register("forgotten", pa.table({"user_id": pa.array(forgotten, pa.string())}))
        brought = connection.execute(statement("new_days")).fetchall()
        known = context.instance.get_materialized_partitions(received_events.key)  # of older versions, too
        context.instance.add_dynamic_partitions(
            RECEIVED_DAYS, sorted(known | {arrived for arrived, _ in brought})
        )
        for arrived, count in brought:
            metadata = {"events": count}
            told = dg.AssetMaterialization("received_events", partition=arrived, metadata=metadata)
            context.log_event(told)
        return publish_rows(
            lake, "events", lambda path: write_parquet(connection, statement("all_events"), path)
        )


def _read_store(
    connection: duckdb.DuckDBPyConnection, store: EventStore | None, after: int, day: str | None
) -> list[str]:
    """Fill `new_events`, some at a time; returns the forgotten users."""
    if store is None:
        return []
    if store.last_sequence() < after:  # it was put back, or is another: its numbers begin anew
        after = 0
    rows = map(_row, store.events(after))
    received = (row for row in rows if day in (None, row["day"]))
    while some := list(islice(received, EVENTS_AT_ONCE)):
        connection.register("some_events", EVENTS.rows(some))
        connection.execute("INSERT INTO new_events FROM some_events")
    forgotten = store.forgotten_users()
    store.close()
    return forgotten


def tell_of_clocks(context: Logs, newest: int) -> None:
    """Warn of events that are ahead of this machine's clock."""
    if (ahead := newest - now_ms()) > CLOCK_AHEAD_MS:
        context.log.warning(
            "The newest event was received by a clock that is %s s ahead of this machine's: set the clock "
            "that is wrong. Events of a time to come wait for it in event_quarantine.",
            f"{ahead / 1000:,.0f}",
        )


def _day(partition: str) -> date:
    try:
        return date.fromisoformat(partition)
    except ValueError:
        raise dg.Failure(
            f"The partition {partition} is no day: give one such as 2026-11-25.", allow_retries=False
        ) from None


def cutoff_ms(tags: Mapping[str, str]) -> int | None:
    """The cut-off of a run in milliseconds since 1970, or None; a Failure where it is no time."""
    text = tags.get(CUTOFF_TAG)
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise dg.Failure(
            f"The tag {CUTOFF_TAG}={text} is no time: give one such as 2026-11-25T02:30:00+00:00.",
            allow_retries=False,
        ) from None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return int(moment.timestamp() * 1000)


def newest_ms(lake: Lake) -> int:
    """When the newest event of the table `events` was received, in milliseconds; -1 where there is none."""
    if not lake.has("events"):
        return -1
    with lake.connect("events") as connection:
        (newest,) = connection.execute("SELECT max(received_at) FROM events").fetchone() or (None,)
    return -1 if newest is None else int(newest)


def _row(event: Event) -> dict[str, Any]:
    day = datetime.fromtimestamp(event.received_at / 1000, UTC).date().isoformat()
    return {**asdict(event), "day": day}


@dg.job(
    partitions_def=received_days,
    executor_def=dg.in_process_executor,
    description="Takes a day of the event store in again, say after it was restored from a backup: launch a "
    "backfill here, and add the day where the list does not have it.",
)
def events_of_a_day() -> None:
    take_in_day()


FEEDBACK_CHECKS = checks_of(EVENTS)
