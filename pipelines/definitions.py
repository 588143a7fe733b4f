"""The one Definitions object that Dagster loads."""

import dagster as dg

from assets import (
    audit,
    batch,
    drift,
    evaluation,
    feedback,
    gating,
    interactions,
    online,
    packaging,
    promotion,
    raw,
    report,
    retention,
    sequences,
    shrinking,
    training,
    user_state,
)
from pipelines.console import console_logger
from pipelines.freshness import fresh
from pipelines.jobs import everything, watch
from pipelines.nights import nightly, retrain_early, watching
from pipelines.operations import operations
from pipelines.resources import Settings, read_settings, resources
from pipelines.sensors import failure_alert, killed_runs
from pipelines.simulation.job import simulation

MODULES = [
    raw,
    interactions,
    feedback,
    sequences,
    audit,
    training,
    evaluation,
    gating,
    report,
    packaging,
    promotion,
    batch,
    user_state,
    drift,
    online,
    retention,
    shrinking,
]


def define(settings: Settings) -> dg.Definitions:
    """Everything that Dagster knows of, for these settings."""
    return dg.Definitions(
        assets=fresh(dg.load_assets_from_modules(MODULES, include_specs=True), settings.max_age_days),
        asset_checks=dg.load_asset_checks_from_modules(MODULES),
        jobs=[everything, watch, feedback.events_of_a_day, simulation, *operations(settings)],
        schedules=[nightly(settings), watching(settings)],
        sensors=[failure_alert(settings.webhook()), retrain_early(settings), killed_runs(settings.home)],
        resources=resources(settings),
        # One process a run: three trivial assets took 6 s in one process and 30 s in many.
        executor=dg.in_process_executor,
        loggers={"console": console_logger},
    )


settings = read_settings()
defs = define(settings)
