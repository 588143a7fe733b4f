"""What people are told of a failed run, and when: once, and again only where something has changed.

The same fault is told again after `AGAIN_AFTER_S` at the earliest, so one that returns each night is told
once a night, with how often it was told before. A run that Dagster tries again is told when it first fails,
and once more when no retry is left.
"""

import hashlib
import re
import socket
import time
from collections.abc import Sequence

import dagster as dg

from assets.resources import Home
from models.bundle.bundle import BundleError, read_manifest
from pipelines.coming import moment, next_night, will_be_retried
from pipelines.failures import one_line
from pipelines.records import is_whole
from pipelines.resources import Settings, home_of

AGAIN_AFTER_S = 20 * 3600  # a fault of every night comes after 24 hours, one of every other hour after less
FAULT_TAG = "nextplay/fault"  # of a failed run: what its alerts have in common
TOLD_TAG = "nextplay/told"  # of a failed run whose alert was posted: its own id, as a retry inherits tags


def alert_text(
    settings: Settings, instance: dg.DagsterInstance, run: dg.DagsterRun, reason: str
) -> str | None:
    """The text to post, which is noted on the run; None where the fault was told a short while ago."""
    again = will_be_retried(run)
    fault = _fault(run, reason, again)
    earlier = _told(instance, fault, run.run_id)
    tags = {FAULT_TAG: fault}
    if earlier and time.time() - earlier[0] < AGAIN_AFTER_S:
        instance.add_run_tags(run.run_id, tags)
        return None
    instance.add_run_tags(run.run_id, tags | {TOLD_TAG: run.run_id})
    return " ".join(
        [
            f"Nextplay in {settings.home.resolve()} on {socket.gethostname()}: run {run.run_id} of "
            f"{run.job_name} failed.",
            one_line(reason),
            _before(earlier),
            serving(home_of(settings)),
            _next_try(settings, instance, run, again),
            "To look: make status, or make ui.",
        ]
    ).replace("  ", " ")


def nobody_heard(instance: dg.DagsterInstance, run: dg.DagsterRun) -> None:
    """Note that the alert of a run could not be delivered: the same fault is told when it comes again."""
    instance.add_run_tags(run.run_id, {TOLD_TAG: "nobody"})


def serving(home: Home) -> str:
    """Which champion serves in spite of a failed run, in a sentence."""
    champions = home.champions()
    try:
        now = champions.current()
    except BundleError:
        return "The champion's pointer is damaged, and endpoints keep the model that they have loaded."
    if now is None:
        return "There is no champion yet, so nothing serves."
    try:
        named = f"version {now.version} ({read_manifest(champions.folder(now)).architecture})"
    except BundleError:
        return (
            f"The bundle of version {now.version} is missing or damaged, and endpoints keep the model that "
            "they have loaded."
        )
    return f"Still serving: {named}, champion since {moment(now.promoted_at)}."


def _next_try(settings: Settings, instance: dg.DagsterInstance, run: dg.DagsterRun, again: bool) -> str:
    if again:
        return "It is tried again at once."
    if not is_whole(run):
        return "It is not tried again by itself."
    coming = next_night(settings, instance, time.time())
    if coming.startswith("none"):
        return f"It is not tried again, and there is no next night, {coming.removeprefix('none, ')}."
    return f"It is not tried again before the next night, {coming}."


def _before(earlier: Sequence[float]) -> str:
    if not earlier:
        return ""
    times = "once" if len(earlier) == 1 else f"{len(earlier)} times"
    return f"The same was told {times} before, first at {moment(earlier[-1])}."


def _fault(run: dg.DagsterRun, reason: str, again: bool) -> str:
    """Equal for faults that differ in numbers alone, such as a count or a time."""
    text = f"{run.job_name} {again} {re.sub('[0-9]+', '#', reason)}"
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _told(instance: dg.DagsterInstance, fault: str, but: str) -> list[float]:
    """When alerts of a fault were posted, newest first, in seconds since the epoch."""
    records = instance.get_run_records(dg.RunsFilter(tags={FAULT_TAG: fault}))
    told = [r for r in records if r.dagster_run.tags.get(TOLD_TAG) == r.dagster_run.run_id != but]
    return [r.end_time or r.create_timestamp.timestamp() for r in told]
