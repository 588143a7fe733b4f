"""Reads a file of items: the columns that are known, and the further ones as JSON objects."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from assets.formats.columns import Naming, nearest
from assets.formats.ids import Ids, whole, with_reason, with_reasons, without
from assets.formats.item_values import (
    day,
    flag,
    has_decimal_comma,
    label_texts,
    price,
    price_beside_commas,
    texts,
)
from assets.formats.reading import AS_IT_IS, Reading
from assets.formats.rows import ABOUT_A_ROW, ITEM_COLUMNS, TABLE_COLUMNS, Columns, columns_of, read_rows
from models.bundle.ids import BLANKS, trimmed

DESCRIPTIONS = ("title", "genres", "tags", "price", "release_date", "early_access")  # optional, of an item
TYPED: Mapping[str, Callable[[str], str | None]] = {"price": price, "release_date": day, "early_access": flag}
UNREAD = {name: f"unread_{name}" for name in TYPED}  # what stood where a value could not be read
FURTHER = "attributes"
READ_COLUMNS = (*ITEM_COLUMNS, *DESCRIPTIONS, FURTHER, *UNREAD.values())
NOT_FURTHER = {"", *READ_COLUMNS, *ABOUT_A_ROW}
MAX_FURTHER = 50  # columns of a file of items


def naming_of_items(reading: Reading) -> Naming:
    return Naming(reading.columns, common=True, of_items=True)


def check_names(named: Mapping[str, str]) -> None:
    """Raises ValueError where NEXTPLAY_COLUMNS names what is no column of ours, or one column twice."""
    known = (*TABLE_COLUMNS, *DESCRIPTIONS)
    for ours in named:
        if ours not in known:
            raise ValueError(
                f"there is no column '{ours}' to name{nearest(ours, known)}; there are {', '.join(known)}"
            )
    theirs = [trimmed(name) for name in named.values()]
    for name in theirs:
        if theirs.count(name) > 1 or not name:
            raise ValueError(f"the column '{name}' is named {theirs.count(name)} times: name each once")


def item_columns(path: Path, reading: Reading) -> Columns:
    """The columns of a file of items. Raises ColumnError and DamagedFileError."""
    return columns_of(path, ITEM_COLUMNS, DESCRIPTIONS, naming_of_items(reading))


def further_columns(columns: Columns) -> list[str]:
    """The columns that go along as attributes; MAX_FURTHER of them are taken."""
    return [
        name
        for name in dict.fromkeys(columns.names)
        if name not in NOT_FURTHER and name not in columns.left_out
    ]


def read_item_rows(path: Path, reading: Reading = AS_IT_IS) -> Iterator[pa.Table]:
    """The rows of a file as `read_rows` gives them, with READ_COLUMNS.

    Raises ColumnError and DamagedFileError.
    """
    columns = item_columns(path, reading)
    header = dict(zip(columns.names, map(trimmed, columns.header), strict=True))
    further = further_columns(columns)[:MAX_FURTHER]
    missing, ids = pa.array(["", *reading.missing], pa.string()), Ids("item_id", reading.missing)
    typed = dict(TYPED)
    for batch in read_rows(path, ITEM_COLUMNS, [*DESCRIPTIONS, *further], naming_of_items(reading)):
        item, no_item = ids.read(whole(batch["item_id"]))
        values = {name: _tidy(batch[name], missing) for name in [*DESCRIPTIONS, *further]}
        if any(has_decimal_comma(text) for text in values["price"].to_pylist() if text):
            typed["price"] = price_beside_commas
        made: dict[str, pa.Array] = {name: batch[name] for name in ABOUT_A_ROW}
        made |= {"item_id": item, "title": values["title"]}
        made |= {name: _each(label_texts, values[name]) for name in ("genres", "tags")}
        made |= {name: _each(read, values[name]) for name, read in typed.items()}
        made[FURTHER] = _attributes({name: _each(texts, values[name]) for name in further}, len(batch))
        made |= {unread: _unread(values[name], made[name]) for name, unread in UNREAD.items()}
        yield with_reasons(pa.table(made), [no_item, _header_again(made, header)])


def _header_again(made: Mapping[str, pa.Array], header: Mapping[str, str]) -> pa.Array | None:
    """Why rows are refused that name the columns once more, as where files were joined; None without any."""
    again = pc.equal(made["item_id"], header["item_id"])
    if "title" in header:
        again = pc.and_(again, pc.equal(made["title"], header["title"]))
    return with_reason(None, again, "the names of the columns once more") if pc.any(again).as_py() else None


def _tidy(values: pa.ChunkedArray, missing: pa.Array) -> pa.Array:
    """Values without blanks around them, null where they are missing."""
    return without(pc.utf8_trim(whole(values), characters=BLANKS), missing)


def _each(read: Callable[[str], str | None], values: pa.Array) -> pa.Array:
    return pa.array([None if value is None else read(value) for value in values.to_pylist()], pa.string())


def _unread(values: pa.Array, read: pa.Array) -> pa.Array:
    return pc.if_else(pc.is_null(read), values, None)


def _attributes(further: Mapping[str, pa.Array], n: int) -> pa.Array:
    """The further columns as one of `n` JSON objects, so that every catalogue has the same columns."""
    names: Sequence[str] = list(further)
    columns = [values.to_pylist() for values in further.values()]
    objects = [
        {name: value for name, value in zip(names, row, strict=True) if value}
        for row in (zip(*columns, strict=True) if columns else [()] * n)
    ]
    texts = [json.dumps(of, ensure_ascii=False, sort_keys=True) if of else None for of in objects]
    return pa.array(texts, pa.string())
