"""What the endpoint showed, read from its event store into DuckDB."""

from dataclasses import asdict
from datetime import UTC, date, datetime, timedelta
from itertools import islice, takewhile

import duckdb
import pyarrow as pa

from serving.state.events import EventStore, Impression

AT_ONCE = 50_000
SCHEMA = pa.schema(
    {
        "request_id": pa.string(),
        "rank": pa.int32(),
        "user_id": pa.string(),
        "item_id": pa.string(),
        "score": pa.float64(),
        "model_version": pa.string(),
        "fallback": pa.string(),
        "shown_at": pa.int64(),
        "day": pa.string(),
    }
)


def read_impressions(
    connection: duckdb.DuckDBPyConnection, store: EventStore | None, first: date, last: date
) -> None:
    """Make the table `impressions` of what was shown on some days (UTC), both included."""
    connection.register("no_impressions", SCHEMA.empty_table())
    connection.execute("CREATE TABLE impressions AS FROM no_impressions")
    if store is None:
        return
    end = start_ms(last + timedelta(days=1))
    shown = takewhile(lambda impression: impression.shown_at < end, store.impressions(start_ms(first)))
    while some := list(islice(shown, AT_ONCE)):
        connection.register(
            "some_impressions", pa.Table.from_pylist([_row(impression) for impression in some], SCHEMA)
        )
        connection.execute("INSERT INTO impressions FROM some_impressions")
    store.close()


def start_ms(day: date) -> int:
    """Its first millisecond since 1970, UTC."""
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp() * 1000)


def day_of(time_ms: int) -> date:
    """The day (UTC) of a time in milliseconds since 1970."""
    return datetime.fromtimestamp(time_ms / 1000, UTC).date()


def _row(impression: Impression) -> dict[str, object]:
    row = asdict(impression)
    del row["propensity"]  # of no use to drift and online results
    return row | {"day": day_of(impression.shown_at).isoformat()}
