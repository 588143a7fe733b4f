"""Filters on what the catalogue knows: prepared when a model is loaded, and one mask per request."""

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from models.bundle.attributes import DATE, FLAG, NUMBER, TEXT, Attribute, Attributes, is_date
from models.mistakes import UserError

Mask = NDArray[np.bool_]  # [n_items + 1]; True where an item passes
MOST_VALUES = 100  # of one filter
NOWHERE = np.array([], dtype=np.int32)
MOST = 2.0**63  # of a number, up or down: a whole number in JSON may be too large for a float
SHOWN_VALUES = 50  # in a field's description


class FilterError(UserError):
    """A filter cannot be understood; the message says which, and what is allowed."""


class Field(Protocol):
    """One attribute, ready to be filtered by. An item without a value passes no filter on it."""

    def mask(self, name: str, wanted: Any) -> Mask:
        """Raises FilterError."""
        ...

    def describe(self) -> dict[str, Any]: ...


class Filters:
    """All attributes of a catalogue."""

    def __init__(self, attributes: Attributes) -> None:
        self._fields = {name: _FIELDS[of.kind](of) for name, of in attributes.items()}

    def mask(self, wanted: Mapping[str, Any]) -> Mask | None:
        """The items that pass all filters; None without any. Raises FilterError."""
        passing: Mask | None = None
        for name, value in wanted.items():
            mask = self._field(name).mask(name, value)
            passing = mask if passing is None else passing & mask
        return passing

    def describe(self) -> dict[str, dict[str, Any]]:
        """The fields by name, each with its kind and its values or range."""
        return self._described

    @cached_property
    def _described(self) -> dict[str, dict[str, Any]]:  # counts all values: once a model, not once a request
        return {name: self._fields[name].describe() for name in sorted(self._fields)}

    def _field(self, name: str) -> Field:
        if name in self._fields:
            return self._fields[name]
        known = ", ".join(sorted(self._fields)) or "nothing to filter by"
        raise FilterError(f'There is no field "{name[:50]}" to filter by: the catalogue knows {known}.')


class _Texts:
    """Values are compared without regard to case."""

    def __init__(self, attribute: Attribute) -> None:
        places: dict[str, list[int]] = {}
        self._shown: dict[str, str] = {}
        for index, texts in enumerate(attribute.values):
            for text in dict.fromkeys(texts or ()):
                places.setdefault(text.casefold(), []).append(index)
                self._shown.setdefault(text.casefold(), text)
        self._places = {text: np.array(of, dtype=np.int32) for text, of in places.items()}
        self._known = np.array([bool(texts) for texts in attribute.values], dtype=np.bool_)

    def mask(self, name: str, wanted: Any) -> Mask:
        given = wanted if isinstance(wanted, dict) else {"any": wanted}
        if not given or not set(given) <= {"any", "all", "none"}:
            raise FilterError(f'filters.{name} must be a text, a list of texts, or {{"any", "all", "none"}}.')
        lists = {how: _texts(f"filters.{name}", texts) for how, texts in given.items()}
        passing = self._any(lists["any"]) if "any" in lists else self._known.copy()
        for text in lists.get("all", ()):
            passing &= self._any([text])
        return passing & ~self._any(lists["none"]) if "none" in lists else passing

    def describe(self) -> dict[str, Any]:
        common = sorted(self._places, key=lambda text: (-len(self._places[text]), text))[:SHOWN_VALUES]
        return {"kind": TEXT, "values": [self._shown[text] for text in common]}

    def _any(self, texts: list[str]) -> Mask:
        mask = np.zeros_like(self._known)
        for text in texts:
            mask[self._places.get(text.casefold(), NOWHERE)] = True
        return mask


class _Range:
    """Numbers, and dates as days since 1970: NaN where unknown, which no comparison lets pass."""

    def __init__(self, kind: str, values: NDArray[np.float64], low: str, high: str) -> None:
        self._kind, self._values = kind, values
        self._low, self._high = low, high

    def mask(self, name: str, wanted: Any) -> Mask:
        bounds = (self._low, self._high)
        what = "dates such as 2018-01-04" if self._kind == DATE else "numbers"
        if not isinstance(wanted, dict) or not wanted or not set(wanted) <= set(bounds):
            raise FilterError(
                f'filters.{name} must be {{"{bounds[0]}", "{bounds[1]}"}}, one or both, with {what}.'
            )
        if not all(self._fits(value) for value in wanted.values()):
            raise FilterError(f"filters.{name} takes {what}.")
        passing = ~np.isnan(self._values)
        if self._low in wanted:
            passing &= self._values >= self._as_number(wanted[self._low])
        if self._high in wanted:
            high = self._as_number(wanted[self._high])
            passing &= self._values < high if self._kind == DATE else self._values <= high
        return passing

    def describe(self) -> dict[str, Any]:
        ends = [float(np.nanmin(self._values)), float(np.nanmax(self._values))]
        shown = [str(np.datetime64(int(end), "D")) for end in ends] if self._kind == DATE else ends
        return {"kind": self._kind, "least": shown[0], "greatest": shown[1]}

    def _fits(self, value: Any) -> bool:
        if self._kind == DATE:
            return is_date(value)
        return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < MOST

    def _as_number(self, value: Any) -> float:
        return float(np.datetime64(value, "D").astype(np.int64)) if self._kind == DATE else float(value)


class _Flag:
    def __init__(self, attribute: Attribute) -> None:
        values = attribute.values
        self._passing = {
            wanted: np.array([value is wanted for value in values], np.bool_) for wanted in (True, False)
        }

    def mask(self, name: str, wanted: Any) -> Mask:
        if not isinstance(wanted, bool):
            raise FilterError(f"filters.{name} must be true or false.")
        return self._passing[wanted].copy()

    def describe(self) -> dict[str, Any]:
        return {"kind": FLAG}


def _numbers(attribute: Attribute) -> Field:
    values = np.array([np.nan if value is None else value for value in attribute.values], dtype=np.float64)
    return _Range(NUMBER, values, "min", "max")


def _dates(attribute: Attribute) -> Field:
    days = np.array(["NaT" if value is None else value for value in attribute.values], dtype="datetime64[D]")
    values = np.where(np.isnat(days), np.nan, days.astype(np.int64).astype(np.float64))
    return _Range(DATE, values, "after", "before")


def _texts(place: str, value: Any) -> list[str]:
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts) or not texts:
        raise FilterError(f"{place} must be a text or a list of texts.")
    if len(texts) > MOST_VALUES:
        raise FilterError(f"{place} must hold at most {MOST_VALUES} texts.")
    return texts


_FIELDS: dict[str, Callable[[Attribute], Field]] = {
    TEXT: _Texts, NUMBER: _numbers, DATE: _dates, FLAG: _Flag
}  # fmt: skip
