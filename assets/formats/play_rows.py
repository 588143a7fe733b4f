"""Reads files of plays of somebody's table: `user_id, item_id, timestamp`, as the settings say."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from assets.formats.columns import Naming
from assets.formats.ids import Ids, whole, with_reasons
from assets.formats.reading import AS_IT_IS, Reading
from assets.formats.rows import TABLE_COLUMNS, Columns, columns_of, read_rows
from assets.formats.time_texts import formatted_times, plain_times


def play_columns(path: Path, reading: Reading) -> Columns:
    """The columns of a file of plays. Raises ColumnError and DamagedFileError."""
    return columns_of(path, TABLE_COLUMNS, (), naming_of_plays(reading))


def read_plays(path: Path, reading: Reading = AS_IT_IS) -> Iterator[pa.Table]:
    """The rows of a file of plays, TABLE_COLUMNS. Raises ColumnError and DamagedFileError."""
    typed = "timestamp" in play_columns(path, reading).typed
    missing = pa.array(["", *reading.missing], pa.string())
    users, items = Ids("user_id", reading.missing), Ids("item_id", reading.missing)
    for batch in read_rows(path, TABLE_COLUMNS, (), naming_of_plays(reading)):
        user, no_user = users.read(whole(batch["user_id"]))
        item, no_item = items.read(whole(batch["item_id"]))
        time, no_time = whole(batch["timestamp"]), None
        if reading.time_format and not typed:
            time, no_time = formatted_times(time, missing, reading.time_format)
        elif not typed:
            time, no_time = plain_times(time, missing)
        arrays = [batch["line"], batch["reason"], batch["text"], user, item, time]
        yield with_reasons(pa.Table.from_arrays(arrays, schema=batch.schema), [no_user, no_item, no_time])


def naming_of_plays(reading: Reading) -> Naming:
    return Naming(reading.columns, common=True)
