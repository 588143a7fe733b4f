"""Failed runs: people are told, in the log and by a webhook where one is set; killed ones are found."""

import logging
from pathlib import Path

import dagster as dg
import httpx
import tenacity

from pipelines.alerts import alert_text, nobody_heard
from pipelines.failures import reason
from pipelines.instance import GRACE_S, fail_killed_runs
from pipelines.resources import Settings, read_settings

LOOK_EVERY_S = 300

log = logging.getLogger(__name__)
logging.getLogger("httpx").setLevel(logging.WARNING)  # it would log the webhook's address


def failure_alert(webhook: str | None, settings: Settings | None = None) -> dg.SensorDefinition:
    """The sensor that tells of failed runs. The webhook's address is a secret and is never logged.

    The settings are those of the environment unless others are given.
    """

    @dg.run_failure_sensor(
        name="failure_alert",
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Logs failed runs, and posts them to NEXTPLAY_ALERT_WEBHOOK where that is set: what "
        "failed and why, what still serves, and whether it is tried again. A fault is told once a night.",
    )
    def alert(context: dg.RunFailureSensorContext) -> None:
        text = alert_text(
            settings or read_settings(), context.instance, context.dagster_run, _reason(context)
        )
        if text is None:
            context.log.info("Run %s failed as one did before, which was told.", context.dagster_run.run_id)
            return
        context.log.error(text)
        if webhook and not post(webhook, text):
            nobody_heard(context.instance, context.dagster_run)

    return alert


def killed_runs(home: Path, grace_s: float = GRACE_S) -> dg.SensorDefinition:
    """The sensor that lets the queue go on behind a `make run` that was killed while the UI is up."""

    @dg.sensor(
        name="killed_runs",
        minimum_interval_seconds=LOOK_EVERY_S,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Records as failed the runs whose process was killed, so that no other waits for them.",
    )
    def look(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        found = fail_killed_runs(context.instance, home, grace_s)
        return dg.SkipReason(f"Killed: {', '.join(found)}." if found else "No run was killed.")

    return look


def post(webhook: str, text: str, wait: float = 1.0) -> bool:
    """Post `{"text": …}`, the form that chat services take; three tries. Returns whether it was taken."""
    send = tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(httpx.HTTPError),
        wait=tenacity.wait_exponential(wait),
        stop=tenacity.stop_after_attempt(3),
        reraise=True,
    )
    try:
        send(lambda: httpx.post(webhook, json={"text": text}, timeout=10).raise_for_status())
    except httpx.HTTPError as error:
        log.error("The alert could not be delivered: %s. It said: %s", type(error).__name__, text)
        return False
    return True


def _reason(context: dg.RunFailureSensorContext) -> str:
    """The failed steps with their own message each, or that of the run."""
    steps = [f"{event.step_key}: {reason(event)}" for event in context.get_step_failure_events()]
    return "; ".join(steps) or reason(context.failure_event)
