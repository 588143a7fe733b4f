"""Writes the page of nights whenever something has happened that it tells of."""

from datetime import UTC, datetime

import dagster as dg

from assets.resources import Home
from assets.state.lake import fingerprint
from pipelines.operator.overview.gather import NIGHTS, write_overview
from pipelines.records import pipeline_runs
from pipelines.resources import Settings, home_of

LOOK_EVERY_S = 60
TABLES = ("leaderboard", "drift", "online_results")


def nights_page(settings: Settings) -> dg.SensorDefinition:
    """The sensor that keeps the page of nights up to date."""

    @dg.sensor(
        name="nights_page",
        minimum_interval_seconds=LOOK_EVERY_S,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Writes the page of nights and reports anew, when a run has ended or a champion was set.",
    )
    def look(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        home = home_of(settings)
        now = state(context.instance, home)
        if context.cursor == now:
            return dg.SkipReason("Nothing has happened since the page of nights was written.")
        path = write_overview(settings, home)
        context.update_cursor(now)
        return dg.SkipReason(f"Wrote {path}.")

    return look


def state(instance: dg.DagsterInstance, home: Home) -> str:
    """What the page depends on, cheap enough to ask every minute; the hour is that of skipped nights."""
    runs = [(r.dagster_run.run_id, r.dagster_run.status.value) for r in pipeline_runs(instance, limit=NIGHTS)]
    lake, pointer = home.lake(), home.pointer_file
    tables = [lake.current(table).fingerprint for table in TABLES if lake.has(table)]
    champion = pointer.stat().st_mtime_ns if pointer.exists() else 0
    return fingerprint(runs, tables, champion, f"{datetime.now(UTC):%Y-%m-%d %H}")[:16]
