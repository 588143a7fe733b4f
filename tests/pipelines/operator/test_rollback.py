"""A rollback that has to wait for a run takes no champion back that nobody saw when it was asked for."""

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import pytest

from assets.resources import Home
from pipelines.definitions import define
from pipelines.operator.cli import answer
from pipelines.resources import Settings
from serving.state.pointer import Pointer, read_pointer

REFUSED = "Nothing is rolled back, for the champion has changed"
NEW = "1" * 64


def job(home: Home) -> dg.ExecuteInProcessResult:
    definition = define(Settings(home=Path(home.path))).resolve_job_def("rollback")
    with dg.DagsterInstance.ephemeral() as instance:
        return definition.execute_in_process(instance=instance, raise_on_error=False)


def set_champion_while_waiting(
    home: Home, ask: Callable[[], object], caplog: pytest.LogCaptureFixture
) -> None:
    """A run works in the home while somebody asks, and sets another champion before it ends."""
    thread = threading.Thread(target=ask)
    with caplog.at_level(logging.WARNING), home.locked():
        thread.start()
        while "Another run works in" not in caplog.text and thread.is_alive():
            time.sleep(0.01)
        now = read_pointer(home.pointer_file)
        folder = str(now.folder(home.pointer_file))
        home.champions().crown(Pointer(folder, now.version, NEW, time.time()), {})
    thread.join(timeout=60)


def test_the_command_says_so_and_changes_nothing(
    home: Home, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    first = read_pointer(home.pointer_file).bundle_hash
    set_champion_while_waiting(home, lambda: answer(["rollback"]), caplog)
    assert REFUSED in capsys.readouterr().err
    assert read_pointer(home.pointer_file).bundle_hash == NEW
    assert answer(["rollback"]) == 0  # asked for again
    assert read_pointer(home.pointer_file).bundle_hash == first


def test_so_does_the_job(home: Home, caplog: pytest.LogCaptureFixture) -> None:
    results: list[dg.ExecuteInProcessResult] = []
    set_champion_while_waiting(home, lambda: results.append(job(home)), caplog)
    (event,) = (event for event in results[0].all_events if event.is_step_failure)
    assert REFUSED in event.step_failure_data.user_failure_data.description
    assert read_pointer(home.pointer_file).bundle_hash == NEW
    assert job(home).success
