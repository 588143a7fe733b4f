"""Why a step failed, from what Dagster recorded of it."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import dagster as dg

from models.mistakes import UserError

if TYPE_CHECKING:
    from dagster_shared.error import SerializableErrorInfo


def reason(event: dg.DagsterEvent) -> str:
    """The one sentence of a user's mistake; of a bug the exception that started it, without its stack."""
    error = first_error(event)
    return sentence(event) or (error.message.strip() if error else "") or "no message"


def sentence(event: dg.DagsterEvent) -> str | None:
    """The one sentence of a user's mistake; None where it was a bug."""
    told = event.step_failure_data.user_failure_data
    if told and told.description:
        return told.description
    error = first_error(event)
    return _sentence(error) if error else None


def first_error(event: dg.DagsterEvent) -> "SerializableErrorInfo | None":
    """The outermost user's mistake; else the exception that started it, which the others have as cause."""
    error = event.step_failure_data.error
    while error is not None and error.cause is not None and _sentence(error) is None:
        error = error.cause
    return error


def _sentence(error: "SerializableErrorInfo") -> str | None:
    name, _, said = error.message.partition(": ")
    return said.strip() if name in {f"{kind.__module__}.{kind.__qualname__}" for kind in _kinds()} else None


def _kinds(kind: type[UserError] = UserError) -> Iterator[type[UserError]]:
    """All classes of a user's mistake that are loaded."""
    yield kind
    for narrower in kind.__subclasses__():
        yield from _kinds(narrower)
