"""Values of a Parquet file as the texts that would stand in CSV, by their type."""

import pyarrow as pa
import pyarrow.compute as pc

from models.bundle.attributes import LIST_SEPARATOR
from models.bundle.numbers import MOST_EXACT

_TEXTS = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
_BYTES = (
    pa.types.is_binary, pa.types.is_large_binary, pa.types.is_binary_view, pa.types.is_fixed_size_binary,
)  # fmt: skip
_PLAIN = (
    pa.types.is_boolean, pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal, pa.types.is_date,
    pa.types.is_timestamp, pa.types.is_time, pa.types.is_null,
)  # fmt: skip
_LISTS = (pa.types.is_list, pa.types.is_large_list)
_MOST_EXACT = {pa.float16(): 2**11, pa.float32(): 2**24}  # of whole numbers
_A_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


def is_bytes(kind: pa.DataType) -> bool:
    """Whether values are bytes: an old writer's texts, or a picture."""
    return any(test(_inner(kind)) for test in _BYTES)


def is_single(kind: pa.DataType) -> bool:
    """Whether values of a type are single ones that have a form as text."""
    return any(test(_inner(kind)) for test in (*_TEXTS, *_PLAIN))


def is_text(kind: pa.DataType) -> bool:
    """Whether values are texts: Parquet does not see to it that they are UTF-8."""
    return any(test(_inner(kind)) for test in _TEXTS)


def has_text(kind: pa.DataType) -> bool:
    """Whether values of a type have a form as text: single ones, and lists of single ones."""
    if any(test(kind) for test in _LISTS):
        return is_single(kind.value_type)
    return is_single(kind)


def is_time(kind: pa.DataType) -> bool:
    """Whether values of a type are times, and so need no format."""
    return bool(pa.types.is_timestamp(_inner(kind)) or pa.types.is_date(_inner(kind)))


def has_zone(kind: pa.DataType) -> bool:
    """Whether values of a type are times that are sure to be in UTC."""
    return bool(pa.types.is_timestamp(_inner(kind))) and _inner(kind).tz is not None


def as_text(values: pa.Array) -> pa.Array:  # noqa: PLR0911 (a line for each type)
    """Values of a type that has a form as text; texts and bytes that are no UTF-8 are null."""
    kind = values.type
    if isinstance(kind, pa.UuidType):
        return pa.array([None if value is None else str(value) for value in values.to_pylist()], pa.string())
    if isinstance(values, pa.ExtensionArray):
        return as_text(values.storage)
    if pa.types.is_dictionary(kind):
        return as_text(values.dictionary).take(values.indices)
    if any(test(kind) for test in _LISTS):
        return _joined(values)
    if is_bytes(kind):
        return _decoded(values)
    if pa.types.is_floating(kind):
        return _float_text(values)
    if pa.types.is_timestamp(kind):
        return _time_text(values)
    if pa.types.is_date(kind):
        values = pc.cast(values, pa.date32())
    texts = pc.cast(values, pa.string())
    return _decoded(texts) if is_text(kind) else texts


def lost_digits(values: pa.Array) -> pa.Array | None:
    """Which values may stand for several whole numbers, as floats of few bits do; None where none may."""
    most = _MOST_EXACT.get(values.type)
    if most is None:
        return None
    many = pc.greater_equal(pc.abs(pc.cast(values, pa.float64())), float(most))
    return many if pc.any(many).as_py() else None


def _inner(kind: pa.DataType) -> pa.DataType:
    if isinstance(kind, pa.UuidType):
        return pa.string()
    if isinstance(kind, pa.BaseExtensionType):
        return _inner(kind.storage_type)
    return _inner(kind.value_type) if pa.types.is_dictionary(kind) else kind


def _joined(values: pa.Array) -> pa.Array:
    """Lists as one text. The separator is none within a text."""
    values = pa.concat_arrays([values])  # without an offset
    offsets = pc.cast(values.offsets, pa.int32()) if pa.types.is_large_list(values.type) else values.offsets
    texts = pc.replace_substring(as_text(values.values), LIST_SEPARATOR, "/")
    lists = pa.ListArray.from_arrays(offsets, pc.fill_null(texts, ""), mask=values.is_null())
    return pc.binary_join(lists, LIST_SEPARATOR)


def _decoded(values: pa.Array) -> pa.Array:
    values = pc.cast(values, pa.binary())
    try:
        return pc.cast(values, pa.string())
    except pa.ArrowInvalid:
        return pa.array([_utf8(value) for value in values.to_pylist()], pa.string())


def _utf8(value: bytes | None) -> str | None:
    try:
        return None if value is None else value.decode()
    except UnicodeDecodeError:
        return None


def _float_text(values: pa.Array) -> pa.Array:
    """Whole numbers without a point, as long as a float holds them; NaN and infinity are none."""
    values = pc.cast(values, pa.float64())
    values = pc.if_else(pc.is_finite(values), values, None)
    whole = pc.and_(pc.equal(values, pc.floor(values)), pc.less(pc.abs(values), float(MOST_EXACT)))
    numbers = pc.cast(pc.cast(pc.if_else(whole, values, 0.0), pa.int64()), pa.string())
    return pc.if_else(pc.fill_null(whole, False), numbers, pc.cast(values, pa.string()))


def _time_text(values: pa.Array) -> pa.Array:
    """Times in UTC, without the time of day where it is midnight."""
    unit = values.type.unit
    numbers = pc.cast(values, pa.int64())
    texts = pc.cast(pc.cast(numbers, pa.timestamp(unit)), pa.string())
    if (pc.fill_null(numbers, 1).to_numpy(zero_copy_only=False) % (86_400 * _A_SECOND[unit])).all():
        return texts
    return pc.replace_substring_regex(texts, r" 00:00:00([.]0+)?$", "")
