"""When a run starts by itself: every night unless nothing has changed, and early on enough new events."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from itertools import islice
from typing import Any

import dagster as dg

from assets.feedback.drift import in_words, newest_day
from assets.feedback.events import CUTOFF_TAG, cutoff_ms
from assets.feedback.impressions import start_ms
from assets.resources import Home
from models.bundle.bundle import BundleError
from pipelines.inputs import changed, events_state, events_taken, input_tags, read_inputs
from pipelines.jobs import everything, watch
from pipelines.records import EARLY, NIGHTLY, UNDER_WAY, WHY_TAG, newest_whole, pipeline_runs
from pipelines.resources import Settings, home_of
from serving.state.events import EventStore
from serving.state.pointer import Pointer, read_pointer

SECONDS_A_DAY = 86_400
LOOK_EVERY_S = 600


@dataclass(frozen=True)
class Decision:
    """Whether tonight's run is worth it, and why, in one sentence."""

    run: bool
    why: str


def nightly(settings: Settings) -> dg.ScheduleDefinition:
    """The whole job once a night; on by default, so that `make ui` alone keeps the model fresh."""

    def tonight(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        inputs = read_inputs(settings)
        decision = decide(settings, inputs, context.instance, time.time())
        if not decision.run:
            return dg.SkipReason(decision.why)
        return _request(settings, inputs, _cutoff(context), decision.why)

    return dg.ScheduleDefinition(
        name=NIGHTLY,
        job=everything,
        execution_fn=tonight,
        cron_schedule=settings.nightly,
        execution_timezone=settings.timezone,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Retrains on what is there, and promotes the candidate only if it is no worse. Where "
        "nothing has changed since the last run it skips, and says so.",
    )


def retrain_early(settings: Settings) -> dg.SensorDefinition:
    """A run before the night, when many events have come in or the day has drifted."""

    @dg.sensor(
        name=EARLY,
        job=everything,
        minimum_interval_seconds=LOOK_EVERY_S,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Starts a run when NEXTPLAY_RETRAIN_EVENTS new events wait, or when the newest day has "
        "drifted; 0 turns it off.",
    )
    def look(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        enough, home = settings.retrain_events, home_of(settings)
        store = home.event_store() if enough else None
        if store is None:
            return dg.SkipReason("There are no events." if enough else "NEXTPLAY_RETRAIN_EVENTS is 0.")
        if pipeline_runs(context.instance, UNDER_WAY, limit=1):
            return dg.SkipReason("A run is under way.")
        last = newest_whole(context.instance, [dg.DagsterRunStatus.SUCCESS])
        since = _taken_until(last)
        waiting, moved = _received_after(store, since, enough), _drifted_after(home, _started(last))
        if waiting < enough and not moved:
            return dg.SkipReason(f"{waiting:,} new events wait; a run starts early at {enough:,}.")
        why = f"{enough:,} new events or more wait." if waiting == enough else in_words(moved)
        request = _request(settings, read_inputs(settings), datetime.now(UTC), why)
        return request._replace(run_key=f"early-after-{since}")  # once: if it fails, the night tries again

    return look


def watching(settings: Settings) -> dg.ScheduleDefinition:
    """A look at drift and online results several times a day, where there is something to look at."""

    def look(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        if home_of(settings).event_store() is None:
            return dg.SkipReason("The endpoint has stored nothing yet: there is nothing to look at.")
        if newest_whole(context.instance, [dg.DagsterRunStatus.SUCCESS]) is None:
            return dg.SkipReason("No run has succeeded yet: there is nothing to compare with.")
        return dg.RunRequest(tags={CUTOFF_TAG: _cutoff(context).isoformat()})

    return dg.ScheduleDefinition(
        name="watching",
        job=watch,
        execution_fn=look,
        cron_schedule=settings.watch,
        execution_timezone=settings.timezone,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Drift and online results, without training.",
    )


def decide(settings: Settings, inputs: dict[str, str], instance: dg.DagsterInstance, now: float) -> Decision:
    """Skip where an earlier run succeeded with the same inputs and its champion is within its age."""
    last = newest_whole(instance, [dg.DagsterRunStatus.SUCCESS])
    if last is None:
        return Decision(True, "No run has succeeded yet.")
    new = changed(inputs, last.dagster_run)
    if new:
        return Decision(True, f"Since run {last.dagster_run.run_id[:8]} there are other {_listed(new)}.")
    champion = _champion(settings)
    if champion is None:
        return Decision(True, "There is no champion that can be read.")
    age, most = (now - champion.promoted_at) / SECONDS_A_DAY, settings.max_age_days
    if age > most:
        return Decision(True, f"The champion is {age:.1f} days old, and {most:g} are allowed.")
    return Decision(
        False,
        f"Nothing to do: {_listed(list(inputs))} are those of run {last.dagster_run.run_id[:8]}, and the "
        f"champion, version {champion.version}, is {age:.1f} days old ({most:g} are allowed).",
    )


def _cutoff(context: dg.ScheduleEvaluationContext) -> datetime:
    """The time of a tick; of one that is late, as after a night of sleep, up to when runs have learned since:
    what was learned from already would count as new the night after."""
    return max(context.scheduled_execution_time, _learned_until(context.instance))


def _learned_until(instance: dg.DagsterInstance) -> datetime:
    """Up to when runs have learned, or may by now; never in the future, which a clock may have said."""
    run, now = newest_whole(instance), time.time()
    if run is None:
        return datetime.fromtimestamp(0, UTC)
    cutoff = cutoff_ms(run.dagster_run.tags)
    return datetime.fromtimestamp(min(cutoff / 1000 if cutoff else run.end_time or now, now), UTC)


def _request(settings: Settings, inputs: dict[str, str], cutoff: datetime, why: str) -> dg.RunRequest:
    """A tick may be late: events that came after its cut-off are no input of its run, but of the next one."""
    taken = events_state(home_of(settings), int(cutoff.timestamp() * 1000))
    tags = input_tags(inputs | {"events": taken})
    return dg.RunRequest(tags={**tags, CUTOFF_TAG: cutoff.isoformat(), WHY_TAG: why})


def _taken_until(run: dg.RunRecord | None) -> int:
    """The sequence up to which a run took events into account: no clock that was wrong stands in for it."""
    taken = events_taken(run.dagster_run) if run else None
    return _started(run) if taken is None else taken


def _started(run: dg.RunRecord | None) -> int:
    """When a run took events in, in milliseconds since 1970."""
    if run is None:
        return 0
    started = int((run.start_time or run.create_timestamp.timestamp()) * 1000)
    return cutoff_ms(run.dagster_run.tags) or started


def _received_after(store: EventStore, sequence: int, at_most: int) -> int:
    count = sum(1 for _ in islice(store.events(sequence), at_most))
    store.close()
    return count


def _drifted_after(home: Home, time_ms: int) -> list[dict[str, Any]]:
    """What drifted on the newest day, where that had not begun when a run last took events in."""
    if not home.lake().has("drift"):
        return []
    rows = newest_day(home.lake())
    later = [row for row in rows if start_ms(date.fromisoformat(row["day"])) > time_ms]
    return [row for row in later if row["drifted"]]


def _champion(settings: Settings) -> Pointer | None:
    try:
        return read_pointer(home_of(settings).pointer_file)
    except BundleError:
        return None


def _listed(names: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
