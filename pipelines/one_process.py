"""One process for each run, which notes on its record what it is made from and whether a retry can help.

Only here is a run seen however it was started: by the schedule, by Dagster's UI, or by its command line.
"""

from collections.abc import Iterator, Set
from typing import TYPE_CHECKING

import dagster as dg

from assets.release.run_records import WHOLE_TAG
from models.mistakes import UserError
from pipelines.failures import final
from pipelines.inputs import TAG, input_tags, read_inputs
from pipelines.records import is_whole
from pipelines.resources import Settings

if TYPE_CHECKING:
    from dagster._core.execution.context.system import PlanOrchestrationContext
    from dagster._core.execution.plan.plan import ExecutionPlan
    from dagster._core.execution.retries import RetryMode

NO_MORE = {"dagster/max_retries": "0"}
MAX_RUNTIME = "dagster/max_runtime"  # of a run, in seconds: in place of what dagster.yaml says of all


class OneProcess(dg.Executor):
    """Dagster's own executor of one process, with notes in the tags of the run.

    `whole` are the assets that a run of everything makes.
    """

    def __init__(self, within: dg.Executor, settings: Settings, whole: Set[dg.AssetKey]) -> None:
        self._within, self._settings, self._whole = within, settings, whole

    @property
    def retries(self) -> "RetryMode":
        return self._within.retries

    def execute(
        self, plan_context: "PlanOrchestrationContext", execution_plan: "ExecutionPlan"
    ) -> Iterator[dg.DagsterEvent]:
        instance, run = plan_context.instance, plan_context.dagster_run
        waits = self._is_to_note(run)
        whole = {WHOLE_TAG: "true"} if waits else {}
        instance.add_run_tags(run.run_id, whole | self._patience(instance, run))
        tried_again = set()
        for event in self._within.execute(plan_context, execution_plan):
            if waits and event.event_type is dg.DagsterEventType.STEP_START:  # it has the lock of the home
                waits = False
                instance.add_run_tags(run.run_id, self._made_from())
            if event.is_step_up_for_retry:
                tried_again.add(event.step_key)
            if event.is_step_failure and event.step_key not in tried_again and final(event):
                instance.add_run_tags(run.run_id, NO_MORE)
            yield event

    def _is_to_note(self, run: dg.DagsterRun) -> bool:
        """Whether a run is one of everything, and what it is made from is not noted yet.

        That of a run that the schedule started is, and a retry has that of the run before it.
        """
        known = any(name.startswith(TAG) for name in run.tags)
        return not known and (is_whole(run) or (run.asset_selection or set()) >= self._whole)

    def _made_from(self) -> dict[str, str]:
        """What a run is made from, where that is known. A host may take its time to tell, and a run that
        neither holds the lock nor waits for it counts as killed."""
        try:
            return input_tags(read_inputs(self._settings))
        except UserError:
            return {}

    def _patience(self, instance: dg.DagsterInstance, run: dg.DagsterRun) -> dict[str, str]:
        """A run that searches for settings takes as much longer until it counts as one that hangs."""
        usual, search = instance.run_monitoring_max_runtime_seconds, 60 * self._settings.search_minutes
        if not (usual and search) or MAX_RUNTIME in run.tags:
            return {}
        return {MAX_RUNTIME: f"{usual + search:.0f}"}


def one_process(settings: Settings, whole: Set[dg.AssetKey]) -> dg.ExecutorDefinition:
    """What runs the jobs: three trivial assets took 6 s in one process and 30 s in many."""
    within = dg.in_process_executor
    make = within.executor_creation_fn
    assert make is not None

    def noting(context: dg.InitExecutorContext) -> dg.Executor:
        return OneProcess(make(context), settings, whole)

    schema = within.config_schema.config_type
    return dg.ExecutorDefinition(within.name, config_schema=schema, executor_creation_fn=noting)
