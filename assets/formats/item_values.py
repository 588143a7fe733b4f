"""Single values of a file of items, as people and programs write them: prices, flags, dates, lists of texts.

Each function gives the one form in which a value is kept, or None where the text is none of its kind. What
can be read in two ways, such as a price of 1,234 or a date 03/04/2018, is none: it is not guessed.
"""

import re
import unicodedata
from datetime import date, datetime
from functools import lru_cache

from assets.formats.listed_texts import labels, listed_texts
from models.bundle.attributes import LIST_SEPARATOR, is_date, parts
from models.bundle.ids import trimmed
from models.bundle.numbers import number

TRUE = frozenset(("true", "t", "yes", "y", "1", "1.0", "on"))
FALSE = frozenset(("false", "f", "no", "n", "0", "0.0", "off"))
MOST_PRICE = 1e6

_FREE = re.compile(r"[^0-9]*\bfree\b[^0-9]*", re.IGNORECASE)  # not `12.99 with free shipping`
_CURRENCY = re.compile(
    r"^[A-Z]{1,3}(?=\s*[$€£])|^[A-Z]{3}(?![A-Z])|(?<![A-Z])[A-Z]{3}$|(?<![A-Z])(?:kr|zł|Kč|Ft|lei)[.]?$",
    re.IGNORECASE,
)
_COMMA_GROUPS = re.compile(r"-?[0-9]{1,3}(?:,[0-9]{3})+[.][0-9]+")
_POINT_GROUPS = re.compile(r"-?[0-9]{1,3}(?:[.][0-9]{3})+,[0-9]+")
_DECIMAL_COMMA = re.compile(r"-?[0-9]+,(?:[0-9]{1,2}|[0-9]{4,})")
_HAS_DECIMAL_COMMA = re.compile(r"[0-9],[0-9]{1,2}(?![0-9.])")
_UNSURE = re.compile(r"-?[0-9]{1,3}[.][0-9]{3}")  # with a currency: thousands, or a part of a cent

_DATES = (
    "%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%Y%m%d", "%d.%m.%Y", "%b %d, %Y", "%d %b, %Y", "%B %d, %Y",
    "%d %B, %Y", "%d %b %Y", "%d %B %Y", "%b %d %Y", "%B %d %Y", "%d-%b-%Y", "%b %Y", "%B %Y", "%b, %Y",
    "%B, %Y", "%Y-%m", "%Y",
)  # fmt: skip
_YEAR_AS_FLOAT = re.compile(r"([0-9]{4})[.]0+")  # as pandas writes years where one is missing
_DAY_AND_TIME = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})[T ][0-9]{2}:[0-9]{2}.*")


@lru_cache(1 << 14)
def price(text: str) -> str | None:
    """A number from 0 on below a million, with a point; what says that an item is free costs 0."""
    found = number(text)
    if found is None:
        found = _price(text)
    return None if found is None or not 0 <= found <= MOST_PRICE else repr(found + 0.0)  # not -0.0


def has_decimal_comma(text: str) -> bool:
    """Whether a price is written as 12,99 is."""
    return _HAS_DECIMAL_COMMA.search(text) is not None


def price_beside_commas(text: str) -> str | None:
    """A price of a column with decimal commas, where 1.299 is most likely 1299."""
    return None if _UNSURE.fullmatch(text) else price(text)


def flag(text: str) -> str | None:
    """`true` or `false`."""
    small = text.casefold()
    return "true" if small in TRUE else "false" if small in FALSE else None


@lru_cache(1 << 14)
def day(text: str) -> str | None:
    """A day such as 2018-01-04; a month is its first day, and so is a year."""
    if found := _DAY_AND_TIME.fullmatch(text) or _YEAR_AS_FLOAT.fullmatch(text):
        text = found[1]
    if text.isascii() and is_date(text):
        return text
    if not text.isascii() or re.fullmatch(r"[0-9]{5,7}|[0-9]{9,}|[0-9]{1,3}", text):
        return None
    for form in _DATES:
        try:
            told: date = datetime.strptime(text, form).date()
        except ValueError:
            continue
        return told.isoformat()
    return None


@lru_cache(1 << 14)
def texts(text: str) -> str | None:
    """Several texts, separated by a bar or listed as programs do: trimmed, none empty, none twice."""
    return _joined(text, listed_texts(text))


@lru_cache(1 << 14)
def label_texts(text: str) -> str | None:
    """The same of genres and tags, which are lists, and are written in further ways."""
    return _joined(text, labels(text))


def _joined(text: str, listed: list[str] | None) -> str | None:
    found = parts(text) if listed is None else list(dict.fromkeys(listed))
    return LIST_SEPARATOR.join(found) or None


def _price(text: str) -> float | None:
    if _FREE.fullmatch(text):
        return 0.0
    bare = _CURRENCY.sub("", text)
    bare = trimmed("".join(sign for sign in bare if unicodedata.category(sign) != "Sc"))
    bare = re.sub(r"(?<=[0-9])['’\s](?=[0-9]{3}(?:[^0-9]|$))", "", bare).removesuffix(",-").removesuffix(".-")
    if not bare.isascii():
        return None
    if _UNSURE.fullmatch(bare):
        return None
    if _COMMA_GROUPS.fullmatch(bare):
        bare = bare.replace(",", "")
    elif _POINT_GROUPS.fullmatch(bare):
        bare = bare.replace(".", "").replace(",", ".")
    elif _DECIMAL_COMMA.fullmatch(bare):
        bare = bare.replace(",", ".")
    return number(bare)
