"""Single values of the raw Steam files: Python literals, read by `ast.literal_eval` alone, or refused."""

import ast
import threading
import warnings
from dataclasses import dataclass
from typing import TypeGuard

TEXT_KEPT = 2000  # characters of a quarantined text
PARSES = 5  # of one text at most; see `_evaluated`

_WARNINGS = threading.Lock()  # what is ignored is set for the whole process, and chunks are read in threads


class RefusedError(Exception):
    """A line or an item cannot be used; the message is the reason that the quarantine shows."""


@dataclass(frozen=True)
class Quarantined:
    """What was left out. `line` counts from 1, `item` from 0 within the line (None: the whole line)."""

    line: int
    item: int | None
    reason: str
    text: str


def literal(text: bytes | str) -> object:
    """The value of a Python literal. Raises RefusedError where the text is none."""
    try:
        decoded = text.decode() if isinstance(text, bytes) else text
    except UnicodeDecodeError:
        raise RefusedError("not UTF-8") from None
    try:
        with _WARNINGS, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of escapes such as \d, which are read as they stand
            return _evaluated(decoded)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        raise RefusedError("not a Python literal") from None


def _evaluated(text: str) -> object:
    """The value of `text`, parsed again where Python 3.11 lost count of its depth.

    A garbage collection amid a parse may print a traceback (a finalizer's), which parses, too, and leaves its
    own depth behind: the outer parse then ends with a SystemError, whatever its text was.
    """
    for _ in range(PARSES - 1):
        try:
            return ast.literal_eval(text)
        except SystemError:
            continue
    return ast.literal_eval(text)


def is_text(value: object) -> TypeGuard[str]:
    """Whether the value is a text that UTF-8 can hold, as a table needs (half a surrogate pair cannot)."""
    if not isinstance(value, str):
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def quarantined(line: int, item: int | None, reason: RefusedError, value: object) -> Quarantined:
    """The entry of a refused line (its bytes) or item (its value), with the beginning of its text."""
    try:
        text = value.decode(errors="replace") if isinstance(value, bytes) else repr(value)
    except (ValueError, RecursionError):  # a number of more digits than Python shows
        text = f"a {type(value).__name__} that cannot be shown"
    return Quarantined(line, item, str(reason), text[:TEXT_KEPT])
