"""Lists of texts as programs write them into one cell: JSON, Python, NumPy, Java and Postgres, each its way.

Lists within lists are read as one list, and of an object its name counts, or else its description.
"""

import csv
import json
import math
import re
from collections.abc import Iterator

from assets.formats.literals import RefusedError, literal
from models.bundle.attributes import LIST_SEPARATOR
from models.bundle.ids import trimmed

NAMES = ("name", "description")  # what objects call themselves by
DEPTH = 3  # of lists within lists

_QUOTED = r"""(?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|None)"""
_OF_NUMPY = re.compile(rf"\[\s*{_QUOTED}(?:\s+{_QUOTED})+\s*\]")  # where Python would read one long text
_OF_JAVA = re.compile(r"\[[^][{}()\"']*, [^][{}()\"']*\]")  # [Action, RPG], as Spark writes it, too
_OF_POSTGRES = re.compile(r"\{[^{}]*\}")  # {Action,"Free to Play"}


def listed_texts(text: str) -> list[str] | None:
    """The texts of a list in square brackets, trimmed and none of them empty; None where it is none."""
    if not (text[0] == "[" and text[-1] == "]"):
        return None
    return _texts(_in_brackets(text))


def labels(text: str) -> list[str] | None:
    """The same of a column that holds lists; these may also be tuples, sets and arrays of Postgres.

    An object that counts something by name, as SteamSpy has its tags, lists its names.
    """
    ends = text[0] + text[-1]
    if ends == "()":
        return _texts(_value(f"[{text[1:-1]}]")) if "," in text else None
    if ends != "{}":
        return listed_texts(text)
    found = _value(text)
    if isinstance(found, dict):
        return _texts(list(found)) if all(isinstance(n, int | float) for n in found.values()) else None
    if isinstance(found, set):
        return _texts(_value(f"[{text[1:-1]}]"))  # in its written order
    return _texts(_in_braces(text)) if _OF_POSTGRES.fullmatch(text) else None


def _in_brackets(text: str) -> object:
    if _OF_NUMPY.fullmatch(text):
        return [_value(quoted) for quoted in re.findall(_QUOTED, text)]
    found = _value(text)
    return text[1:-1].split(", ") if found is None and _OF_JAVA.fullmatch(text) else found


def _in_braces(text: str) -> object:
    try:
        values = next(csv.reader([text[1:-1]], escapechar="\\", skipinitialspace=True, strict=True), [])
    except csv.Error:
        return None
    return [value for value in values if value != "NULL"]


def _value(text: str) -> object:
    """What JSON or Python reads; None where neither does."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    try:
        return literal(text)
    except RefusedError:
        return None


def _texts(found: object) -> list[str] | None:
    if not isinstance(found, list):
        return None
    try:
        texts = [trimmed(one).replace(LIST_SEPARATOR, "/") for one in _flat(found, DEPTH)]
    except TypeError:
        return None
    return [one for one in texts if one]


def _flat(found: list[object], depth: int) -> Iterator[str]:
    """The single values of lists as texts. Raises TypeError where a value is something else."""
    for one in found:
        value = next((one[name] for name in NAMES if one.get(name)), {}) if isinstance(one, dict) else one
        if value is None or (isinstance(value, float) and math.isnan(value)):
            continue
        if isinstance(value, str | int | float):
            yield str(value)
        elif isinstance(value, list | tuple) and depth:
            yield from _flat(list(value), depth - 1)
        else:
            raise TypeError(f"a list of {type(value).__name__}")
