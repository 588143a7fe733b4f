"""From the columns of the table `items` to the attributes that a bundle carries, each of one kind."""

import json
from collections.abc import Sequence
from datetime import date
from typing import Any

import pyarrow as pa

from models.bundle.attributes import DATE, FLAG, NUMBER, TEXT, Attribute, Attributes, is_date, parts
from models.bundle.numbers import number

TEXT_COLUMNS = ("genres", "tags")
FURTHER = "attributes"  # the column that holds further ones, as a JSON object


def item_attributes(items: pa.Table) -> dict[str, Attribute]:
    """Those that any item has; row 0 of each is padding. `items` are in the order of their indexes."""
    columns: dict[str, Attribute] = {
        **{name: Attribute(TEXT, _padded(items[name].to_pylist())) for name in TEXT_COLUMNS},
        "price": Attribute(NUMBER, _padded(items["price"].to_pylist())),
        "release_date": Attribute(DATE, _padded([_iso(day) for day in items["release_date"].to_pylist()])),
        "early_access": Attribute(FLAG, _padded(items["early_access"].to_pylist())),
        **_further(items[FURTHER].to_pylist()),
    }
    return {name: of for name, of in columns.items() if any(value is not None for value in of.values)}


def _further(texts: Sequence[str | None]) -> Attributes:
    rows: list[dict[str, str]] = [json.loads(text) if text else {} for text in texts]
    names = sorted(set().union(*rows))
    return {name: typed([row.get(name) for row in rows]) for name in names}


def typed(texts: Sequence[str | None]) -> Attribute:
    """A column of texts as the narrowest kind that all of them fit: date, number, flag, else text."""
    known = [text for text in texts if text]
    if all(is_date(text) for text in known):
        return Attribute(DATE, _padded([text or None for text in texts]))
    if all(number(text) is not None for text in known):
        return Attribute(NUMBER, _padded([number(text) if text else None for text in texts]))
    if all(text.lower() in ("true", "false") for text in known):
        return Attribute(FLAG, _padded([text.lower() == "true" if text else None for text in texts]))
    return Attribute(TEXT, _padded([(parts(text) or None) if text else None for text in texts]))


def _padded(values: Sequence[Any]) -> list[Any]:
    return [None, *(None if value == [] else value for value in values)]


def _iso(day: date | None) -> str | None:
    return None if day is None else day.isoformat()
