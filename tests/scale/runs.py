"""Whole runs in processes of their own, with shared state on servers that a test has started."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Set
from contextlib import suppress
from pathlib import Path
from typing import Any

from assets.resources import Home
from serving.state.storage import Store
from tests.scale.servers import Postgres, Server
from tests.scale.test_spark_tables import table_rows

ROOT = Path(__file__).parents[2]
TINY = {
    "NEXTPLAY_SAMPLE_SIZE": "tiny",
    "NEXTPLAY_TRAINING": '{"epochs": 4}',
    "NEXTPLAY_PROGRESS": "false",
    "NEXTPLAY_SPARK_CONF": '{"spark.sql.shuffle.partitions": "3", "spark.driver.memory": "2g"}',
}
LAST_TABLE = "batch_recommendations"
# What two processes draw as dropout is not what one draws.
OF_MODELS = {"leaderboard", "test_ranks", "test_recommendations", "batch_recommendations"}
OF_ONE_NIGHT = {"gate", "bento"}  # they name versions and tags, which depend on the registry


def on_servers(home: Path, address: str, s3: Server, postgres: Postgres, name: str) -> dict[str, str]:
    """What a run needs to keep nothing but scratch files in its home."""
    return s3.environment | {
        "NEXTPLAY_HOME": str(home),
        "NEXTPLAY_LAKE": address,
        "NEXTPLAY_DATABASE": postgres.address(f"{name}-nextplay"),
        "NEXTPLAY_MLFLOW_URI": postgres.address(f"{name}-mlflow"),
        "NEXTPLAY_DAGSTER_DATABASE": postgres.dagster_address(f"{name}-dagster"),
    }


def start(environment: Mapping[str, str]) -> "subprocess.Popen[str]":
    """A run of everything on the tiny sample."""
    home = Path(environment["NEXTPLAY_HOME"])
    (home / "dagster").mkdir(parents=True, exist_ok=True)
    variant = "deploy" if "NEXTPLAY_DAGSTER_DATABASE" in environment else "pipelines"
    (home / "dagster" / "dagster.yaml").write_text((ROOT / variant / "dagster.yaml").read_text())
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("NEXTPLAY_")}
    return subprocess.Popen(
        [sys.executable, "-m", "pipelines.run"], cwd=ROOT, text=True,
        env={**inherited, "DAGSTER_HOME": str(home / "dagster"), **TINY, **environment},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip


def finish(process: "subprocess.Popen[str]", seconds: float = 900) -> tuple[int, str]:
    """The exit status and what the run printed."""
    output, _ = process.communicate(timeout=seconds)
    return process.returncode, output


def when_published(
    store: Store, table: str, process: "subprocess.Popen[str]", act: Callable[[], Any]
) -> None:
    """Do something as soon as a running run has published a table."""
    while process.poll() is None:
        with suppress(json.JSONDecodeError):  # moto, unlike S3, shows what is being put
            if table in json.loads(store.read("pointer.json") or b"{}"):
                act()
                return
        time.sleep(0.1)
    raise AssertionError(f"The run ended before {table} was there: {finish(process)[1][-3000:]}")


def assert_tables_of(home: Home, undisturbed: Home, but: Set[str] = frozenset()) -> None:
    """All tables of a home, but for some, hold the rows of those of another, in their order."""
    lake, other = home.lake(), undisturbed.lake()
    tables = set(lake.published()) - OF_ONE_NIGHT
    assert LAST_TABLE in tables
    for table in sorted(tables - but):
        assert table_rows(lake, table) == table_rows(other, table), table
