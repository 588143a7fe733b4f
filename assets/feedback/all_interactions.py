"""The loop's second half: the source and the acknowledged plays become what is learned from."""

import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from shutil import copyfile
from typing import Any

import dagster as dg
import duckdb

from assets.clean.clean_tables import PLAYED, numbered, once
from assets.contracts import checks_of
from assets.engines.sql import make_table, query, statement
from assets.feedback.events import END_OF_TIME_MS, RECEIVED, cutoff_ms, newest_ms
from assets.formats.table import Rule, Table, by_name, text
from assets.formats.timestamps import MICROSECONDS, units_a_second
from assets.resources import Cleaning, Home, Source
from assets.shown.tables import table_result, table_specs
from assets.state.code import made_by
from assets.state.lake import Lake, TableVersion, fingerprint, write_parquet
from serving.state.events import CLOCK_TOLERANCE_MS

CODE = made_by(__name__)
ALL_INTERACTIONS = Table(
    "all_interactions",
    "What is learned from: the source and the events up to the cut-off.",
    PLAYED,
    (
        Rule(
            "source_and_events_add_up",
            "fault_united",
            "What is learned from is the source and every event, but for those left out with a reason.",
            beside=("interactions", "events", "event_quarantine"),
            settings=("repeats",),
        ),
        once("all_interactions"),
        numbered("all_interactions_positions"),
    ),
)
EVENT_QUARANTINE = Table(
    "event_quarantine",
    "Events that are left out, with the reason; looked at by each run.",
    (*RECEIVED, text("reason", "why it was left out")),
)
UNITED_TABLES = by_name(ALL_INTERACTIONS, EVENT_QUARANTINE)


@dg.multi_asset(
    pool="lake",
    name="all_interactions",
    specs=table_specs(
        UNITED_TABLES.values(), ["interactions", "catalogue", "raw_lines", "events"], {"duckdb", "sql"}, CODE
    ),
)
def all_interactions(
    context: dg.AssetExecutionContext, home: Home, cleaning: Cleaning, source: Source
) -> Iterator[dg.MaterializeResult[None]]:
    started, lake = time.monotonic(), home.lake()
    versions = unite(lake, cleaning.repeats, cutoff_ms(context.run.tags), source.reading().missing)
    with lake.connect(*versions) as connection:
        why = {"by reason": dg.MetadataValue.md(query(connection, "waiting_events"))}
        for table, version in versions.items():
            yield table_result(connection, version, started, why if table == "event_quarantine" else {})


def unite(
    lake: Lake, repeats: str, cutoff: int | None, missing: Sequence[str] = ()
) -> dict[str, TableVersion]:
    """Publish `all_interactions` and `event_quarantine`; without events the former is `interactions` itself.

    An event whose user is one of `missing` is of nobody, as a play of the source would be. A cut-off that
    leaves nothing out is none: the tables are the same, and so are their fingerprints.
    """
    source, events = lake.current("interactions"), lake.current("events")
    cutoff = cutoff if cutoff is not None and cutoff < newest_ms(lake) else None
    parts = [CODE, source.fingerprint, lake.current("catalogue").fingerprint, events.fingerprint]
    rules = [repeats, cutoff, CLOCK_TOLERANCE_MS, *missing]  # the third is the endpoint's, so no part of CODE
    made_from = fingerprint("united", *parts, *rules)

    def write(paths: Mapping[str, Path]) -> None:
        with lake.connect("interactions", "catalogue", "events") as connection:
            make_table(connection, "judged_events", {"cutoff": END_OF_TIME_MS if cutoff is None else cutoff,
                                                     "clock_tolerance": CLOCK_TOLERANCE_MS,
                                                     "missing": list(missing)})  # fmt: skip
            write_parquet(connection, statement("event_quarantine"), paths["event_quarantine"])
            if "all_interactions" in paths:
                how = clock(connection) | {"repeats": repeats}
                write_parquet(connection, statement("all_interactions"), paths["all_interactions"], how)

    if events.rows:
        return lake.publish_many(made_from, list(UNITED_TABLES), write)
    same = lake.publish("all_interactions", source.fingerprint, lambda path: _copy(source.path, path))
    return {"all_interactions": same, **lake.publish_many(made_from, ["event_quarantine"], write)}


def _copy(source: Path, destination: Path) -> None:
    copyfile(source, destination)


def clock(connection: duckdb.DuckDBPyConnection) -> dict[str, Any]:
    """How a time in milliseconds since 1970 is written in the column `timestamp` of the view `interactions`.

    The unit of a table's whole numbers is told from their size; numbers that are no time put all events
    behind the source. In a source without times the events have microseconds.
    """
    dated, last = connection.execute(statement("source_times")).fetchone() or (False, None)
    if not dated:
        return {"dated": False, "units_a_ms": MICROSECONDS / 1000, "offset": 0}
    if unit := units_a_second(last):
        return {"dated": True, "units_a_ms": unit / 1000, "offset": 0}
    return {"dated": True, "units_a_ms": 1.0, "offset": last + 1}


UNITED_CHECKS = checks_of(*UNITED_TABLES.values())
