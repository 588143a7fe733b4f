"""What Dagster's daemon loads in tests of runs that hang or die: jobs that hold the home's lock."""

import os
import signal
import time
from pathlib import Path

import dagster as dg

from assets.resources import Home
from assets.state import given_up
from pipelines.sensors import killed_runs

FOLDER = Path(os.environ["NEXTPLAY_HOME"])
given_up.LOOK_EVERY_S, given_up.GRACE_S = 1.0, 2.0


def wait_for(name: str) -> None:
    (FOLDER / "at-work").touch()
    while not (FOLDER / name).exists():
        time.sleep(0.1)


@dg.op(pool="lake")
def hang(home: Home) -> None:
    """For ever, as a disk that does not answer would."""
    wait_for("never")


@dg.op(pool="lake")
def hang_deaf(home: Home) -> None:
    """For ever, and deaf: in a library that gives no signal to the interpreter."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    (FOLDER / "at-work").touch()
    time.sleep(1e6)


@dg.op(pool="lake")
def hold(home: Home) -> None:
    wait_for("let-go")


@dg.op(pool="lake")
def work(home: Home) -> None:
    (FOLDER / "worked").touch()


@dg.job(executor_def=dg.in_process_executor)
def hanging() -> None:
    hang()


@dg.job(executor_def=dg.in_process_executor)
def hanging_deaf() -> None:
    hang_deaf()


@dg.job(executor_def=dg.in_process_executor)
def holding() -> None:
    hold()


@dg.job(executor_def=dg.in_process_executor)
def working() -> None:
    work()


defs = dg.Definitions(
    jobs=[hanging, hanging_deaf, holding, working],
    sensors=[killed_runs(FOLDER)],
    resources={"home": Home(path=str(FOLDER))},
)
