"""The loop's second half: the source and the acknowledged plays become what is learned from."""

import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from shutil import copyfile

import dagster as dg

from assets.clean.clean_tables import PLAYED, numbered, once
from assets.contracts import checks_of
from assets.engines.sql import make_table, query, statement
from assets.feedback.clock import clock
from assets.feedback.events import RECEIVED, cutoff_ms, newest_ms
from assets.feedback.held_back import HoldBack, HoldBackError, hold_back
from assets.feedback.refusals import refused
from assets.formats.table import Rule, Table, by_name, text
from assets.resources import Cleaning, Home, Source
from assets.sequences.listed_items import listed
from assets.shown.tables import table_result, table_specs
from assets.state.code import made_by
from assets.state.lake import Lake, TableVersion, fingerprint, write_parquet
from serving.state.events import CLOCK_TOLERANCE_MS, END_OF_TIME_MS, now_ms

CODE = made_by(__name__)
ALL_INTERACTIONS = Table(
    "all_interactions",
    "What is learned from: the source and the events up to the cut-off.",
    PLAYED,
    (
        Rule(
            "source_and_events_add_up",
            "fault_united",
            "What is learned from, with what is held back, is the source and every event, but for those left "
            "out with a reason, and what was refused.",
            beside=("held_back", "interactions", "events", "event_quarantine", "refusals"),
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
HELD_BACK = Table(
    "held_back",
    "Plays that only the evaluation of what is served looks at: see NEXTPLAY_HOLD_BACK. Else it is empty.",
    PLAYED,
)
UNITED_TABLES = by_name(ALL_INTERACTIONS, EVENT_QUARANTINE, HELD_BACK)
DEPENDENCIES = ("interactions", "catalogue", "raw_lines", "events", "listed_items", "refusals")


@dg.multi_asset(
    pool="lake",
    name="all_interactions",
    specs=table_specs(UNITED_TABLES.values(), DEPENDENCIES, {"duckdb", "sql"}, CODE),
)
def all_interactions(
    context: dg.AssetExecutionContext, home: Home, cleaning: Cleaning, source: Source
) -> Iterator[dg.MaterializeResult[None]]:
    started, lake = time.monotonic(), home.lake()
    try:
        versions = unite(lake, cleaning, cutoff_ms(context.run.tags) or now_ms(), source.reading().missing)
    except HoldBackError as error:
        raise dg.Failure(str(error), allow_retries=False) from None
    if held := versions["held_back"].rows:
        told = "NEXTPLAY_HOLD_BACK=%s: %d plays are held back, and nothing learns from them."
        context.log.warning(told, cleaning.hold_back, held)
    with lake.connect(*versions) as connection:
        why = {"by reason": dg.MetadataValue.md(query(connection, "waiting_events"))}
        for table, version in versions.items():
            yield table_result(connection, version, started, why if table == "event_quarantine" else {})


def unite(
    lake: Lake, cleaning: Cleaning, cutoff: int | None, missing: Sequence[str] = ()
) -> dict[str, TableVersion]:
    """Publish `all_interactions`, `event_quarantine` and `held_back`.

    Without events, and with nothing refused or held back, the first is `interactions` itself. An event whose
    user is one of `missing` is of nobody, as a play of the source would be. A cut-off that leaves nothing
    out is none: the tables are the same, and so are their fingerprints. Raises HoldBackError.
    """
    source, events = lake.current("interactions"), lake.current("events")
    cutoff = cutoff if cutoff is not None and cutoff < newest_ms(lake) else None
    hold = HoldBack.from_text(cleaning.hold_back) if cleaning.hold_back else None
    parts = [CODE, source.fingerprint, lake.current("catalogue").fingerprint, events.fingerprint]
    # The tolerance of clocks is the endpoint's, so no part of CODE.
    rules = [cleaning.repeats, cutoff, CLOCK_TOLERANCE_MS, *missing]
    new = listed(lake)
    offered = [lake.current("listed_items").fingerprint] if new.num_rows else []
    away = refused(lake)
    ended = ["refused", lake.current("refusals").fingerprint] if away.num_rows else []
    held = [[hold.text, cleaning.min_playtime]] if hold else []
    made_from = fingerprint("united", *parts, *rules, *held, *offered, *ended)

    def write(paths: Mapping[str, Path]) -> None:
        with lake.connect("interactions", "catalogue", "events") as connection:
            connection.register("listed", new)
            connection.register("refused", away)
            connection.register("no_plays", HELD_BACK.schema.empty_table())
            make_table(connection, "judged_events", {"cutoff": END_OF_TIME_MS if cutoff is None else cutoff,
                                                     "clock_tolerance": CLOCK_TOLERANCE_MS,
                                                     "missing": list(missing)})  # fmt: skip
            write_parquet(connection, statement("event_quarantine"), paths["event_quarantine"])
            how = clock(connection) | {"repeats": cleaning.repeats}
            if hold is not None:
                connection.execute(f"CREATE TABLE united_plays AS {statement('all_interactions')}", how)
                hold_back(connection, hold, cleaning.min_playtime)
                write_parquet(connection, statement("plays_before"), paths["all_interactions"])
                write_parquet(connection, statement("held_back"), paths["held_back"])
                return
            write_parquet(connection, "FROM no_plays", paths["held_back"])
            if "all_interactions" in paths:
                write_parquet(connection, statement("all_interactions"), paths["all_interactions"], how)

    if events.rows or away.num_rows or hold is not None:
        return lake.publish_many(made_from, list(UNITED_TABLES), write)
    same = lake.publish("all_interactions", source.fingerprint, lambda path: _copy(source.path, path))
    others = [name for name in UNITED_TABLES if name != "all_interactions"]
    return {"all_interactions": same, **lake.publish_many(made_from, others, write)}


def _copy(source: Path, destination: Path) -> None:
    copyfile(source, destination)


UNITED_CHECKS = checks_of(*UNITED_TABLES.values())
