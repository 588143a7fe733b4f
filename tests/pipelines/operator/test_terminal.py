"""What the commands print: on any terminal, and nothing but what is of use."""

import io
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from assets.contracts import blocking_check
from pipelines.console import ConsoleHandler
from pipelines.operator import terminal

ROOT = Path(__file__).resolve().parents[3]


def program(code: str, **options) -> "subprocess.CompletedProcess[bytes]":
    return subprocess.run(
        [sys.executable, "-c", f"import sys\nfrom pipelines.operator.terminal import *\n{code}"],
        cwd=ROOT, capture_output=True, check=False, **options,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("encoding", "shown"),
    [
        ("ascii", rb"\u30bc\xe9 ... -> \udcff"),
        ("latin-1", b"\\u30bc\xe9 ... -> \\udcff"),
        ("utf-8", "ゼé … → \\udcff".encode()),
    ],
)
def test_letters_that_a_terminal_lacks_are_escaped_and_our_marks_are_plain(
    encoding: str, shown: bytes
) -> None:
    environment = os.environ | {"PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"}
    done = program("prepare()\nsay('\\u30bc\\xe9 … → \\udcff')", env=environment)
    assert (done.returncode, done.stdout) == (0, shown + b"\n")


def test_closed_streams_are_none_that_a_file_takes() -> None:
    code = "prepare()\nsay('x')\nprint('y', file=sys.stderr)\nsys.exit(open('/dev/null').fileno() < 3)"
    shell = 'exec "$0" -c "$1" <&- >&- 2>&-'
    whole = f"import sys\nfrom pipelines.operator.terminal import *\n{code}"
    assert subprocess.run(["sh", "-c", shell, sys.executable, whole], cwd=ROOT, check=False).returncode == 0


def test_a_full_disk_behind_standard_output_is_one_sentence() -> None:
    command = [sys.executable, "-m", "pipelines.operator.cli", "completion", "bash"]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(command, cwd=ROOT, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    told = "Standard output cannot be written (No space left on device): all else is done.\n"
    assert (done.returncode, done.stderr) == (1, told)


@pytest.fixture
def interrupts() -> Iterator[None]:
    """Heard, as in a terminal: a shell that starts something in the background has it ignore them."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interrupts")
def test_an_interrupt_is_silent_until_commands_are_loaded() -> None:
    """Standing in for a keyboard: the process sends it to itself while it imports."""
    code = (
        "import os, signal\nimport pipelines.start\nos.kill(os.getpid(), signal.SIGINT)\nprint('not reached')"
    )
    done = program(code)
    assert (done.returncode, done.stdout, done.stderr) == (130, b"", b"")


@pytest.mark.usefixtures("interrupts")
def test_within_a_command_an_interrupt_can_be_handled() -> None:
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt), terminal.interruptible():
        signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


def test_an_interrupt_that_a_library_swallows_comes_again() -> None:
    heard = []

    def swallow(*_: object) -> None:
        heard.append(len(heard))
        if len(heard) == 2:
            raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, swallow)
    try:
        with pytest.raises(KeyboardInterrupt), terminal.insisting(again_s=0.05):
            signal.raise_signal(signal.SIGINT)
            time.sleep(10)
    finally:
        signal.signal(signal.SIGINT, before)
    assert heard == [0, 1]


@dg.asset
def table() -> dg.MaterializeResult[None]:
    return dg.MaterializeResult(metadata={"dagster/row_count": 1234})


@dg.asset_check(asset=table)
def good() -> dg.AssetCheckResult:
    return dg.AssetCheckResult(passed=True)


@dg.asset_check(asset=table)
def bad() -> dg.AssetCheckResult:
    return dg.AssetCheckResult(passed=False, description="[1] is not [2]")


@blocking_check(asset=table)
def stops() -> dg.AssetCheckResult:
    return dg.AssetCheckResult(passed=False, description="told at the end")


@dg.asset(deps=[table])
def broken() -> None:
    raise ValueError


@dg.asset(deps=[broken])
def behind() -> None: ...


def shown(monkeypatch: pytest.MonkeyPatch, verbose: bool, *more: dg.AssetChecksDefinition) -> list[str]:
    """The lines of a run of the assets above, and of more checks, without the seconds."""
    checks = [good, bad, *more]
    heard = io.StringIO()
    monkeypatch.setattr(sys, "stderr", heard)
    logger = logging.getLogger("tests.console")
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    logger.handlers = [ConsoleHandler(verbose)]
    of_the_tests = dg.LoggerDefinition(lambda _: logger)
    made = dg.Definitions([table, broken, behind], asset_checks=checks, loggers={"console": of_the_tests})
    job = made.resolve_implicit_global_asset_job_def()
    with dg.DagsterInstance.ephemeral() as instance:
        config = {"loggers": {"console": {}}}
        job.execute_in_process(config, instance=instance, raise_on_error=False)
    return heard.getvalue().splitlines()


@dg.asset
def left() -> None:
    raise KeyboardInterrupt


def test_a_stage_that_is_interrupted_has_not_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    heard = io.StringIO()
    monkeypatch.setattr(sys, "stderr", heard)
    logger = logging.getLogger("tests.console")
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    logger.handlers = [ConsoleHandler()]
    made = dg.Definitions([left], loggers={"console": dg.LoggerDefinition(lambda _: logger)})
    job = made.resolve_implicit_global_asset_job_def()
    with dg.DagsterInstance.ephemeral() as instance:
        job.execute_in_process({"loggers": {"console": {}}}, instance=instance, raise_on_error=False)
    assert heard.getvalue().startswith("  stopped left  ") and "FAILED" not in heard.getvalue()


def words(lines: list[str]) -> list[str]:
    """The first two of each line, sorted."""
    return sorted(" ".join(line.split()[:2]) for line in lines)


def test_a_run_shows_a_line_a_stage_and_what_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = shown(monkeypatch, verbose=False)
    assert sorted(" ".join(line.split()[:2]) for line in lines) == [
        "FAILED broken",
        "check bad:",
        "done table",
    ]
    (done,) = (line for line in lines if "done" in line)
    assert done.split()[3:] == ["s", "1,234", "rows"]
    assert "  check   bad: [1] is not [2]" in lines


def test_a_check_that_ends_the_run_is_told_at_its_end_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = shown(monkeypatch, False, stops)
    assert any("FAILED" in line and "table_stops" in line for line in lines)
    assert not any("told at the end" in line for line in lines)


def test_verbose_shows_checks_too(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = shown(monkeypatch, verbose=True)
    assert {" ".join(line.split()[:2]) for line in lines} >= {
        "done table",
        "done table_good",
        "FAILED broken",
    }
    assert not any("Not executing" in line for line in lines)
