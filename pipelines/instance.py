"""Dagster's own records, in the folder that DAGSTER_HOME names."""

import errno
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
from filelock import FileLock, Timeout

from assets.resources import Shared
from models.mistakes import UserError

POOLS = ("lake", "training")
WITHOUT_LOCK = (
    "simulation",
    "as_served",
    "status",
    "backup",
)  # jobs that work without the home's lock, at times
UNFINISHED = [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]
GRACE_S = 5.0  # between two looks at the lock; a live run that waits for it looks twenty times a second
KILLED = (
    "Its process ended without recording it, for nobody holds the lock of the home; what it published is "
    "whole, and the next run goes on from there."
)


class InstanceError(UserError):
    """Dagster has no place for its records."""


def open_instance() -> dg.DagsterInstance:
    """The instance, its databases made where they are missing: by one process at a time.

    Dagster makes them in many commits, and of two processes that do so at once one fails. Raises
    InstanceError where DAGSTER_HOME is no folder.
    """
    named = os.environ.get("DAGSTER_HOME", "")
    folder = Path(named)
    if not (folder.is_absolute() and folder.is_dir()):
        raise InstanceError(
            f"DAGSTER_HOME={named} must be the absolute path of a folder that is there: make it, or unset "
            "DAGSTER_HOME, and nextplay keeps Dagster's records in its own home."
        )
    with _one_at_a_time(folder):
        return dg.DagsterInstance.get()


@contextmanager
def _one_at_a_time(folder: Path) -> Iterator[None]:
    """Hold the lock of Dagster's folder; where the folder is read-only, nobody makes databases in it."""
    lock = FileLock(folder / "instance.lock")
    try:
        lock.acquire()
    except OSError as error:
        if error.errno not in (errno.EROFS, errno.EACCES, errno.EPERM):
            raise
        yield
        return
    try:
        yield
    finally:
        lock.release()


def prepare_instance() -> None:
    """Make its databases and pools, for programs that open the instance without asking here.

    Dagster's queue makes a pool after it has read which ones there are, and so lets all runs go that wait
    when it first sees one.
    """
    with open_instance() as instance:
        fail_killed_runs(instance, Path(os.environ.get("NEXTPLAY_HOME") or "var"))
        for pool in POOLS:
            instance.event_log_storage.initialize_concurrency_limit_to_default(pool)


def fail_killed_runs(instance: dg.DagsterInstance, home: Path, grace_s: float = GRACE_S) -> list[str]:
    """Record as failed the runs that were killed before they could, and return their ids.

    Dagster's queue would wait for them for hours. Whoever works in a home holds its lock, or waits for it: a
    run is dead that counts as under way while the lock is free, and still does when it is free once more some
    time later. One that waits would have taken it meanwhile, and one that has just released it would have
    recorded its end. Records that are not this home's own are left alone.
    """
    with _killed(instance, home, grace_s) as dead:
        for run in dead:
            instance.report_run_failed(run, KILLED)
        return [run.run_id for run in dead]


def killed_runs(instance: dg.DagsterInstance, home: Path, grace_s: float = 1.0) -> list[str]:
    """The ids of runs that were killed, as `fail_killed_runs` finds them; their records stay as they are."""
    with _killed(instance, home, grace_s) as dead:
        return [run.run_id for run in dead]


@contextmanager
def _killed(instance: dg.DagsterInstance, home: Path, grace_s: float) -> Iterator[list[dg.DagsterRun]]:
    """The runs that were killed, while no other can start."""
    own = home.resolve() / "dagster" == Path(instance.root_directory).resolve() and not _shared()
    suspects = _unfinished(instance) if own else {}
    if not suspects or not _is_free(home):
        yield []
        return
    time.sleep(grace_s)
    lock = FileLock(home / "run.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        yield []
        return
    try:
        yield [run for run_id, run in _unfinished(instance).items() if run_id in suspects]
    finally:
        lock.release()


def _unfinished(instance: dg.DagsterInstance) -> dict[str, dg.DagsterRun]:
    runs = instance.get_runs(dg.RunsFilter(statuses=UNFINISHED))
    return {run.run_id: run for run in runs if run.job_name not in WITHOUT_LOCK}


def _is_free(home: Path) -> bool:
    try:
        with FileLock(home / "run.lock", timeout=0):
            return True
    except Timeout:
        return False


def _shared() -> bool:
    """Whether other machines record their runs in the same place: their locks are not seen here."""
    return Shared().dagster_database is not None
