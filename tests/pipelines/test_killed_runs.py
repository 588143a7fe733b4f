"""A run that was killed is recorded as failed, one that lives is not; a closed terminal ends one in order."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import dagster as dg
import pytest
from filelock import FileLock

from pipelines.definitions import define
from pipelines.instance import WITHOUT_LOCK, fail_killed_runs
from pipelines.resources import Settings
from pipelines.sensors import killed_runs

ROOT = Path(__file__).resolve().parents[2]
WORKING = """
import os, signal, sys
import dagster as dg
from assets.resources import Home
from pipelines.instance import open_instance
from pipelines.operator.run import end_on_hangup

@dg.op(pool="lake")
def work(home: Home):
    print("works", flush=True)
    sys.stdin.readline()

@dg.job(executor_def=dg.in_process_executor)
def working():
    work()

signal.signal(signal.SIGHUP, signal.SIG_DFL)  # the tests themselves may run under nohup
end_on_hangup()
with open_instance() as instance:
    working.execute_in_process(
        instance=instance, resources={"home": Home(path=os.environ["NEXTPLAY_HOME"])}, raise_on_error=False
    )
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "dagster").mkdir()
    return tmp_path


@pytest.fixture
def instance(home: Path) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.from_config(str(home / "dagster")) as made:
        yield made


@pytest.fixture
def start(home: Path) -> Iterator[Callable[[], "subprocess.Popen[str]"]]:
    """Starts a run in a process of its own, which works until it reads a line."""
    environment = os.environ | {"NEXTPLAY_HOME": str(home), "DAGSTER_HOME": str(home / "dagster")}
    started = []

    def begin() -> "subprocess.Popen[str]":
        started.append(
            subprocess.Popen(
                [sys.executable, "-c", WORKING],
                env=environment,
                cwd=ROOT,
                text=True,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
        )
        return started[-1]

    yield begin
    for process in started:
        process.kill()
        process.wait()


def status(instance: dg.DagsterInstance) -> dg.DagsterRunStatus | None:
    (run,) = instance.get_runs() or [None]
    return run and run.status


def wait_until_started(instance: dg.DagsterInstance) -> None:
    until = time.monotonic() + 60
    while status(instance) != dg.DagsterRunStatus.STARTED:
        assert time.monotonic() < until
        time.sleep(0.05)


def test_a_killed_run_is_recorded_as_failed_with_a_sentence(home, instance, start) -> None:
    process = start()
    assert process.stdout.readline() == "works\n"
    assert fail_killed_runs(instance, home, grace_s=0.1) == []  # it holds the lock
    process.kill()
    process.wait()
    assert status(instance) == dg.DagsterRunStatus.STARTED
    (found,) = fail_killed_runs(instance, home, grace_s=0.1)
    assert status(instance) == dg.DagsterRunStatus.FAILURE
    (event,) = instance.all_logs(found, of_type=dg.DagsterEventType.RUN_FAILURE)
    assert "Its process ended without recording it" in event.dagster_event.message
    assert fail_killed_runs(instance, home, grace_s=0.1) == []


@pytest.mark.slow
def test_a_run_that_waits_for_the_lock_is_none_that_was_killed(home, instance, start) -> None:
    lock = FileLock(home / "run.lock")
    with lock:
        process = start()
        wait_until_started(instance)
        time.sleep(1)  # until it waits
    assert fail_killed_runs(instance, home, grace_s=1) == []
    assert process.stdout.readline() == "works\n"
    process.communicate("go on\n", timeout=60)
    assert status(instance) == dg.DagsterRunStatus.SUCCESS


@dg.op
def nothing() -> None:
    pass


def record(instance: dg.DagsterInstance, name: str) -> None:
    """A run that counts as under way."""

    @dg.job(name=name)
    def job() -> None:
        nothing()

    instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED)


def test_runs_that_hold_no_lock_and_those_of_another_home_are_left_alone(home, instance, tmp_path) -> None:
    for name in WITHOUT_LOCK:
        record(instance, name)
    assert fail_killed_runs(instance, home, grace_s=0) == []
    record(instance, "everything")
    assert fail_killed_runs(instance, tmp_path / "other", grace_s=0) == []
    assert len(fail_killed_runs(instance, home, grace_s=0)) == 1


def test_records_that_machines_share_are_left_alone(home, instance, monkeypatch) -> None:
    record(instance, "everything")
    monkeypatch.setenv("NEXTPLAY_DAGSTER_DATABASE", "postgresql://nowhere/dagster")
    assert fail_killed_runs(instance, home, grace_s=0) == []


def test_what_may_count_as_killed_holds_the_homes_lock() -> None:
    definitions = define(Settings())
    for job in definitions.resolve_all_job_defs():
        needed = {key for node in job.all_node_defs for key in node.required_resource_keys}
        assert ("home" in needed) == (job.name not in WITHOUT_LOCK), job.name
    for asset in definitions.resolve_asset_graph().assets_defs:
        if asset.is_executable:  # by itself, too: "Materialize selected"
            assert "home" in asset.required_resource_keys, asset.key


def test_the_sensor_tells_what_it_found(home, instance) -> None:
    sensor = killed_runs(home, grace_s=0)

    def look() -> str:
        return sensor.evaluate_tick(dg.build_sensor_context(instance=instance)).skip_message

    assert look() == "No run was killed."
    record(instance, "everything")
    (run,) = instance.get_runs()
    assert look() == f"Killed: {run.run_id}."
    assert status(instance) == dg.DagsterRunStatus.FAILURE


@pytest.mark.slow
def test_a_closed_terminal_ends_a_run_as_sigterm_does(instance, start) -> None:
    process = start()
    assert process.stdout.readline() == "works\n"
    process.send_signal(signal.SIGHUP)
    process.wait(timeout=60)
    assert status(instance) == dg.DagsterRunStatus.FAILURE
