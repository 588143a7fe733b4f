"""The jobs and when they run."""

import dagster as dg

from pipelines.resources import Settings

# Bounded: a night that fails three times needs a person.
RETRIES = {"dagster/max_retries": "2", "dagster/retry_strategy": "FROM_FAILURE"}

everything = dg.define_asset_job(
    "everything",
    selection=dg.AssetSelection.all(),
    description="Every asset, from the raw files to a gated champion behind an endpoint.",
    tags=RETRIES,
    config={"loggers": {"console": {}}},  # else Dagster takes its own, of a line an event
    executor_def=dg.in_process_executor,
)


def nightly(settings: Settings) -> dg.ScheduleDefinition:
    """The whole job once a night; on by default, so that `make ui` alone keeps the model fresh."""
    return dg.ScheduleDefinition(
        name="nightly",
        job=everything,
        cron_schedule=settings.nightly,
        execution_timezone=settings.timezone,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Retrains on what is there, and promotes the candidate only if it is no worse.",
    )
