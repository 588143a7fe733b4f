"""What happened lately: runs with their retries, skipped nights, and what people decided by hand."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import dagster as dg

from assets.release.promotion import BY_HAND
from models.evaluation.evidence import CHAMPION_ALREADY
from pipelines.coming import nightly_states, will_be_retried
from pipelines.failures import interrupted, one_line, reason
from pipelines.instance import KILLED
from pipelines.records import (
    EARLY,
    EVERYTHING,
    NIGHTLY,
    UNDER_WAY,
    WHY_TAG,
    is_whole,
    newest_whole,
    pipeline_runs,
)
from serving.state.pointer import Pointer

SHOWN = 5  # nights
READ = 50  # runs, of which nights are made
NAMED = 4  # assets of a run of some
GOES_ON = "The next run goes on from there."


@dataclass(frozen=True)
class Run:
    """A run of the pipeline; times are in seconds since the epoch."""

    run_id: str
    outcome: str  # as Dagster has it, such as SUCCESS
    started: float | None
    ended: float | None
    how: str = ""  # it was started
    what: str = ""  # it makes
    why: str = ""  # it was started, where it started by itself
    result: str = ""  # what became of it, in a word or two
    said: str = ""  # and in a sentence


@dataclass(frozen=True)
class Night:
    """A run with its retries, a night that was skipped, or a champion that was set by hand."""

    at: float  # seconds since the epoch
    how: str
    outcome: str  # in a word or two
    said: str
    runs: list[Run]  # oldest first; none of a night that was skipped, and of a champion set by hand


def read_nights(
    instance: dg.DagsterInstance, champions: Iterable[Pointer], killed: Sequence[str], most: int = SHOWN
) -> list[Night]:
    """The last nights, newest first, and the newest run of all and of everything, however old they are.

    `killed` are runs whose process is gone, which Dagster does not know.
    """
    records, whole = pipeline_runs(instance, limit=READ), newest_whole(instance)
    if whole is not None and all(whole.storage_id != record.storage_id for record in records):
        records.append(whole)  # many runs of some assets came after it
    groups: dict[str, list[dg.RunRecord]] = {}
    for record in reversed(records):
        groups.setdefault(record.dagster_run.root_run_id or record.dagster_run.run_id, []).append(record)
    newest = sorted(groups.values(), key=lambda group: -group[-1].storage_id)[:most]
    newest += [group for group in groups.values() if whole in group and group not in newest]
    of_runs = [_of_runs(instance, group, killed) for group in newest]
    others = [*_ticks(instance, most), *_by_hand(champions)]
    found = sorted([*of_runs, *others], key=lambda night: -night.at)
    shown = found[:most]
    last = of_runs[:1] + [n for n in of_runs[1:] if whole and n.runs[-1].run_id == whole.dagster_run.run_id]
    hidden = [night for night in last if night not in shown]
    return [*shown, *hidden]


def _of_runs(instance: dg.DagsterInstance, group: Sequence[dg.RunRecord], killed: Sequence[str]) -> Night:
    runs = [_run(instance, record, killed) for record in group]
    outcome = runs[-1].result + (f" at try {len(runs)}" if len(runs) > 1 else "")
    return Night(group[0].create_timestamp.timestamp(), runs[0].how, outcome, runs[-1].said, runs)


def _run(instance: dg.DagsterInstance, record: dg.RunRecord, killed: Sequence[str]) -> Run:
    run = record.dagster_run
    result, said = _result(instance, record, killed)
    return Run(
        run_id=run.run_id,
        outcome=run.status.value,
        started=record.start_time,
        ended=record.end_time,
        how=_how(run),
        what=_what(run),
        why=run.tags.get(WHY_TAG, ""),
        result=result,
        said=said,
    )


def _how(run: dg.DagsterRun) -> str:
    if run.tags.get("dagster/retry_number"):
        return "retry"
    if run.tags.get("dagster/schedule_name") == NIGHTLY:
        return "schedule"
    if run.tags.get("dagster/sensor_name") == EARLY:
        return "early"
    return "UI" if run.remote_job_origin else "terminal"


def _what(run: dg.DagsterRun) -> str:
    if is_whole(run):
        return EVERYTHING
    names = sorted(key.to_user_string() for key in run.asset_selection or ())
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"{len(names)} assets: {', '.join(names[:NAMED])}{more}" if len(names) > 1 else "".join(names)


def _result(instance: dg.DagsterInstance, record: dg.RunRecord, killed: Sequence[str]) -> tuple[str, str]:
    """What became of a run: in a word or two, and in a sentence."""
    run = record.dagster_run
    if run.run_id in killed:
        return "interrupted", KILLED
    if run.status is dg.DagsterRunStatus.SUCCESS:
        return _decided(instance, run)
    if run.status in UNDER_WAY:
        return _working(instance, record)
    if run.status is dg.DagsterRunStatus.CANCELED:
        return "stopped", "Somebody stopped it."
    return _failed(instance, run)


def _decided(instance: dg.DagsterInstance, run: dg.DagsterRun) -> tuple[str, str]:
    """What the promotion of a run said."""
    told = [
        event.step_materialization_data.materialization.metadata
        for event in _events(instance, run.run_id, dg.DagsterEventType.ASSET_MATERIALIZATION)
        if event.asset_key == dg.AssetKey("promotion")
    ]
    if not told:
        return "done", "It came to no verdict, for it made some assets alone." * (not is_whole(run))
    values = {name: str(value.value) for name, value in told[-1].items()}
    why = values.get("why", "")
    if values.get("promoted") == "True":
        return "promoted", f"{values.get('champion')}: {why}"
    return ("unchanged" if CHAMPION_ALREADY in why else "refused"), why


def _working(instance: dg.DagsterInstance, record: dg.RunRecord) -> tuple[str, str]:
    if not record.start_time:
        return "queued", "It waits until no other run works."
    steps = _events(instance, record.dagster_run.run_id, dg.DagsterEventType.STEP_START)
    if not steps:
        return "waiting", "It waits until no other run works in the home."
    return "under way", f"It is at {steps[-1].step_key}."


def _failed(instance: dg.DagsterInstance, run: dg.DagsterRun) -> tuple[str, str]:
    failures = _events(instance, run.run_id, dg.DagsterEventType.STEP_FAILURE)
    again = " It is tried again at once." if will_be_retried(run) else ""
    if any(interrupted(event) for event in failures):
        return "interrupted", GOES_ON + again
    if failures:
        return "failed", f"{one_line(' '.join(f'{e.step_key}: {reason(e)}' for e in failures))}{again}"
    of_run = _events(instance, run.run_id, dg.DagsterEventType.RUN_FAILURE)
    if any(interrupted(event) for event in of_run):
        return "interrupted", GOES_ON + again
    if any(KILLED in (event.message or "") for event in of_run):
        return "interrupted", KILLED + again
    return "failed", one_line(" ".join(map(reason, of_run)) or "It says nothing of why.") + again


def _events(instance: dg.DagsterInstance, run_id: str, kind: dg.DagsterEventType) -> list[dg.DagsterEvent]:
    records = instance.get_records_for_run(run_id, of_type=kind).records
    return [r.event_log_entry.dagster_event for r in records if r.event_log_entry.dagster_event]


def _ticks(instance: dg.DagsterInstance, most: int) -> Iterator[Night]:
    """Nights on which the schedule started no run: skipped, or in trouble itself."""
    from dagster._core.scheduler.instigation import TickStatus

    for state in nightly_states(instance):
        kinds = [TickStatus.SKIPPED, TickStatus.FAILURE]
        ticks = instance.get_ticks(state.instigator_origin_id, state.selector_id, limit=most, statuses=kinds)
        for tick in ticks:
            if tick.status is TickStatus.SKIPPED:
                yield Night(tick.timestamp, "schedule", "skipped", tick.skip_reason or "", [])
            else:
                why = one_line(tick.error.message) if tick.error else "the schedule says nothing of why"
                yield Night(tick.timestamp, "schedule", "not started", why, [])


def _by_hand(champions: Iterable[Pointer]) -> Iterator[Night]:
    for one in champions:
        if one.reason.startswith(BY_HAND):
            outcome = f"version {one.version} set"
            yield Night(one.promoted_at, "by hand", outcome, one.reason, [])
