"""`dagster.yaml` on a real instance: it loads, and one run at a time gets a pool."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import dagster as dg
import pytest

from pipelines.definitions import define
from pipelines.instance import POOLS
from pipelines.resources import Settings

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def dagster_home(tmp_path: Path) -> Path:
    shutil.copy(ROOT / "pipelines" / "dagster.yaml", tmp_path)
    return tmp_path


def test_the_instance_queues_limits_retries_and_watches(dagster_home: Path) -> None:
    with dg.DagsterInstance.from_config(str(dagster_home)) as instance:
        limits = instance.get_concurrency_config()
        assert limits.pool_config.default_pool_limit == 1
        assert limits.pool_config.pool_granularity.value == "run"
        assert limits.run_queue_config.max_concurrent_runs == 4
        assert type(instance.run_coordinator).__name__ == "QueuedRunCoordinator"
        assert instance.run_monitoring_enabled and instance.run_monitoring_start_timeout_seconds == 300
        assert instance.run_retries_enabled and instance.run_retries_max_retries == 2
        assert not instance.telemetry_enabled and not instance.nux_enabled


def test_whatever_writes_is_in_a_pool() -> None:
    definitions = define(Settings())
    pools = {
        asset.op.name: asset.op.pool
        for asset in definitions.resolve_asset_graph().assets_defs
        if asset.is_executable and asset.keys and not isinstance(asset, dg.AssetChecksDefinition)
    }
    assert set(pools.values()) == set(POOLS)
    assert {"clean", "networks", "gate", "promotion", "retention"} <= set(pools)
    for name, pool in pools.items():
        assert pool == ("training" if name in ("networks", "baselines", "blend", "refit") else "lake"), name
    for job in ("promote", "rollback", "prune"):
        (node,) = definitions.resolve_job_def(job).nodes
        assert node.definition.pool == "lake", job


@pytest.mark.parametrize(
    ("job", "config"), [("rollback", {}), ("promote", {"version": "3", "by": "", "reason": ""})]
)
def test_a_change_of_champion_that_failed_is_not_tried_again(
    dagster_home: Path, tmp_path: Path, job: str, config: dict[str, str]
) -> None:
    definition = define(Settings(home=tmp_path / "home")).resolve_job_def(job)
    (op,) = definition.nodes
    run_config = {"ops": {op.name: {"config": config}}} if config else {}
    with dg.DagsterInstance.from_config(str(dagster_home)) as instance:
        result = definition.execute_in_process(run_config, instance=instance, raise_on_error=False)
        assert not result.success
        assert instance.get_run_by_id(result.run_id).tags["dagster/will_retry"] == "false"


WAITERS = """
import time
from pathlib import Path

import dagster as dg

LOOKED = Path(__file__).with_name("looked")

@dg.op(pool="lake")
def write():
    until = time.monotonic() + 150
    while not LOOKED.exists():
        assert time.monotonic() < until, "the look has not come"
        time.sleep(0.1)

@dg.op
def look(): LOOKED.touch()

@dg.job(executor_def=dg.in_process_executor)
def writing(): write()

@dg.job(executor_def=dg.in_process_executor)
def looking(): look()

defs = dg.Definitions(jobs=[writing, looking])
"""


@pytest.mark.slow
def test_one_run_at_a_time_gets_a_pool(dagster_home: Path) -> None:
    """The first to write holds the pool until the look is done, however slow the machine is."""
    code = dagster_home / "waiters.py"
    code.write_text(WAITERS)
    environment = os.environ | {"DAGSTER_HOME": str(dagster_home)}
    dagster = [sys.executable, "-m", "dagster"]
    preparing = "from pipelines.instance import prepare_instance; prepare_instance()"
    subprocess.run([sys.executable, "-c", preparing], env=environment, cwd=ROOT, check=True)
    with (dagster_home / "daemon.log").open("w") as log:
        daemon = subprocess.Popen(
            [sys.executable, "-m", "dagster._daemon", "run", "-f", str(code)],
            env=environment, stdout=log, stderr=log,
        )  # fmt: skip
        try:
            for job in ("writing", "writing", "looking"):
                launch = [*dagster, "job", "launch", "-f", str(code), "-j", job]
                subprocess.run(launch, env=environment, check=True, capture_output=True, timeout=120)
            with dg.DagsterInstance.from_config(str(dagster_home)) as instance:
                records = finished(instance, 3)
        finally:
            daemon.terminate()
            daemon.wait(timeout=60)
    assert {r.dagster_run.status.value for r in records} == {"SUCCESS"}
    writing = sorted((r.start_time, r.end_time) for r in records if r.dagster_run.job_name == "writing")
    looking = next((r.start_time, r.end_time) for r in records if r.dagster_run.job_name == "looking")
    assert writing[0][1] <= writing[1][0]  # the second writer waited for the first
    assert looking[0] < writing[0][1]  # and the look did not wait for the first


def finished(instance: dg.DagsterInstance, count: int) -> list[dg.RunRecord]:
    for _ in range(200):
        records = list(instance.get_run_records())
        if len(records) == count and all(r.end_time for r in records):
            return records
        time.sleep(1)
    raise AssertionError([r.dagster_run.status for r in records])


OPENING = """
import sys
from pipelines.instance import open_instance
print("ready", flush=True)
sys.stdin.readline()
open_instance().dispose()
"""


@pytest.mark.slow
def test_processes_that_open_a_new_home_at_once_all_succeed(dagster_home: Path) -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", OPENING], env=os.environ | {"DAGSTER_HOME": str(dagster_home)}, cwd=ROOT,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for _ in range(4)
    ]  # fmt: skip
    for process in processes:
        assert process.stdout and process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin
        process.stdin.write("go\n")
        process.stdin.flush()
    told = [process.communicate(timeout=60)[1] for process in processes]
    assert [process.returncode for process in processes] == [0] * len(processes), "".join(told)
