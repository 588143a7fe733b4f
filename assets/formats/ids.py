"""Ids as people write them, made ids that the endpoint takes, or refused with a reason."""

from collections.abc import Iterable, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from models.bundle.ids import BLANKS, MAX_ID
from models.bundle.numbers import MOST_EXACT, exact

_WHOLE = r"^-?(?:0|[1-9][0-9]*)$"
_FLOAT = r"^-?(?:(?:0|[1-9][0-9]*)[.]0*|[0-9](?:[.][0-9]+[eE][+-]?|[eE][+-])[0-9]{1,3})$"
# The first digits of a longer number: six, as spreadsheets and C write it (9.78014E+12), or fewer, as
# spreadsheets do (9.78E+12). Programs that lose nothing write a small e, or no plus.
_SHORTENED = r"^-?[0-9](?:[.][0-9]{5}[eE]|(?:[.][0-9]{1,4})?E)[+](?:0{0,2}[6-9]|0?1[0-9])$"
_FORMULA = r'^="(.*)"$'  # ="007", by which spreadsheets keep a text a text
_SIGNS_OF_FLOATS = (b".", b"e", b"E")
_ASCII_BLANKS = tuple(blank.encode() for blank in BLANKS if blank.isascii())


class Ids:
    """Reads one column of ids of a file, in its batches one after the other.

    Blanks around ids are no part of them. `7.0` and `1e+15` are how a column of floats writes whole
    numbers: they are taken as such, unless an id that is none, such as `a7`, stood in the column before.
    """

    def __init__(self, name: str, missing: Sequence[str]) -> None:
        self._name, self._missing = name, pa.array(["", *missing], pa.string())
        self._numbers_miss = any(text.isdigit() for text in missing)  # such as the 0 of people without a name
        self._floats: bool | None = None  # whether such ids are numbers; None until the first of them
        self._texts = False  # an id that is no number was there

    def read(self, values: pa.Array) -> tuple[pa.Array, pa.Array | None]:
        """Ids, null where they are missing.

        And the reason of each that cannot be used, None where all can.
        """
        signs = text_bytes(values)
        if signs.isdigit() and _longest(values) <= MAX_ID and not self._numbers_miss:
            return values, None
        if not signs.isascii() or any(blank in signs for blank in _ASCII_BLANKS):
            values = pc.utf8_trim(values, characters=BLANKS)
        if b'="' in signs:
            values = pc.replace_substring_regex(values, _FORMULA, r"\1")
        values = without(values, self._missing)
        reason = unusable(self._name, values)
        if b"+" in signs:
            reason = with_lost_digits(self._name, values, reason)
        if any(sign in signs for sign in _SIGNS_OF_FLOATS):
            values, reason = self._as_numbers(values, reason)
        self._texts = self._texts or not _all_whole(values)
        return values, reason

    def _as_numbers(self, values: pa.Array, reason: pa.Array | None) -> tuple[pa.Array, pa.Array | None]:
        floats = pc.fill_null(pc.match_substring_regex(values, _FLOAT), False)
        if not pc.any(floats).as_py():
            return values, reason
        whole = {text: _whole(text) for text in pc.unique(values.filter(floats)).to_pylist()}
        if self._floats is None:
            others = values.filter(pc.invert(floats))
            self._floats = not self._texts and None not in whole.values() and _all_whole(others)
        if not self._floats:
            return values, reason
        lost = [text for text, found in whole.items() if found is None or abs(found) >= MOST_EXACT]
        why = lost_digits(self._name)
        known = {text: str(found) for text, found in whole.items()}
        made = pa.array([known[text] for text in values.filter(floats).to_pylist()], pa.string())
        if lost:
            reason = with_reason(reason, pc.is_in(values, pa.array(lost, pa.string())), why)
        return pc.replace_with_mask(values, floats, made), reason


def unusable(name: str, values: pa.Array) -> pa.Array | None:
    """Why the endpoint would refuse each id; None where it takes all of them."""
    reason = None
    if _longest(values) > MAX_ID:
        long = pc.greater(pc.utf8_length(values), MAX_ID)
        reason = with_reason(reason, long, f"{_a(name)} of more than {MAX_ID} characters")
    if b"\0" in text_bytes(values):
        reason = with_reason(reason, pc.match_substring(values, "\0"), f"{_a(name)} with a NUL character")
    return reason


def lost_digits(name: str) -> str:
    return f"{_a(name)} that was written as a float and has lost its last digits"


def with_lost_digits(name: str, values: pa.Array, reason: pa.Array | None) -> pa.Array | None:
    """Reasons, and one more for numbers of which the first digits alone were written."""
    rows = pc.match_substring_regex(values, _SHORTENED)
    return with_reason(reason, rows, lost_digits(name)) if pc.any(rows).as_py() else reason


def with_reason(reason: pa.Array | None, rows: pa.Array, why: str) -> pa.Array:
    """Reasons, and one more for some rows that have none."""
    added = pc.if_else(pc.fill_null(rows, False), why, pa.scalar(None, pa.string()))
    return added if reason is None else pc.coalesce(reason, added)


def with_reasons(batch: pa.Table, reasons: Iterable[pa.Array | None]) -> pa.Table:
    """A batch of rows whose reasons are filled up: the first one of a row counts."""
    place = batch.schema.get_field_index("reason")
    reason = batch["reason"]
    for more in reasons:
        if more is not None:
            reason = pc.coalesce(reason, more)
    return batch.set_column(place, batch.schema.field(place), reason)


def with_usable_ids(batch: pa.Table, names: Sequence[str]) -> pa.Table:
    """A batch in which the rows with an id that the endpoint would refuse have that as their reason."""
    return with_reasons(batch, [unusable(name, whole(batch[name])) for name in names])


def without(values: pa.Array, missing: pa.Array) -> pa.Array:
    """Values with null for those that stand for a missing one."""
    absent = pc.is_in(values, missing)
    return pc.if_else(absent, None, values) if pc.any(absent).as_py() else values


def whole(values: pa.ChunkedArray) -> pa.Array:
    """A column of a batch in one piece."""
    return values.chunk(0) if values.num_chunks == 1 else values.combine_chunks()


def text_bytes(values: pa.Array) -> bytes:
    """All texts of an array, one behind the other: what none of them holds is not in it."""
    _, offsets, data = values.buffers()
    if data is None:
        return b""
    ends = memoryview(offsets).cast("i")
    return bytes(memoryview(data)[ends[values.offset] : ends[values.offset + len(values)]])


def _all_whole(values: pa.Array) -> bool:
    if text_bytes(values).isdigit():
        return True
    return bool(pc.all(pc.match_substring_regex(values.drop_null(), _WHOLE), min_count=0).as_py())


def _whole(text: str) -> int | None:
    found = exact(text)
    return int(found) if found is not None and found == int(found) else None


def _longest(values: pa.Array) -> int:
    """In bytes, which are at least as many as the characters."""
    return pc.max(pc.binary_length(values)).as_py() or 0


def _a(name: str) -> str:
    return f"an {name}" if name[0] in "aeio" else f"a {name}"  # a user_id
