"""One process for each run, which notes on its record what it is made from and whether a retry can help.

Only here is a run seen however it was started: by the schedule, by Dagster's UI, or by its command line.
"""

from collections.abc import Iterator, Set
from typing import TYPE_CHECKING

import dagster as dg

from models.mistakes import UserError
from pipelines.failures import final
from pipelines.inputs import TAG, input_tags, read_inputs
from pipelines.records import WHOLE_TAG, is_whole
from pipelines.resources import Settings

if TYPE_CHECKING:
    from dagster._core.execution.context.system import PlanOrchestrationContext
    from dagster._core.execution.plan.plan import ExecutionPlan
    from dagster._core.execution.retries import RetryMode

NO_MORE = {"dagster/max_retries": "0"}


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
        instance.add_run_tags(run.run_id, self._made_from(run))
        tried_again = set()
        for event in self._within.execute(plan_context, execution_plan):
            if event.is_step_up_for_retry:
                tried_again.add(event.step_key)
            if event.is_step_failure and event.step_key not in tried_again and final(event):
                instance.add_run_tags(run.run_id, NO_MORE)
            yield event

    def _made_from(self, run: dg.DagsterRun) -> dict[str, str]:
        """Tags that say of a run of everything that it is one, and what it is made from where that is known.

        A run that the schedule started has them, and a retry those of the run before it.
        """
        known = any(name.startswith(TAG) for name in run.tags)
        if known or not (is_whole(run) or (run.asset_selection or set()) >= self._whole):
            return {}
        try:
            return {WHOLE_TAG: "true"} | input_tags(read_inputs(self._settings))
        except UserError:
            return {WHOLE_TAG: "true"}


def one_process(settings: Settings, whole: Set[dg.AssetKey]) -> dg.ExecutorDefinition:
    """What runs the jobs: three trivial assets took 6 s in one process and 30 s in many."""
    within = dg.in_process_executor
    make = within.executor_creation_fn
    assert make is not None

    def noting(context: dg.InitExecutorContext) -> dg.Executor:
        return OneProcess(make(context), settings, whole)

    schema = within.config_schema.config_type
    return dg.ExecutorDefinition(within.name, config_schema=schema, executor_creation_fn=noting)
