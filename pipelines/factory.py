"""What Dagster is told of, for given settings: assets, checks, jobs, schedules, sensors, resources."""

from typing import Any

import dagster as dg

import assets
from assets.feedback.events import events_of_a_day
from pipelines.console import console_logger
from pipelines.freshness import fresh
from pipelines.jobs import everything, watch
from pipelines.nights import nightly, retrain_early, watching
from pipelines.operator.operations import operations
from pipelines.resources import Settings, resources
from pipelines.sensors import failure_alert, killed_runs

ROOMS = ("ingest", "clean", "feedback", "sequences", "training", "evaluation", "release")


def room_assets() -> list[Any]:
    """The assets of each room, which is their group in the UI."""
    loaded = [
        dg.load_assets_from_package_name(f"assets.{room}", group_name=room, include_specs=True)
        for room in ROOMS
    ]
    return [asset for room in loaded for asset in room]


def define(settings: Settings, *more: dg.JobDefinition) -> dg.Definitions:
    """Everything that Dagster knows of, for these settings, and jobs that themselves define such things."""
    return dg.Definitions(
        assets=fresh(room_assets(), settings.max_age_days),
        asset_checks=dg.load_asset_checks_from_package_module(assets),
        jobs=[everything, watch, events_of_a_day, *operations(settings), *more],
        schedules=[nightly(settings), watching(settings)],
        sensors=[failure_alert(settings.webhook()), retrain_early(settings), killed_runs(settings.home)],
        resources=resources(settings),
        # One process for each run: three trivial assets took 6 s in one process and 30 s in many.
        executor=dg.in_process_executor,
        loggers={"console": console_logger},
    )
