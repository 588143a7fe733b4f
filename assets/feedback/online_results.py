"""Online results: how often people played what they were shown, by day and version of the model."""

import time
from datetime import timedelta
from typing import Any

import dagster as dg
import pyarrow as pa

from assets.contracts import contract
from assets.engines.sql import statement
from assets.feedback.daily import first_day, publish_days
from assets.feedback.events import cutoff_ms
from assets.feedback.impressions import day_of, read_impressions
from assets.resources import Home
from assets.shown.charts import markdown_image
from assets.shown.plots import online_chart
from assets.shown.tables import table_result
from models.evaluation.drift import share_interval
from serving.state.events import now_ms

WITHIN = timedelta(days=1)  # a play that comes later is not put down to what was shown
AGAIN = 3  # days that are made again: a play may be reported the day after, of what was shown the day before
ONLINE = pa.schema(
    {
        "day": pa.string(),
        "model_version": pa.string(),
        "k": pa.int32(),
        "requests": pa.int64(),
        "hits": pa.int64(),
        "hit_rate": pa.float64(),
        "low": pa.float64(),
        "high": pa.float64(),
    }
)


@dg.asset(
    pool="lake",
    kinds={"duckdb", "sql"},
    deps=["events", "received_events"],
    description="Hit rate at 1, 5, 10 and 20 of what was shown to known users, by day and model version.",
)
def online_results(context: dg.AssetExecutionContext, home: Home) -> dg.MaterializeResult[None]:
    started, lake = time.monotonic(), home.lake()
    last = day_of(cutoff_ms(context.run.tags) or now_ms())
    first = first_day(lake, "online_results", last, AGAIN)
    with lake.connect("events") as connection:
        read_impressions(connection, home.event_store(), first, last)
        within = {"within": int(WITHIN.total_seconds() * 1000)}
        found = connection.execute(statement("online_results"), within).fetchall()
    version = publish_days(lake, "online_results", ONLINE, [_row(*row) for row in found])
    with lake.connect("online_results") as connection:
        rows = connection.sql("FROM online_results WHERE k = 10 ORDER BY day").to_arrow_table()
        days = rows.to_pylist()
        plot = markdown_image(online_chart(days), "Hit rate by day") if days else "No day to show yet."
        told = {"hit rate at 10": dg.MetadataValue.md(plot)}
        return table_result(connection, version, started, told)


def _row(day: str, model_version: str, k: int, requests: int, hits: int) -> dict[str, Any]:
    low, high = share_interval(hits, requests)
    known = {"day": day, "model_version": model_version, "k": k, "requests": requests, "hits": hits}
    return known | {"hit_rate": hits / requests, "low": low, "high": high}


ONLINE_CHECKS = [contract("online_results")]
