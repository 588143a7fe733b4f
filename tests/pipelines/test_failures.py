"""A user's mistake is told by its sentence alone, whatever its class; a bug keeps the name of its class."""

from pathlib import Path

import dagster as dg
import pytest
from rich.console import Console

from assets.state.lake import LakeError
from models.config import ConfigError
from models.mistakes import UserError
from pipelines.failures import OF_A_STEP, failures, final, reason, sentence
from pipelines.operator.run import _failed


class LocalError(UserError):
    """A kind of mistake that nobody has listed."""


class Unrelated:
    class LakeError(Exception):
        """Of the same name as one of ours, and none of ours."""


BUSY = "Another run has worked in var for more than 3600 s: wait until it has ended."


def events_of_one_that_waited_in_vain() -> list[dg.DagsterEvent]:
    """Of a run that did not get the home's lock, and so came to no step."""

    @dg.resource
    def home() -> None:
        raise LakeError(BUSY)

    @dg.op(required_resource_keys={"home"})
    def work() -> None: ...

    @dg.job(resource_defs={"home": home})
    def everything() -> None:
        work()

    with dg.DagsterInstance.ephemeral() as instance:
        return everything.execute_in_process(instance=instance, raise_on_error=False).all_events


def test_a_run_that_came_to_no_step_says_why(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    events = events_of_one_that_waited_in_vain()
    (event,) = failures(events)
    assert sentence(event) == reason(event) == BUSY
    capsys.readouterr()  # what Dagster logs of it
    assert _failed(Console(stderr=True), events, tmp_path) == 1
    assert capsys.readouterr().err.strip() == f"The run failed. {BUSY}"


def failure(error: Exception, cause: Exception | None = None) -> dg.DagsterEvent:
    @dg.op
    def broken() -> None:
        try:
            raise OSError("what lies below")
        except OSError:
            raise error from cause

    @dg.job
    def everything() -> None:
        broken()

    with dg.DagsterInstance.ephemeral() as instance:
        result = everything.execute_in_process(instance=instance, raise_on_error=False)
    (event,) = failures(result.all_events)
    assert event.is_step_failure
    return event


@pytest.mark.parametrize("kind", [LakeError, ConfigError, LocalError])
def test_a_mistake_is_its_sentence(kind: type[Exception]) -> None:
    event = failure(kind("It is wrong: mend it."))
    assert sentence(event) == reason(event) == "It is wrong: mend it."


def test_a_mistake_with_its_cause_is_its_sentence() -> None:
    event = failure(LocalError("The store is closed: open it."), LakeError("It is locked."))
    assert sentence(event) == reason(event) == "The store is closed: open it."
    event = failure(LocalError("The store is closed: open it."), OSError("disk I/O error"))
    assert sentence(event) == reason(event) == "The store is closed: open it."
    event = failure(RuntimeError("by the framework"), LocalError("It is wrong: mend it."))
    assert sentence(event) == reason(event) == "It is wrong: mend it."


def test_a_bug_is_told_by_what_started_it() -> None:
    assert "home" in reason(failure(RuntimeError("later"), KeyError("home")))


def test_a_failure_told_by_an_asset_is_its_description() -> None:
    event = failure(dg.Failure("More than 1 % cannot be read."))
    assert sentence(event) == reason(event) == "More than 1 % cannot be read."


@pytest.mark.parametrize("error", [KeyError("home"), Unrelated.LakeError("home")])
def test_a_bug_is_no_sentence(error: Exception) -> None:
    event = failure(error)
    assert sentence(event) is None
    assert type(error).__name__ in reason(event) and "home" in reason(event)


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("can't start new thread"),
        RuntimeError("Out of Memory Error: could not allocate block of size 256.0 KiB"),
        RuntimeError("The training of sasrec failed.\nMemoryError"),
        OSError(12, "Cannot allocate memory"),
    ],
)
def test_what_fails_for_want_of_memory_says_so_and_may_pass(error: Exception) -> None:
    event = failure(error)
    assert sentence(event) == reason(event) == OF_A_STEP and not final(event)
    told = failure(LocalError("It is wrong: mend it."), error)
    assert sentence(told) == "It is wrong: mend it."
