"""What the catalogue knows of items beside their titles: columns to filter by, each of one kind."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from models.bundle.ids import trimmed

LIST_SEPARATOR = "|"  # between the texts of a list that is written as one text
TEXT, NUMBER, DATE, FLAG = "text", "number", "date", "flag"


@dataclass(frozen=True)
class Attribute:
    """One column of the item table. `values[i]` describes item index `i`; None where nothing is known.

    By `kind`, a value is: text, a list of one text or more; number, a finite float; date, an ISO date as
    text; flag, true or false. Raises ValueError where a value is something else.
    """

    kind: str
    values: Sequence[Any]

    def __post_init__(self) -> None:
        if self.kind not in _IS_VALUE:
            raise ValueError(f"there is no kind of attribute '{self.kind}'")
        is_value = _IS_VALUE[self.kind]
        for value in self.values:
            if value is not None and not is_value(value):
                raise ValueError(f"{value!r} is no value of an attribute of kind {self.kind}")


def parts(text: str) -> list[str]:
    """The texts of a list that is written as one: without blanks around them, none empty, none twice."""
    return list(dict.fromkeys(part for given in text.split(LIST_SEPARATOR) if (part := trimmed(given))))


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(text, str) for text in value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def is_date(value: Any) -> bool:
    """Is it text such as 2018-01-04?"""
    if not (isinstance(value, str) and len(value) == len("2018-01-04")):
        return False
    try:
        return date.fromisoformat(value).isoformat() == value  # not a week's day, such as 2018-W01-4
    except ValueError:
        return False


_IS_VALUE: dict[str, Callable[[Any], bool]] = {
    TEXT: _is_texts,
    NUMBER: _is_number,
    DATE: is_date,
    FLAG: lambda value: isinstance(value, bool),
}

Attributes = Mapping[str, Attribute]
