"""Online results: how often people played what they were shown, by day and version of the model."""

import time
from datetime import timedelta
from typing import Any

import dagster as dg

from assets.contracts import checks_of
from assets.engines.sql import statement
from assets.feedback.daily import days_to_make, publish_days
from assets.feedback.impressions import read_impressions
from assets.formats.table import DAY, Table, count, index, share, text
from assets.resources import Home
from assets.shown.charts import markdown_image
from assets.shown.plots import online_chart
from assets.shown.tables import columns_shown, table_result
from models.evaluation.drift import share_interval

WITHIN = timedelta(days=1)  # a play that comes later is not put down to what was shown
AGAIN = 3  # days that are made again: a play may be reported the day after, of what was shown the day before
ONLINE_RESULTS = Table(
    "online_results",
    "Hit rate at 1, 5, 10 and 20 of what was shown to known users, by day and model version.",
    (
        text("day", "UTC", matches=DAY),
        text("model_version", "that answered"),
        index("k", "how many of the first items count", at_least=1),
        count("requests", "answers to known users", at_least=1),
        count("hits", "answers of whose items one was played within a day"),
        share("hit_rate", "hits for each request"),
        share("low", "of the 95 % interval"),
        share("high", "of the 95 % interval"),
    ),
    answers=True,
)


@dg.asset(
    pool="lake",
    kinds={"duckdb", "sql"},
    deps=["events", "received_events"],
    description=ONLINE_RESULTS.words,
    metadata=columns_shown(ONLINE_RESULTS),
)
def online_results(context: dg.AssetExecutionContext, home: Home) -> dg.MaterializeResult[None]:
    started, lake = time.monotonic(), home.lake()
    first, last = days_to_make(lake, ONLINE_RESULTS, context.run.tags, AGAIN)
    with lake.connect("events") as connection:
        read_impressions(connection, home.event_store(), first, last)
        within = {"within": int(WITHIN.total_seconds() * 1000)}
        found = connection.execute(statement("online_results"), within).fetchall()
    version = publish_days(lake, ONLINE_RESULTS, [_row(*row) for row in found])
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


ONLINE_CHECKS = checks_of(ONLINE_RESULTS)
