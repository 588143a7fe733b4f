"""What a run does when what it stands on goes away: it finishes, or fails so that a retry finishes."""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from glob import glob  # unlike Path.glob, it minds no folder that is removed meanwhile
from pathlib import Path
from typing import Any

import pytest

from assets.resources import Home, Source
from serving.state.storage import Store
from tests.scale.conftest import make_tables
from tests.scale.runs import assert_tables_of, finish, on_servers, start, when_published
from tests.scale.servers import Postgres, Server, s3_server
from tests.scale.test_spark_tables import assert_equal_tables, spark_home

pytestmark = pytest.mark.timeout(1800)
AWAY_S = 30


def executors() -> list[int]:
    """The processes of Spark's executors that this process has started."""
    listed = subprocess.run(
        ["ps", "-eww", "-o", "pid,ppid,args"], capture_output=True, text=True, check=True
    ).stdout
    rows = [line.split(None, 2) for line in listed.splitlines()[1:]]
    parents = {int(pid): int(parent) for pid, parent, _ in rows}

    def ours(pid: int) -> bool:
        while pid in parents:
            pid = parents[pid]
            if pid == os.getpid():
                return True
        return False

    return [int(pid) for pid, _, args in rows if "CoarseGrainedExecutorBackend" in args and ours(int(pid))]


def test_losing_an_executor_changes_no_table(tmp_path: Path, spark_master: str) -> None:
    from pyspark.sql import SparkSession

    if (active := SparkSession.getActiveSession()) is not None:
        active.stop()
    source = Source(sample_size="tiny")
    plain = Home(path=str(tmp_path / "duckdb"))
    assert make_tables(plain, source, checks=False).success
    home = spark_home(tmp_path / "spark", "local-cluster[2,1,1024]")
    killed: list[int] = []

    def kill_one() -> None:
        deadline = time.monotonic() + 300
        while time.monotonic() < deadline and not killed:
            scratch = glob(f"{tmp_path}/spark/lake/spill/*/*/part-*")  # noqa: PTH207
            running = executors()
            if scratch and len(running) == 2:  # something is kept already, and more is to come
                os.kill(running[0], signal.SIGKILL)
                killed.append(running[0])
            time.sleep(0.1)

    killer = threading.Thread(target=kill_one, daemon=True)
    killer.start()
    result = make_tables(home, source, checks=False)
    killer.join()
    SparkSession.getActiveSession().stop()
    assert killed, "an executor was lost while the tables were made"
    assert result.success
    assert_equal_tables(plain.lake(), home.lake())


def disturbed(
    environment: dict[str, str],
    store: Store,
    table: str,
    away: Callable[[], Any],
    undisturbed: Home,
    home: Home,
) -> list[int]:
    """Take something away in the middle of a run; the statuses of the run and of its retry, if any."""
    process = start(environment)
    when_published(store, table, process, away)
    statuses, output = [], ""
    status, output = finish(process)
    statuses.append(status)
    if status != 0:
        assert " failed." in output or "Error" in output, output[-3000:]
        status, output = finish(start(environment))
        statuses.append(status)
    assert statuses[-1] == 0, output[-5000:]
    assert_tables_of(home, undisturbed)
    return statuses


@pytest.mark.parametrize("table", ["interactions", "sequences"])
def test_the_object_store_away_for_30_seconds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, postgres: Postgres, tiny_run, table: str
) -> None:
    with s3_server() as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        address = f"s3://nextplay/{table}"
        environment = on_servers(tmp_path / "home", address, server, postgres, f"{tmp_path.name}-{table}")
        elsewhere = Home(path=str(tmp_path / "elsewhere"), lake_address=address)
        statuses = disturbed(
            environment, Store(address), table, lambda: server.away(AWAY_S), tiny_run.home, elsewhere
        )
    assert statuses == [0], "the store's absence is waited for"


@pytest.mark.parametrize("table", ["interactions", "sequences"])
def test_the_database_away_for_30_seconds(
    tmp_path: Path, s3: str, s3_process: Server, tiny_run, table: str
) -> None:
    server = Postgres(Path("/tmp") / f"nextplay-{table}-{time.time_ns()}")
    server.create()
    try:
        environment = on_servers(tmp_path / "home", s3, s3_process, server, f"{tmp_path.name}-{table}")
        elsewhere = Home(path=str(tmp_path / "elsewhere"), lake_address=s3)
        disturbed(environment, Store(s3), table, lambda: server.away(AWAY_S), tiny_run.home, elsewhere)
    finally:
        server.stop()
