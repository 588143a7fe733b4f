"""The one grammar of numbers that people write into files: of prices, attributes and ids."""

import re
from decimal import Decimal

# 7, -1.5, .5 and, as programs write them, 1e+15, 1.5e-07 and 1.0E10. Not 007 and 1e5, which are codes;
# nor +7, 1_000, 0x10, inf, and digits of other scripts.
NUMBER = r"-?(?:(?:0|[1-9][0-9]*)(?:[.][0-9]*)?|[.][0-9]+|[0-9](?:[.][0-9]+[eE][+-]?|[eE][+-])[0-9]{1,3})"
MOST_EXACT = 2**53  # from here on a float does not hold every whole number

_NUMBER = re.compile(NUMBER)


def exact(text: str) -> Decimal | None:
    """The number that a text writes, and None where it writes none."""
    return Decimal(text) if _NUMBER.fullmatch(text) else None


def number(text: str) -> float | None:
    """The number that a text writes as a float; None also for a whole number that a float does not hold."""
    found = exact(text)
    if found is None or ("." not in text and "e" not in text.lower() and abs(found) >= MOST_EXACT):
        return None
    return float(found)
