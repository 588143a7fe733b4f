"""Dagster's records of old runs: which of them may go, and their removal with what Dagster leaves of them.

Dagster keeps every run for ever. Its `delete_run` takes rows alone: in SQLite the file of a run's events is
as large as before, and results of checks and what steps printed stay wherever they are. With the events of a
run goes what Dagster knows of the assets that it made. So what is the newest of its kind stays, however old
it is.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
from dagster._core.storage.compute_log_manager import ComputeIOType
from dagster._core.storage.event_log import SqlEventLogStorage, SqliteEventLogStorage
from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable
from dagster._core.storage.local_compute_log_manager import IO_TYPE_EXTENSION, LocalComputeLogManager
from sqlalchemy import func, select

from assets.feedback import events
from assets.resources import Home, Shared

WHOLE_TAG = "nextplay/whole"  # of a run of some assets that makes all of them
SEARCHED = 100  # runs of a job: status, the page of nights and the schedule look no further back
AT_ONCE = 200  # runs: removing one takes up to a second, and each night goes on
ENDED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]
NOT_ENDED = [status for status in dg.DagsterRunStatus if status not in ENDED]
RUN_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def old_runs(instance: dg.DagsterInstance, home: Home, days: int) -> list[str]:
    """The ids of runs whose records may go, at most `AT_ONCE`; of `days` 0, none.

    They have ended, began more than `days` ago, and nothing reads them any more. After them come ids of
    which some files are left although the run itself was deleted. Records in a place that is not this home's
    own may be somebody else's, and stay.
    """
    if not (days and _are_ours(instance, home)):
        return []
    before = datetime.now(UTC) - timedelta(days=days)
    wanted = dg.RunsFilter(statuses=ENDED, created_before=before)
    old = [record.dagster_run for record in instance.get_run_records(wanted, ascending=True)]
    kept = _kept(instance, {run.job_name for run in old}) if old else set[str]()
    found = [run.run_id for run in old if run.run_id not in kept]
    return [*found, *_left_over(instance, before)][:AT_ONCE]


def remove_runs(instance: dg.DagsterInstance, runs: Sequence[str]) -> None:
    """Remove all that Dagster keeps of ended runs, and the days that nobody else has received events on.

    Files go last: if it is killed, they tell of what is left.
    """
    if not runs:
        return
    _remove_checks(instance, runs)
    days = instance.get_materialized_partitions(events.received_events.key)
    for run in runs:
        instance.delete_run(run)
        for file in _event_files(instance, run):
            file.unlink(missing_ok=True)
        instance.compute_log_manager.delete_logs(prefix=[run])
    for day in days - instance.get_materialized_partitions(events.received_events.key):
        instance.delete_dynamic_partition(events.RECEIVED_DAYS, day)  # else the UI would call it missing


def records_size(instance: dg.DagsterInstance, runs: Iterable[str]) -> int:
    """Bytes of the files of runs; what a database of all runs holds of them counts nothing."""
    files = (file for run in runs for file in [*_event_files(instance, run), *_logs(instance, run)])
    return sum(file.stat().st_size for file in files)


def _are_ours(instance: dg.DagsterInstance, home: Home) -> bool:
    """Whether nothing but this project records its runs there: in the home, or in a database for it."""
    inside = Path(instance.root_directory).resolve() == (home.folder() / "dagster").resolve()
    return inside or (not instance.is_ephemeral and Shared().dagster_database is not None)


def _kept(instance: dg.DagsterInstance, jobs: Collection[str]) -> set[str]:
    """Old runs that are still read: the newest of their jobs, assets and checks, and what a retry goes on
    from."""
    newest: set[str | None] = set()
    for job in jobs:
        newest.update(_newest(instance, dg.RunsFilter(job_name=job)))
        newest.update(_newest(instance, dg.RunsFilter(job_name=job, statuses=[dg.DagsterRunStatus.SUCCESS])))
    whole = {WHOLE_TAG: "true"}
    newest.update(_newest(instance, dg.RunsFilter(tags=whole)))
    newest.update(_newest(instance, dg.RunsFilter(tags=whole, statuses=[dg.DagsterRunStatus.SUCCESS])))
    for asset in instance.get_asset_records():
        made = asset.asset_entry.last_materialization_record
        newest |= {asset.asset_entry.last_run_id, made.run_id if made else None}
    for run in instance.get_runs(dg.RunsFilter(statuses=NOT_ENDED)):
        newest |= {run.parent_run_id, run.root_run_id}
    return {run for run in newest | _newest_of_checks(instance) if run}


def _newest(instance: dg.DagsterInstance, some: dg.RunsFilter) -> Sequence[str]:
    return instance.get_run_ids(some, limit=SEARCHED)


def _newest_of_checks(instance: dg.DagsterInstance) -> set[str | None]:
    table = AssetCheckExecutionsTable.c
    newest = select(func.max(table.id)).group_by(table.asset_key, table.check_name)
    with _storage(instance).index_connection() as connection:
        return {run for (run,) in connection.execute(select(table.run_id).where(table.id.in_(newest)))}


def _remove_checks(instance: dg.DagsterInstance, runs: Sequence[str]) -> None:
    table = AssetCheckExecutionsTable
    with _storage(instance).index_connection() as connection:
        connection.execute(table.delete().where(table.c.run_id.in_(runs)))


def _storage(instance: dg.DagsterInstance) -> SqlEventLogStorage:
    storage = instance.event_log_storage
    assert isinstance(storage, SqlEventLogStorage)
    return storage


def _left_over(instance: dg.DagsterInstance, before: datetime) -> list[str]:
    """Ids of deleted runs, of which files have been left for as long as records stay."""
    found = {file.name.removesuffix(".db"): file for file in [*_databases(instance), *_log_folders(instance)]}
    ids = (name for name, file in found.items() if file.stat().st_mtime < before.timestamp())
    old = {name for name in ids if RUN_ID.fullmatch(name)}
    return sorted(old - set(instance.get_run_ids())) if old else []


def _event_files(instance: dg.DagsterInstance, run: str) -> list[Path]:
    """The database of a run's events, where it has one of its own, and what SQLite puts beside that."""
    return [file for database in _databases(instance, run) for file in database.parent.glob(f"{run}.db*")]


def _databases(instance: dg.DagsterInstance, run: str = "*") -> Iterator[Path]:
    storage = instance.event_log_storage
    if isinstance(storage, SqliteEventLogStorage):
        yield from Path(storage.path_for_shard(run)).parent.glob(f"{run}.db")


def _logs(instance: dg.DagsterInstance, run: str) -> Iterator[Path]:
    folder = _log_folder(instance, run)
    return (file for file in folder.rglob("*") if file.is_file()) if folder else iter(())


def _log_folders(instance: dg.DagsterInstance) -> Iterator[Path]:
    folder = _log_folder(instance, "run")
    return folder.parent.glob("*") if folder else iter(())


def _log_folder(instance: dg.DagsterInstance, run: str) -> Path | None:
    """Where the machine keeps what the steps of a run print; None where it keeps that elsewhere."""
    logs = instance.compute_log_manager
    if not isinstance(logs, LocalComputeLogManager):
        return None
    return Path(logs.get_captured_local_path([run, "step"], IO_TYPE_EXTENSION[ComputeIOType.STDOUT])).parent
