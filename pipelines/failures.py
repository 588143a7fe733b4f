"""Why a step failed, or a run before its first step, from what Dagster recorded of it."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import dagster as dg
from dagster._core.events import RunFailureReason

from assets.engines.spark import SparkError
from assets.release.bento import BentoError
from assets.training.side_by_side import LostTrainingError
from models.memory import NO_MEMORY, out_of_memory
from models.mistakes import UserError
from serving.state.events import EventStoreError
from serving.state.storage import StorageError

# What lies with another program, which may answer the next time.
MAY_PASS = (BentoError, EventStoreError, LostTrainingError, SparkError, StorageError)

LONGEST = 400  # characters
OF_A_STEP = f"{NO_MEMORY} NEXTPLAY_MEMORY_LIMIT says what DuckDB may take. What was published is whole."

if TYPE_CHECKING:
    from dagster_shared.error import SerializableErrorInfo


def failures(events: Iterable[dg.DagsterEvent]) -> list[dg.DagsterEvent]:
    """Of the events of a run its failed steps; the failure of the run itself where it came to no step.

    So it is with one that waited in vain for the home's lock.
    """
    all_events = list(events)
    steps = [event for event in all_events if event.is_step_failure]
    return steps or [event for event in all_events if event.event_type is dg.DagsterEventType.RUN_FAILURE]


def reason(event: dg.DagsterEvent) -> str:
    """The one sentence of a user's mistake; of a bug the exception that started it, without its stack."""
    error = first_error(event)
    return sentence(event) or (error.message.strip() if error else "") or event.message or "no message"


def sentence(event: dg.DagsterEvent) -> str | None:
    """The one sentence of a user's mistake; None where it was a bug."""
    told = event.step_failure_data.user_failure_data if event.is_step_failure else None
    if told and told.description:
        return told.description
    error, whole = first_error(event), whole_error(event)
    own = _sentence(error) if error else None
    return OF_A_STEP if own is None and whole is not None and out_of_memory(whole.to_string()) else own


def final(event: dg.DagsterEvent) -> bool:
    """Whether a retry would end the same way: after a user's mistake, or data that break a contract."""
    if event.step_failure_data.user_failure_data:
        return True
    error = first_error(event)
    if error is None:
        return False
    kind = _kind(error)
    return error.cls_name == "DagsterAssetCheckFailedError" or bool(kind and not issubclass(kind, MAY_PASS))


def interrupted(event: dg.DagsterEvent) -> bool:
    """Whether a step, or a run between its steps, was ended from outside: Ctrl-C, a closed terminal."""
    if event.event_type is not dg.DagsterEventType.STEP_FAILURE:
        why = getattr(event.event_specific_data, "failure_reason", None)  # of runs alone, and not of all
        return why is RunFailureReason.UNEXPECTED_TERMINATION
    error = first_error(event)
    return error is not None and error.cls_name in ("DagsterExecutionInterruptedError", "KeyboardInterrupt")


def one_line(text: str) -> str:
    """The start of a text, for a list or a message."""
    joined = " ".join(text.split())
    return joined if len(joined) <= LONGEST else f"{joined[:LONGEST].rstrip()} …"


def first_error(event: dg.DagsterEvent) -> "SerializableErrorInfo | None":
    """The outermost user's mistake; else the exception that started it, which the others have as cause."""
    error = whole_error(event)
    while error is not None and error.cause is not None and _sentence(error) is None:
        error = error.cause
    return error


def whole_error(event: dg.DagsterEvent) -> "SerializableErrorInfo | None":
    """What a failed step died of, or a run that came to no step, as the framework has wrapped it."""
    if event.is_step_failure:
        return event.step_failure_data.error
    found: SerializableErrorInfo | None = getattr(event.event_specific_data, "error", None)
    return found


def _sentence(error: "SerializableErrorInfo") -> str | None:
    return error.message.partition(": ")[2].strip() if _kind(error) else None


def _kind(error: "SerializableErrorInfo") -> type[UserError] | None:
    """The class of a user's mistake; None of another error."""
    name = error.message.partition(": ")[0]
    return {f"{kind.__module__}.{kind.__qualname__}": kind for kind in _kinds()}.get(name)


def _kinds(kind: type[UserError] = UserError) -> Iterator[type[UserError]]:
    """All classes of a user's mistake that are loaded."""
    yield kind
    for narrower in kind.__subclasses__():
        yield from _kinds(narrower)
