"""Dagster's own records, in the folder that DAGSTER_HOME names."""

import os
from contextlib import nullcontext
from pathlib import Path

import dagster as dg
from filelock import FileLock

POOLS = ("lake", "training")


def open_instance() -> dg.DagsterInstance:
    """The instance, its databases made where they are missing: by one process at a time.

    Dagster makes them in many commits, and of two processes that do so at once one fails. Raises Dagster's
    own error where DAGSTER_HOME is no folder.
    """
    folder = Path(os.environ.get("DAGSTER_HOME", ""))
    with FileLock(folder / "instance.lock") if folder.is_absolute() and folder.is_dir() else nullcontext():
        return dg.DagsterInstance.get()


def prepare_instance() -> None:
    """Make its databases and pools, for programs that open the instance without asking here.

    Dagster's queue makes a pool after it has read which ones there are, and so lets all runs go that wait
    when it first sees one.
    """
    with open_instance() as instance:
        for pool in POOLS:
            instance.event_log_storage.initialize_concurrency_limit_to_default(pool)


if __name__ == "__main__":
    prepare_instance()
