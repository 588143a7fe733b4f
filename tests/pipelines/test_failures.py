"""A user's mistake is told by its sentence alone, whatever its class; a bug keeps the name of its class."""

import dagster as dg
import pytest

from assets.state.lake import LakeError
from models.config import ConfigError
from models.mistakes import UserError
from pipelines.failures import OF_A_STEP, final, reason, sentence


class LocalError(UserError):
    """A kind of mistake that nobody has listed."""


class Unrelated:
    class LakeError(Exception):
        """Of the same name as one of ours, and none of ours."""


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
    (event,) = (event for event in result.all_events if event.is_step_failure)
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
