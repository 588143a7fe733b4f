"""Ctrl-C while a run waits for another one."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from filelock import FileLock


@pytest.mark.slow
def test_a_run_that_waits_is_interrupted_and_recorded_as_that(tmp_path: Path) -> None:
    names = {"NEXTPLAY_HOME": str(tmp_path), "NEXTPLAY_SAMPLE_SIZE": "tiny"}
    names |= {"DAGSTER_HOME": "", "BENTOML_HOME": ""}  # those of the home
    environment = os.environ | names
    with FileLock(tmp_path / "run.lock"):
        run = subprocess.Popen(
            [sys.executable, "-m", "pipelines.run"], env=environment, stderr=subprocess.PIPE, text=True
        )
        assert run.stderr is not None
        before = [line for line in iter(run.stderr.readline, "") if "waiting for it" not in line or stop(run)]
        assert run.wait(60) == 130
    assert before[-1] == "The run was interrupted. The next one goes on from here.\n"
    command = [sys.executable, "-m", "pipelines.operator.cli", "status"]
    page = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    assert "The last run was interrupted. The next run goes on from there." in page
    assert "Last run  interrupted" in page and "unexpectedly" not in page


def stop(run: "subprocess.Popen[str]") -> bool:
    run.send_signal(signal.SIGINT)
    return False
