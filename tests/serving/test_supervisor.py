"""A module that is run under a watch ends with whoever started it; see tests/faults for whole endpoints."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SLEEPER = """
import os, sys, time
from pathlib import Path
Path(sys.argv[1]).write_text(str(os.getpid()))
time.sleep(600)
"""
STARTER = """
import subprocess, sys
subprocess.run([sys.executable, "-m", "serving.supervisor", "sleeper", sys.argv[1]])
"""


@pytest.mark.skipif(not Path("/proc").exists(), reason="processes are looked for in /proc")
def test_what_is_run_by_it_ends_with_the_process_that_was_killed(tmp_path: Path) -> None:
    (tmp_path / "sleeper.py").write_text(SLEEPER)
    started = tmp_path / "started"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(tmp_path)])}
    with subprocess.Popen([sys.executable, "-c", STARTER, str(started)], env=environment) as starter:
        wait_for(lambda: started.exists() and started.read_text() != "")
        sleeper = Path("/proc") / started.read_text()
        assert sleeper.exists()
        starter.kill()
    wait_for(lambda: not sleeper.exists())


def wait_for(happened: Callable[[], bool]) -> None:
    until = time.monotonic() + 60
    while not happened():
        assert time.monotonic() < until
        time.sleep(0.05)
