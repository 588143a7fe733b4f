"""What the catalogue says of an item, as features: words of its title, and values of its attributes."""

import math
import unicodedata
from collections.abc import Iterator, Mapping
from typing import Any

from models.bundle.attributes import DATE, FLAG, NUMBER, TEXT
from models.bundle.bundle import ItemTable

A_NAME = 60  # characters; a longer text is no name of anything, and its words count


def item_features(title: str, attributes: Mapping[str, tuple[str, Any]]) -> list[str]:
    """The features of one item, each once. `attributes` are by name: the kind, and a value of that kind."""
    features = {f"title {word}" for word in _words(title)}
    for name, (kind, value) in attributes.items():
        features.update(f"{name} {feature}" for feature in _of_value(kind, value))
    return sorted(features)


def table_features(items: ItemTable) -> list[list[str]]:
    """Those of each item of a table, [n_items + 1]; padding has none. A title that is the id says nothing."""
    titles = [
        "" if title == item_id else title for item_id, title in zip(items.ids, items.titles, strict=True)
    ]
    return [
        item_features(title, {name: (of.kind, of.values[i]) for name, of in items.attributes.items()})
        for i, title in enumerate(titles)
    ]


def _of_value(kind: str, value: Any) -> Iterator[str]:
    if value is None:
        return
    if kind == TEXT:
        for text in value:
            yield from [text.casefold()] if len(text) <= A_NAME else _words(text)
    elif kind == NUMBER:
        yield str(math.copysign(round(math.log2(1 + abs(value))), value))  # half or twice is another one
    elif kind == DATE:
        yield value[:4]  # the year
    elif kind == FLAG and value:
        yield "true"


def _words(text: str) -> list[str]:
    letters = unicodedata.normalize("NFKD", text.casefold())
    kept = (c if c.isalnum() else " " for c in letters if not unicodedata.combining(c))
    return "".join(kept).split()
