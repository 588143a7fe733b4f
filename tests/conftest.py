"""One finished run of the whole pipeline at the `tiny` size, made once and read by many tests."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import hypothesis
import pytest

from assets.resources import Home
from pipelines.definitions import define
from pipelines.resources import Settings, resources

TINY = {"source": "sample", "sample_size": "tiny", "training": '{"epochs": 4}', "progress": False}

hypothesis.settings.register_profile("untimed", deadline=None)  # the machine may be busy
hypothesis.settings.load_profile("untimed")

EXIT_STATUS = pytest.StashKey[int]()


@dataclass(frozen=True)
class FinishedRun:
    """A home after a run, and what Dagster says of the run."""

    home: Home
    settings: Settings
    result: dg.ExecuteInProcessResult


def run_everything(settings: Settings) -> dg.ExecuteInProcessResult:
    job = define(settings).resolve_job_def("everything")
    with dg.DagsterInstance.ephemeral() as instance:
        return job.execute_in_process(instance=instance, raise_on_error=False)


def home_of(settings: Settings) -> Home:
    home = resources(settings)["home"]
    assert isinstance(home, Home)
    return home


@pytest.fixture(scope="session")
def tiny_run(tmp_path_factory: pytest.TempPathFactory) -> FinishedRun:
    settings = Settings(home=tmp_path_factory.mktemp("tiny"), **TINY)
    return FinishedRun(home_of(settings), settings, run_everything(settings))


@pytest.fixture
def copied_run(tiny_run: FinishedRun, tmp_path: Path) -> Callable[[], Home]:
    """A copy of the finished home that a test may change."""

    def copy() -> Home:
        shutil.copytree(tiny_run.home.path, tmp_path / "home")
        return Home(path=str(tmp_path / "home"))

    return copy


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 4 MB of its own; skips without the right to mount one."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(disk)], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip("mounting a small disk takes more rights")
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    session.config.stash[EXIT_STATUS] = int(exitstatus)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """Leave without tearing the interpreter down: DuckDB would list every object that ibis still holds."""
    if EXIT_STATUS in config.stash:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(config.stash[EXIT_STATUS])
