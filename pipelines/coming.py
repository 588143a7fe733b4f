"""What Dagster will do next: the night to come, and the retry of a run."""

from datetime import datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import dagster as dg

from pipelines.records import NIGHTLY
from pipelines.resources import Settings

if TYPE_CHECKING:
    from dagster._core.scheduler.instigation import InstigatorState

ALIVE_WITHIN_S = 300  # of a heartbeat; Dagster's daemon gives two a minute


def next_night(settings: Settings, instance: dg.DagsterInstance, now: float) -> str:
    """When the schedule ticks next, or why it does not."""
    from dagster._utils.schedules import schedule_execution_time_iterator  # there is no public one

    if any(not state.is_running for state in nightly_states(instance)):
        return f"none, for the schedule {NIGHTLY} is turned off in Dagster's UI"
    beat = instance.get_daemon_heartbeats().get("SCHEDULER")
    if beat is None or now - beat.timestamp > ALIVE_WITHIN_S:
        return "none, for nothing keeps the schedule running, as make ui does"
    night = next(schedule_execution_time_iterator(now, settings.nightly, settings.timezone))
    return moment(night.timestamp(), settings.timezone)


def nightly_states(instance: dg.DagsterInstance) -> list["InstigatorState"]:
    """What Dagster keeps of the nightly schedule; nothing before its daemon has seen it."""
    from dagster._core.definitions.run_request import InstigatorType

    if instance.schedule_storage is None:  # an instance that lives in memory
        return []
    states = instance.all_instigator_state(instigator_type=InstigatorType.SCHEDULE)
    return [state for state in states if state.instigator_name == NIGHTLY]


def will_be_retried(run: dg.DagsterRun) -> bool:
    """Whether Dagster's daemon tries a failed run again; one from a terminal is its user's own."""
    waits = run.tags.get("dagster/will_retry") == "true" and "dagster/auto_retry_run_id" not in run.tags
    return waits and run.remote_job_origin is not None


def moment(seconds: float, timezone: str | None = None) -> str:
    """A time since the epoch, to the minute, in a time zone or this machine's own."""
    zone = ZoneInfo(timezone) if timezone else None
    return f"{datetime.fromtimestamp(seconds, zone).astimezone(zone):%Y-%m-%d %H:%M %Z}"
