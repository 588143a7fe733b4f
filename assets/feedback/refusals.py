"""What users refused, by a dislike or a refund, say, and did not play since: never recommended to them."""

from time import monotonic

import dagster as dg
import pyarrow as pa
import pyarrow.parquet as pq

from assets.contracts import checks_of
from assets.engines.sql import statement
from assets.formats.table import Rule, Table, text, time
from assets.resources import Home
from assets.shown.tables import columns_shown, table_result
from assets.state.by_content import publish_rows
from assets.state.code import made_by
from assets.state.lake import Lake, write_parquet
from models.feedback import REFUSAL

CODE = made_by(__name__)
REFUSALS = Table(
    "refusals",
    "What users refused, each item once: nothing learns from their plays of it, and batches leave it out.",
    (
        text("user_id", "who told it"),
        text("item_id", "what was refused"),
        time("told_at", "milliseconds since 1970, UTC"),
    ),
    (
        Rule(
            "refusals_once",
            "fault_refusals",
            "A user has refused an item once, and not played it since.",
            ("events",),
        ),
    ),
)


@dg.asset(
    pool="lake",
    kinds={"duckdb", "sql"},
    code_version=CODE,
    deps=["received_events", "events"],
    description=REFUSALS.words,
    metadata=columns_shown(REFUSALS),
)
def refusals(home: Home) -> dg.MaterializeResult[None]:
    started, lake = monotonic(), home.lake()
    told, forgotten = _read_store(home)
    there = [name for name in ("refusals", "events") if lake.has(name)]
    with lake.connect(*there) as connection:
        connection.register("none", REFUSALS.schema.empty_table())
        connection.table("refusals" if "refusals" in there else "none").create_view("refusals_before")
        connection.register("told", told)
        connection.register("forgotten", pa.table({"user_id": pa.array(forgotten, pa.string())}))
        version = publish_rows(
            lake, "refusals", lambda path: write_parquet(connection, statement("refusals"), path)
        )
    with lake.connect("refusals") as connection:
        return table_result(connection, version, started, {})


def refused(lake: Lake) -> pa.Table:
    """The refusals, by user and item; none where they were never taken over."""
    if not lake.has("refusals"):
        return REFUSALS.schema.empty_table()
    return pq.read_table(lake.current("refusals").path).cast(REFUSALS.schema)


def _read_store(home: Home) -> tuple[pa.Table, list[str]]:
    """What the event store has of refusals, and the forgotten users."""
    store = home.event_store()
    if store is None:
        return REFUSALS.schema.empty_table(), []
    rows = [
        {"user_id": told.user_id, "item_id": told.item_id, "told_at": told.told_at}
        for told in store.feedback()
        if told.counts == REFUSAL
    ]
    forgotten = store.forgotten_users()
    store.close()
    return REFUSALS.rows(rows), forgotten


REFUSALS_CHECKS = checks_of(REFUSALS)
