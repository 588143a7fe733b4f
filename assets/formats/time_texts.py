"""Times as people write them, as the statement `read_plays` reads them: numbers, and ISO dates and times.

What can be read in two ways, such as 03/04/2018, is left as it is, to be refused: a format has to be given.
"""

import re

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from assets.formats.ids import text_bytes, with_lost_digits, with_reason, without
from models.bundle.ids import BLANKS, trimmed
from models.bundle.numbers import exact

_DIGITS = b"0123456789"
_TO_ZEROS = bytes.maketrans(_DIGITS, b"0" * len(_DIGITS))
_USUAL = b"0123456789-:TZ+. "  # of what the statement reads, and of little else
_OFFSET = r"[+-][0-9]{2}(?::?[0-9]{2})?"
_CLOCK = "[0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:[.][0-9]+)?)?"
_READ = rf"^[+-]?[0-9]+(?:[.][0-9]*)?$|^[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}(?:[T ]{_CLOCK}(?:Z|{_OFFSET})?)?$"
_YEAR_FIRST = re.compile(
    r"([0-9]{4})([-/.])([0-9]{1,2})\2([0-9]{1,2})"
    r"(?:(?:[T ]|, ?)([0-9]{1,2})(?::([0-9]{2})(?::([0-9]{2})(?:[.,]([0-9]{1,9}))?)?)?)?"
    rf" ?(Z|UTC|GMT|{_OFFSET})?(?:\[UTC\]| UTC)?",
    re.IGNORECASE,
)
_COMPACT = re.compile(r"([0-9]{4})([0-9]{2})([0-9]{2})T([0-9]{2})([0-9]{2})([0-9]{2})?(Z|[+-][0-9]{4})?")
_WRITTEN = "SELECT strftime(TIMESTAMP '2001-12-31 23:59:58.5', $1)"
# A year of two digits that is read as the year 18 does not fit: %y reads it.
_READ_BY_FORMAT = """
SELECT CASE WHEN year(made) >= 1000 THEN strftime(made, '%Y-%m-%dT%H:%M:%S.%fZ') END
FROM (SELECT CAST(try_strptime(given, $1) AS TIMESTAMP) AS made FROM texts) AS read
"""


def check_format(time_format: str) -> None:
    """Raises ValueError where a format is none, or tells no day."""
    with _duckdb() as connection:
        try:
            written = connection.execute(_WRITTEN, [time_format]).fetchall()[0][0]
        except duckdb.Error as error:
            raise ValueError(f"it is no format of a time ({str(error).splitlines()[0]})") from None
    if not (_formatted(pa.array([written]), time_format)[0].as_py() or "").startswith("2001-12-31"):
        raise ValueError("it tells no day, as %m/%d/%Y %H:%M:%S does")


def formatted_times(
    values: pa.Array, missing: pa.Array, time_format: str
) -> tuple[pa.Array, pa.Array | None]:
    """Times of a format in ISO, null where they are missing, and the reason of each that does not fit it."""
    given = without(pc.utf8_trim(values, characters=BLANKS), missing)
    made = _formatted(given, time_format)
    unfit = pc.and_(pc.is_valid(given), pc.is_null(made))
    why = f"a timestamp that does not fit NEXTPLAY_TIME_FORMAT={time_format}"
    return made, with_reason(None, unfit, why) if pc.any(unfit).as_py() else None


def plain_times(values: pa.Array, missing: pa.Array) -> tuple[pa.Array, pa.Array | None]:
    """Times as the statement reads them, null where they are missing.

    And the reason of each that has lost its last digits, None where none has.
    """
    if _like_times(missing):
        values = without(pc.utf8_trim(values, characters=BLANKS), missing)
    signs = text_bytes(values)
    if not signs.translate(None, _DIGITS):
        return values, None
    if _of_one_shape(signs, values) and re.fullmatch(_READ, values[0].as_py()):
        return values, None
    if signs.translate(None, _USUAL):
        values = without(pc.utf8_trim(values, characters=BLANKS), missing)
    odd = pc.fill_null(pc.invert(pc.match_substring_regex(values, _READ)), False)
    if not pc.any(odd).as_py():
        return values, None
    made = [_plain(text) for text in values.filter(odd).to_pylist()]
    reason = with_lost_digits("timestamp", values, None) if b"+" in signs else None
    return pc.replace_with_mask(values, odd, pa.array(made, pa.string())), reason


def _like_times(missing: pa.Array) -> bool:
    """Whether a text that stands for a missing time may itself be read as one, such as 0 or 1900-01-01."""
    return any(text and not text.encode().translate(None, _USUAL) for text in missing.to_pylist())


def _of_one_shape(signs: bytes, values: pa.Array) -> bool:
    """Whether all texts, joined in `signs`, are the first one with other digits."""
    first = str(values[0].as_py() or "") if len(values) else ""
    return bool(first) and signs.translate(_TO_ZEROS) == first.encode().translate(_TO_ZEROS) * len(values)


def _formatted(values: pa.Array, time_format: str) -> pa.Array:
    with _duckdb() as connection:
        connection.register("texts", pa.table({"given": values}))
        made = connection.execute(_READ_BY_FORMAT, [time_format]).fetchall()
    return pa.array([text for (text,) in made], pa.string())


def _duckdb() -> duckdb.DuckDBPyConnection:
    """A DuckDB of its own, for its formats: Spark's executors have nothing else that knows them."""
    connection = duckdb.connect(config={"threads": 1})
    connection.execute("SET TimeZone = 'UTC'")
    return connection


def _plain(text: str) -> str:
    if (number := exact(text)) is not None:
        return format(number, "f")
    if found := _YEAR_FIRST.fullmatch(text):
        year, _, month, day, hour, minute, second, part, zone = found.groups()
        offset = "Z" if zone and zone[0] not in "+-" else zone or ""
        clock = f"T{hour:0>2}:{minute or '00'}:{second or '00'}" if hour else ""
        return f"{year}-{month:0>2}-{day:0>2}" + (
            f"{clock}{'.' + part[:6] if part else ''}{offset}" if hour else ""
        )
    if found := _COMPACT.fullmatch(text):
        year, month, day, hour, minute, second, zone = found.groups()
        return f"{year}-{month}-{day}T{hour}:{minute}:{second or '00'}{zone or ''}"
    return trimmed(text)
