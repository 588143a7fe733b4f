"""Nights as Dagster records them: two tiny assets, with the names and the executor of real ones."""

import time
from collections.abc import Mapping, Set
from typing import Any

import dagster as dg
from dagster._core.definitions.job_base import InMemoryJob
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.execution.api import execute_run
from dagster._core.remote_origin import (
    RegisteredCodeLocationOrigin,
    RemoteInstigatorOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    ScheduleInstigatorData,
    TickData,
    TickStatus,
)

from pipelines.coming import nightly_states
from pipelines.one_process import one_process
from pipelines.records import ASSET_JOB, EVERYTHING
from pipelines.resources import Settings

REPOSITORY = RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("nextplay"), "__repository__")
CLEAN, PROMOTION = dg.AssetKey("clean"), dg.AssetKey("promotion")
BY_SCHEDULE = {"dagster/schedule_name": "nightly"}
EARLY = {"dagster/sensor_name": "retrain_early", "nextplay/why": "10,000 new events or more wait."}


def definitions(
    settings: Settings, error: Exception | None, said: Mapping[str, Any], before: Exception | None
) -> dg.Definitions:
    @dg.resource
    def home() -> None:
        if before:
            raise before

    @dg.asset(required_resource_keys={"home"})
    def clean() -> None:
        if error:
            raise error

    @dg.asset(deps=[clean])
    def promotion() -> dg.MaterializeResult[None]:
        return dg.MaterializeResult(metadata=said)

    return dg.Definitions(
        [clean, promotion],
        jobs=[dg.define_asset_job(EVERYTHING, tags={"dagster/max_retries": "2"})],
        executor=one_process(settings, {CLEAN, PROMOTION}),
        resources={"home": home},
    )


def night(
    instance: dg.DagsterInstance,
    settings: Settings,
    *,
    error: Exception | None = None,
    before: Exception | None = None,
    said: Mapping[str, Any] | None = None,
    job: str = EVERYTHING,
    selection: Set[dg.AssetKey] | None = None,
    tags: Mapping[str, str] | None = None,
    parent: dg.DagsterRun | None = None,
    terminal: bool = False,
    status: dg.DagsterRunStatus | None = None,
) -> dg.DagsterRun:
    """A run to its end, or one that is left with a status. `parent` is the run that it tries again.

    It fails by an `error` of its first step, or by one `before` it, as where the home's lock cannot be had.
    """
    found = definitions(settings, error, said or {"promoted": True, "champion": "version 2 (sasrec)"}, before)
    definition = found.resolve_implicit_global_asset_job_def() if job == ASSET_JOB else None
    definition = definition or found.resolve_job_def(job)
    retry = _of_a_retry(instance, parent) if parent else {}
    run = instance.create_run_for_job(
        definition.get_subset(asset_selection=selection) if selection else definition,
        tags=dict(definition.run_tags) | retry | dict(tags or {}),
        asset_selection=frozenset(selection) if selection else None,
        remote_job_origin=None if terminal else RemoteJobOrigin(REPOSITORY, definition.name),
        parent_run_id=parent.run_id if parent else None,
        root_run_id=(parent.root_run_id or parent.run_id) if parent else None,
        status=status,
    )
    if parent:
        instance.add_run_tags(parent.run_id, {"dagster/auto_retry_run_id": run.run_id})
    if status is None:
        execute_run(InMemoryJob(definition), run, instance, raise_on_error=False)
    made = instance.get_run_by_id(run.run_id)
    assert made is not None
    return made


def _of_a_retry(instance: dg.DagsterInstance, parent: dg.DagsterRun) -> dict[str, str]:
    """The tags of a retry by Dagster's daemon: those of the run before it, but for some of Dagster's own."""
    failed = instance.get_run_by_id(parent.run_id)
    assert failed is not None
    own = ("dagster/will_retry", "dagster/failure_reason", "dagster/auto_retry_run_id")
    return {name: value for name, value in failed.tags.items() if name not in own} | {
        "dagster/retry_number": str(int(failed.tags.get("dagster/retry_number", "0")) + 1),
        "dagster/parent_run_id": failed.run_id,
        "dagster/root_run_id": failed.root_run_id or failed.run_id,
    }


def schedule(instance: dg.DagsterInstance, status: InstigatorStatus) -> InstigatorState:
    """The nightly schedule as Dagster's daemon, or a person in the UI, has left it."""
    origin = RemoteInstigatorOrigin(REPOSITORY, "nightly")
    data = ScheduleInstigatorData("30 2 * * *")
    return instance.add_instigator_state(InstigatorState(origin, InstigatorType.SCHEDULE, status, data))


def skipped(instance: dg.DagsterInstance, why: str, at: float | None = None) -> None:
    """A tick of the schedule that started nothing."""
    (state,) = nightly_states(instance) or [schedule(instance, InstigatorStatus.DECLARED_IN_CODE)]
    instance.create_tick(
        TickData(
            instigator_origin_id=state.instigator_origin_id,
            instigator_name="nightly",
            instigator_type=InstigatorType.SCHEDULE,
            status=TickStatus.SKIPPED,
            timestamp=at or time.time(),
            skip_reason=why,
            selector_id=state.selector_id,
        )
    )
