"""Reads a file of items: the columns that are known, and the further ones as JSON objects."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa

from assets.formats.rows import ABOUT_A_ROW, ITEM_COLUMNS, columns_of, read_rows

DESCRIPTIONS = ("title", "genres", "tags", "price", "release_date", "early_access")  # optional, of an item
FURTHER = "attributes"
READ_COLUMNS = (*ITEM_COLUMNS, *DESCRIPTIONS, FURTHER)
NOT_FURTHER = {"", *ITEM_COLUMNS, *DESCRIPTIONS, *ABOUT_A_ROW, FURTHER}
MAX_FURTHER = 50  # columns of a file of items


def read_item_rows(path: Path) -> Iterator[pa.Table]:
    """The rows of a file as `read_rows` gives them, with READ_COLUMNS.

    Raises ColumnError and DamagedFileError.
    """
    named = dict.fromkeys(columns_of(path, ITEM_COLUMNS))
    further = [name for name in named if name not in NOT_FURTHER][:MAX_FURTHER]
    for batch in read_rows(path, ITEM_COLUMNS, [*DESCRIPTIONS, *further]):
        yield _with_attributes(batch, further)


def _with_attributes(batch: pa.Table, further: Sequence[str]) -> pa.Table:
    """The further columns as one, of JSON objects, so that every catalogue has the same columns."""
    columns = [batch[name].to_pylist() for name in further]
    objects = [
        {name: value for name, value in zip(further, row, strict=True) if value}
        for row in (zip(*columns, strict=True) if columns else [()] * len(batch))
    ]
    texts = [json.dumps(of, ensure_ascii=False, sort_keys=True) if of else None for of in objects]
    return batch.drop_columns(list(further)).append_column(FURTHER, pa.array(texts, pa.string()))
