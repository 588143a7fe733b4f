"""A run that hangs, a daemon that is killed in the middle of one, the UI and the command line at once."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import dagster as dg
import psutil
import pytest
import yaml
from filelock import FileLock, Timeout

from pipelines.instance import prepare_instance
from tests.faults.runs import ROOT, environment

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
MODULE = "tests.faults.hanging"
# The daemon records a failure, and the process its own end, if it is quicker.
GIVEN_UP = (dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED)
PATIENCE_S = 240.0  # on a busy machine
DAGSTER = str(Path(sys.executable).with_name("dagster"))
DAEMON = str(Path(sys.executable).with_name("dagster-daemon"))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """With our own dagster.yaml, which looks more often."""
    (tmp_path / "dagster").mkdir()
    own = yaml.safe_load((ROOT / "pipelines" / "dagster.yaml").read_text()) | {"run_queue": {}}
    assert own["run_monitoring"]["enabled"] and own["run_monitoring"]["max_runtime_seconds"] == 21_600
    own["run_monitoring"]["poll_interval_seconds"] = own["run_queue"]["dequeue_interval_seconds"] = 1
    (tmp_path / "dagster" / "dagster.yaml").write_text(yaml.safe_dump(own))
    monkeypatch.setenv("NEXTPLAY_HOME", str(tmp_path))
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "dagster"))
    prepare_instance()
    return tmp_path


@pytest.fixture
def instance(home: Path) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.from_config(str(home / "dagster")) as made:
        yield made


@pytest.fixture
def daemon(home: Path) -> Iterator[Callable[[], "subprocess.Popen[bytes]"]]:
    """Starts Dagster's daemon, with all that it starts in a group of its own."""
    started: list[subprocess.Popen[bytes]] = []

    def start() -> "subprocess.Popen[bytes]":
        log = (home / f"daemon-{len(started)}.log").open("wb")
        command = [DAEMON, "run", "-m", MODULE]
        started.append(
            subprocess.Popen(
                command, env=environment(home), cwd=ROOT, stdout=log, stderr=log, start_new_session=True
            )
        )
        return started[-1]

    yield start
    for process in started:
        kill(process)


def kill(process: "subprocess.Popen[bytes]") -> None:
    """SIGKILL to the daemon, its code server and the runs, which have groups of their own."""
    with suppress(psutil.NoSuchProcess):
        daemon = psutil.Process(process.pid)
        for one in [daemon, *daemon.children(recursive=True)]:
            with suppress(psutil.NoSuchProcess):
                one.kill()
    process.wait()


def launch(home: Path, job: str) -> str:
    """Queue a run, as the button in the UI does; returns its id."""
    command = [DAGSTER, "job", "launch", "-m", MODULE, "-j", job]
    done = subprocess.run(
        command, env=environment(home), cwd=ROOT, capture_output=True, text=True, check=False, timeout=200
    )
    assert done.returncode == 0, done.stderr[-3000:]
    with dg.DagsterInstance.from_config(str(home / "dagster")) as instance:
        return instance.get_runs(dg.RunsFilter(job_name=job), limit=1)[0].run_id


def until(what: Callable[[], bool], home: Path) -> None:
    end = time.monotonic() + PATIENCE_S
    while not what():
        logs = "".join(path.read_text(errors="replace")[-2000:] for path in home.glob("daemon-*.log"))
        assert time.monotonic() < end, logs
        time.sleep(0.2)


def is_free(home: Path) -> bool:
    try:
        with FileLock(home / "run.lock", timeout=0):
            return True
    except Timeout:
        return False


def status(instance: dg.DagsterInstance, run_id: str) -> dg.DagsterRunStatus:
    run = instance.get_run_by_id(run_id)
    assert run is not None
    return run.status


@pytest.mark.parametrize("job", ["hanging", "hanging_deaf"])
def test_a_run_that_hangs_is_ended_and_the_next_one_works(
    job: str, home: Path, instance: dg.DagsterInstance, daemon: Callable[[], "subprocess.Popen[bytes]"]
) -> None:
    settings = home / "dagster" / "dagster.yaml"
    settings.write_text(settings.read_text().replace("max_runtime_seconds: 21600", "max_runtime_seconds: 5"))
    daemon()
    hung = launch(home, job)
    until((home / "at-work").exists, home)
    next_one = launch(home, "working")
    until(lambda: status(instance, hung) in GIVEN_UP, home)
    until(lambda: status(instance, next_one) is dg.DagsterRunStatus.SUCCESS, home)
    assert (home / "worked").exists() and is_free(home)


def test_a_daemon_that_is_killed_in_a_run_goes_on_after_its_start(
    home: Path, instance: dg.DagsterInstance, daemon: Callable[[], "subprocess.Popen[bytes]"]
) -> None:
    first = daemon()
    dead = launch(home, "holding")
    until((home / "at-work").exists, home)
    queued = launch(home, "working")
    kill(first)
    until(lambda: is_free(home), home)
    assert status(instance, dead) is dg.DagsterRunStatus.STARTED  # nobody could say otherwise
    prepare_instance()  # as `make ui` does before it starts the daemon
    assert status(instance, dead) is dg.DagsterRunStatus.FAILURE
    daemon()
    until(lambda: status(instance, queued) is dg.DagsterRunStatus.SUCCESS, home)


def test_a_run_whose_daemon_alone_is_killed_ends_well(
    home: Path, instance: dg.DagsterInstance, daemon: Callable[[], "subprocess.Popen[bytes]"]
) -> None:
    first = daemon()
    held = launch(home, "holding")
    until((home / "at-work").exists, home)
    queued = launch(home, "working")
    first.kill()
    first.wait()
    prepare_instance()
    assert status(instance, held) is dg.DagsterRunStatus.STARTED and not is_free(home)  # it lives
    daemon()
    (home / "let-go").touch()
    until(lambda: status(instance, held) is dg.DagsterRunStatus.SUCCESS, home)
    until(lambda: status(instance, queued) is dg.DagsterRunStatus.SUCCESS, home)


def test_the_command_line_waits_for_a_run_of_the_ui(
    home: Path, instance: dg.DagsterInstance, daemon: Callable[[], "subprocess.Popen[bytes]"]
) -> None:
    daemon()
    held = launch(home, "holding")
    until((home / "at-work").exists, home)
    prune = subprocess.Popen(
        [sys.executable, "-m", "pipelines.start", "prune"],
        env=environment(home), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert prune.stderr is not None
    assert "Another run works in" in prune.stderr.readline()
    assert prune.poll() is None
    (home / "let-go").touch()
    said, wrong = prune.communicate(timeout=PATIENCE_S)
    assert prune.returncode == 0 and "There is nothing to remove." in said, wrong
    until(lambda: status(instance, held) is dg.DagsterRunStatus.SUCCESS, home)
