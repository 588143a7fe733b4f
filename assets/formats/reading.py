"""How somebody's table is to be read: the settings of it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from models.bundle.ids import trimmed

# How databases, pandas, R, Hive, Go, JavaScript and spreadsheets write what is missing. Letters count as they
# stand: "Nan" is a name.
MISSING = (
    "NULL", "null", "Null", "(null)", "<null>", "<NULL>", "[null]", "[NULL]", "NaN", "nan", "NAN", "-nan",
    "-NaN", "NaT", "None", "none", "NONE", "nil", "NIL", "<nil>", "(nil)", "N/A", "n/a",
    "#N/A", "#N/A N/A", "#NA", "NA", "<NA>", "\\N", "undefined", "<undefined>", "<missing>", "(blank)",
    "(not set)", "[object Object]", "__HIVE_DEFAULT_PARTITION__", "1.#QNAN", "-1.#IND", "1.#IND", "-1.#QNAN",
    "#NULL!", "#REF!", "#VALUE!", "#DIV/0!", "#NAME?", "#NUM!",
)  # fmt: skip


@dataclass(frozen=True)
class Reading:
    """`columns` gives the file's name of a column by ours; `missing` are the texts that stand for nothing,
    beside the empty one; `time_format` is what every time written as text has to fit, as strptime has it."""

    columns: Mapping[str, str] = field(default_factory=dict)
    missing: tuple[str, ...] = MISSING
    time_format: str | None = None


AS_IT_IS = Reading()


def missing_texts(text: str) -> list[str]:
    """The texts of a list, in JSON or separated by commas. Raises ValueError."""
    if not text.lstrip().startswith("["):
        return [trimmed(part) for part in text.split(",")]
    try:
        found = json.loads(text)
    except ValueError as error:
        raise ValueError(f"it is no JSON list of texts: {error}") from None
    if not all(isinstance(part, str) for part in found):
        raise ValueError('it is no JSON list of texts, such as ["NULL", "N/A"]')
    return [trimmed(part) for part in found]
