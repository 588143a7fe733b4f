"""What is told to people when a run fails: always in the log, and to a webhook where one is set."""

import logging

import dagster as dg
import httpx
import tenacity

log = logging.getLogger(__name__)
logging.getLogger("httpx").setLevel(logging.WARNING)  # it would log the webhook's address


def failure_alert(webhook: str | None) -> dg.SensorDefinition:
    """The sensor that tells of every failed run. The webhook's address is a secret and is never logged."""

    @dg.run_failure_sensor(
        name="failure_alert",
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Logs every failed run, and posts it to NEXTPLAY_ALERT_WEBHOOK where that is set.",
    )
    def alert(context: dg.RunFailureSensorContext) -> None:
        text = (
            f"Run {context.dagster_run.run_id} of {context.dagster_run.job_name} failed: {_reason(context)}"
        )
        context.log.error(text)
        if webhook:
            post(webhook, text)

    return alert


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
    steps = []
    for event in context.get_step_failure_events():
        data = event.step_failure_data
        error = data.error
        while error is not None and error.cause is not None:
            error = error.cause
        told = data.user_failure_data.description if data.user_failure_data else None
        steps.append(f"{event.step_key}: {told or (error.message.strip() if error else 'no message')}")
    return "; ".join(steps) or context.failure_event.message or "no message"
