"""The backup that is made and tried by itself, where NEXTPLAY_BACKUPS names a folder."""

import dagster as dg

from models.mistakes import UserError
from pipelines.operator.backups import make_backup
from pipelines.operator.operations import NO_RETRIES
from pipelines.resources import Settings, home_of

BACKUP = "backup"  # the job
WAIT_S = 4 * 3600.0  # for the night: it may take six hours, and begins two and a half before
NO_FOLDER = "NEXTPLAY_BACKUPS names no folder, so no backup is made."


def backup_job(settings: Settings) -> dg.JobDefinition:
    """Holds the home's lock while it copies, and not while it tries what it has copied."""

    @dg.op(name="back_up_and_restore_aside", description="A backup, restored aside and tried.")
    def backup_op(context: dg.OpExecutionContext) -> None:
        if settings.backups is None:
            raise dg.Failure(NO_FOLDER, allow_retries=False)
        home = home_of(settings).model_copy(update={"wait_for_other_run_s": WAIT_S})
        try:
            tried = make_backup(home, settings.backups.resolve(), settings.keep_backups)
        except UserError as error:
            raise dg.Failure(str(error), allow_retries=False) from error
        context.add_output_metadata(
            {"backup": tried.backup, "works": not tried.wrong, "told": tried.told, "bytes": tried.bytes}
        )
        if tried.wrong:
            raise dg.Failure(f"The backup {tried.told}", allow_retries=False)

    @dg.job(
        name=BACKUP,
        description="Backs the home up to NEXTPLAY_BACKUPS, restores that aside, and looks whether it works: "
        "champion, tables, events and databases.",
        executor_def=dg.in_process_executor,
        tags=NO_RETRIES,
    )
    def backup() -> None:
        backup_op()

    return backup


def weekly(settings: Settings, job: dg.JobDefinition) -> dg.ScheduleDefinition:
    """On by default, and without effect until there is a folder for backups."""

    def tick(_: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        return dg.RunRequest() if settings.backups else dg.SkipReason(NO_FOLDER)

    return dg.ScheduleDefinition(
        name="weekly",
        job=job,
        execution_fn=tick,
        cron_schedule=settings.weekly,
        execution_timezone=settings.timezone,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="A backup that is restored aside and tried, where NEXTPLAY_BACKUPS names a folder.",
    )
