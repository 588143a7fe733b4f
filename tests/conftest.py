"""What is dear to make, once for all workers: a run of the whole pipeline, a store of MLflow.

The project is imported where it is used: the process that hands the tests to workers runs none.
"""

import gc
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hypothesis
import pytest

from tests.support.once import made_once

if TYPE_CHECKING:
    from alembic.config import Config

    from assets.resources import Home
    from tests.support.runs import FinishedRun

hypothesis.settings.register_profile("untimed", deadline=None)  # the machine may be busy
hypothesis.settings.load_profile("untimed")
gc.set_threshold(10_000, 20, 20)  # with Python's 700, 10, 10 one of twenty seconds is the collector's

EXIT_STATUS = pytest.StashKey[int]()


@pytest.fixture(scope="session", autouse=True)
def _migrations_are_read_once() -> Iterator[None]:
    """Dagster and MLflow read all files of their migrations whenever a store is opened: 30 ms each time."""
    from alembic.script import ScriptDirectory

    read, known = ScriptDirectory.from_config, dict[str | None, ScriptDirectory]()

    def from_config(config: "Config") -> ScriptDirectory:
        place = config.get_main_option("script_location")
        if place not in known:
            known[place] = read(config)
        return known[place]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ScriptDirectory, "from_config", from_config)
        yield


@pytest.fixture(scope="session", autouse=True)
def _schemas_are_inferred_once() -> Iterator[None]:
    """Dagster infers the schemas of all resources whenever a step begins: a tenth of a small run."""
    from dagster._config.pythonic_config import config, resource

    infer, known = config.infer_schema_from_config_class, dict[tuple[Any, ...], Any]()

    def inferred(
        model: type,
        description: str | None = None,
        fields_to_omit: set[str] | None = None,
        default: Any = None,
    ) -> Any:
        if default is not None:
            return infer(model, description, fields_to_omit, default)
        asked = (model, description, frozenset(fields_to_omit or ()))
        if asked not in known:
            known[asked] = infer(model, description, fields_to_omit)
        return known[asked]

    with pytest.MonkeyPatch.context() as patch:
        for module in (config, resource):
            patch.setattr(module, "infer_schema_from_config_class", inferred)
        yield


@pytest.fixture(scope="session", autouse=True)
def _events_in_memory_have_one_connection() -> Iterator[None]:
    """Dagster connects anew for each event and each question, a hundred and more times a small run."""
    from dagster._core.storage.event_log.in_memory import InMemoryEventLogStorage

    begin, connect_anew = InMemoryEventLogStorage.__init__, InMemoryEventLogStorage._connect

    def init(self: Any, *given: Any, **named: Any) -> None:
        begin(self, *given, **named)
        self.made_in = threading.get_ident()
        self._held_conn.exec_driver_sql("PRAGMA foreign_keys=ON")
        self._held_conn.commit()

    @contextmanager
    def connect(self: Any) -> Iterator[Any]:
        if threading.get_ident() != getattr(self, "made_in", None):
            with connect_anew(self) as connection:
                yield connection
        else:
            with self._db_lock, self._held_conn.begin():
                yield self._held_conn

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(InMemoryEventLogStorage, "__init__", init)
        patch.setattr(InMemoryEventLogStorage, "_connect", connect)
        yield


@pytest.fixture(scope="session", autouse=True)
def _what_can_be_exported_is_listed_once() -> Iterator[None]:
    """PyTorch lists all operators of ONNX anew for each export: a quarter of the time of a small one."""
    if "models.training.export" not in sys.modules:  # no test of this session exports
        yield
        return
    from torch.onnx._internal.exporter._registration import ONNXRegistry

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ONNXRegistry, "from_torchlib", staticmethod(cache(ONNXRegistry.from_torchlib)))
        yield


@pytest.fixture(scope="session")
def tiny_run(tmp_path_factory: pytest.TempPathFactory) -> "FinishedRun":
    """For reading alone: all workers share it."""
    from tests.support.runs import finished_run, run_in

    return finished_run(made_once(tmp_path_factory, "tiny", run_in))


@pytest.fixture
def home(tiny_run: "FinishedRun", tmp_path: Path) -> "Home":
    """A copy of the finished home that a test may change; it is who the home is that it is of."""
    from assets.resources import Home
    from assets.state.home_id import HOME_FILE

    folder = Path(shutil.copytree(tiny_run.home.path, tmp_path / "home"))
    named = json.loads((folder / HOME_FILE).read_text(encoding="utf-8"))
    (folder / HOME_FILE).write_text(json.dumps(named | {"place": str(folder)}), encoding="utf-8")
    return Home(path=str(folder))


@pytest.fixture
def empty_home(tmp_path: Path) -> "Home":
    from assets.resources import Home

    return Home(path=str(tmp_path / "home"))


@pytest.fixture
def mlflow_folder(tmp_path_factory: pytest.TempPathFactory, tmp_path: Path) -> Path:
    """A folder with an empty store of MLflow, whose migrations ran once for all tests."""
    from assets.tracking.mlflow_store import prepare

    made = made_once(tmp_path_factory, "mlflow", lambda folder: prepare(folder / "mlflow.db"))
    shutil.copy(made / "mlflow.db", tmp_path)
    return tmp_path


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


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the run of the whole pipeline: one worker makes it, while the others do what needs none."""
    makers = [item.path for item in items if "tiny_run" in getattr(item, "fixturenames", ())]
    items.sort(key=lambda item: 0 if item.path in makers[:1] else 1 + (item.path in makers))


def pytest_collection_finish(session: pytest.Session) -> None:
    """What was imported stays to the end: the garbage collector need not look at it again and again."""
    gc.collect()
    gc.freeze()


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    session.config.stash[EXIT_STATUS] = int(exitstatus)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """Leave without tearing the interpreter down: DuckDB would list every object that ibis still holds."""
    if EXIT_STATUS in config.stash:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(config.stash[EXIT_STATUS])
