"""Further columns of the catalogue that are texts for the sake of a few values."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator

from models.bundle.attributes import DATE, FLAG, NUMBER, TEXT, is_date
from models.bundle.numbers import number

MOST = 0.8  # share of the values of a column that are of one kind
LEAST = 5  # values of that kind


def mixed_columns(objects: Iterable[str]) -> Iterator[str]:
    """What is said of each such column; `objects` are the attributes of items as the catalogue has them."""
    kinds, first = defaultdict[str, Counter[str]](Counter), dict[tuple[str, str], str]()
    for text in objects:
        for name, value in json.loads(text).items():
            kinds[name][kind := _kind(value)] += 1
            first.setdefault((name, kind), value)
    for name, counts in sorted(kinds.items()):
        (kind, times), *others = counts.most_common()
        if others and kind != TEXT and times >= max(LEAST, MOST * counts.total()):
            yield (
                f"all values of the column '{name}' are texts, as {counts.total() - times:,} of "
                f"{counts.total():,} are no {kind}s, such as '{first[name, others[0][0]]}'"
            )


def _kind(text: str) -> str:
    """What a value would be among others of its kind."""
    if is_date(text):
        return DATE
    if number(text) is not None:
        return NUMBER
    return FLAG if text.lower() in ("true", "false") else TEXT
