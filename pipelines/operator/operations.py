"""The operator's commands as Dagster jobs: the same functions as the make targets."""

import time

import dagster as dg

from assets.release.promotion import PromotionError, champion, promote, rollback
from assets.release.retention import ELSEWHERE, plan_removals, remove
from assets.resources import Home, Retention
from pipelines.operator.status import read_status
from pipelines.operator.status_page import rendered
from pipelines.resources import Settings, home_of
from serving.state.pointer import Pointer

# A half-done rollback that is tried again goes one champion too far; a promotion is a person's decision.
NO_RETRIES = {"dagster/max_retries": "0"}


class PromoteConfig(dg.Config):
    """A registered version, and who makes it champion for which reason."""

    version: str
    by: str
    reason: str


@dg.op(
    pool="lake",
    name="set_champion",
    description="Makes a registered version the champion, once its Bento has answered.",
)
def promote_op(context: dg.OpExecutionContext, config: PromoteConfig, home: Home) -> None:
    try:
        now = promote(home, config.version, config.by, config.reason)
    except PromotionError as error:
        raise dg.Failure(str(error), allow_retries=False) from error
    _tell(context, now)
    context.log.info("The champion is version %s: %s.", now.version, now.reason)


@dg.op(pool="lake", name="set_champion_before", description="Sets the champion before this one back.")
def rollback_op(context: dg.OpExecutionContext, home: Home) -> None:
    try:
        back = rollback(home, home.champions().incumbent_at(_asked_at(context)), context.log.warning)
    except PromotionError as error:
        raise dg.Failure(str(error), allow_retries=False) from error
    _tell(context, back)
    context.log.info("The champion is version %s again.", back.version)


def _asked_at(context: dg.OpExecutionContext) -> float:
    """When the run was launched, which then waited in the queue and for the home's lock."""
    record = context.instance.get_run_record_by_id(context.run_id)
    return time.time() if record is None else record.create_timestamp.timestamp()


def _tell(context: dg.OpExecutionContext, pointer: Pointer) -> None:
    """Make the asset `champion` as young as the champion is."""
    told = {"version": pointer.version, "why": pointer.reason}
    context.log_event(dg.AssetMaterialization(champion.key, metadata=told))


@dg.job(
    name="promote",
    description="Makes a registered version the champion: say which, who decides, and why. Its Bento has to "
    "answer first.",
    executor_def=dg.in_process_executor,
    tags=NO_RETRIES,
)
def promote_job() -> None:
    promote_op()


@dg.job(
    name="rollback",
    description="Sets the champion before this one back; a running endpoint follows.",
    executor_def=dg.in_process_executor,
    tags=NO_RETRIES,
)
def rollback_job() -> None:
    rollback_op()


@dg.op(
    pool="lake",
    name="remove_what_nobody_needs",
    description="Removes what no champion and none of the last candidates needs.",
)
def prune_op(context: dg.OpExecutionContext, home: Home, retention: Retention) -> None:
    plan = plan_removals(home, retention, context.instance)
    remove(home, plan, context.instance)
    told = {"kept": ELSEWHERE} if home.lake_address else {}
    context.add_output_metadata({**told, **{kind: len(names) for kind, names in vars(plan).items()}})


@dg.job(
    name="prune",
    description="Removes what no champion and none of the last candidates needs. Each run of everything does "
    "so at its end.",
    executor_def=dg.in_process_executor,
)
def prune_job() -> None:
    prune_op()


def status_job(settings: Settings) -> dg.JobDefinition:
    """Asks without the home's lock, so that it answers while a run works."""

    @dg.op(name="tell_status", description="Who is champion and why, what is stale, sizes, the last run.")
    def status_op(context: dg.OpExecutionContext) -> None:
        status = read_status(settings, home_of(settings))
        context.log.info("%s", rendered(status, colour=False))
        context.add_output_metadata({"attention": status.attention or ["nothing"]})

    @dg.job(
        name="status",
        description="Tells who is champion and why, what is stale, how the last run went; waits for nobody.",
        executor_def=dg.in_process_executor,
    )
    def status() -> None:
        status_op()

    return status


def operations(settings: Settings) -> list[dg.JobDefinition]:
    """Every job of the operator."""
    return [promote_job, rollback_job, prune_job, status_job(settings)]
