"""A DataFrame of plays as sequences: what `models.library` learns from. Needs pyarrow."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from models.data import Sequences
from models.mistakes import UserError

COLUMNS = ("user_id", "item_id", "timestamp")


class FrameError(UserError, ValueError):
    """A frame or a request cannot be used; the message says what is wrong and what to do."""


@dataclass(frozen=True, eq=False)
class Plays:
    """What each user of a frame played, oldest first; ids are text, users and items in their order."""

    users: list[str]
    items: list[str]  # of index 1 and on
    sequences: Sequences  # one row a user
    times: NDArray[np.int64]  # [plays], in the order of the sequences

    def times_of(self, train: Sequences) -> NDArray[np.int64]:
        """The times of the sequences' beginnings in `train`, which has the same rows."""
        place = np.arange(len(self.times)) - np.repeat(self.sequences.offsets[:-1], self.sequences.lengths)
        return self.times[place < np.repeat(train.lengths, self.sequences.lengths)]


def read_plays(frame: Any) -> Plays:
    """The plays of a frame of pandas, Polars or Arrow, with the columns user_id, item_id and timestamp.

    Plays of the same time stay in the frame's order. Of a user's plays of one item the first one counts.
    Raises FrameError where a column is missing, empty in places, or is no time.
    """
    table = _table(frame)
    users, user = np.unique(_texts(table, "user_id"), return_inverse=True)  # user: [rows]
    items, item = np.unique(_texts(table, "item_id"), return_inverse=True)
    times = _times(table)
    order = np.lexsort((times, user))  # stable
    user, item, times = user[order], item[order], times[order]
    _, first = np.unique(user * len(items) + item, return_index=True)
    kept = np.sort(first)
    lengths = np.bincount(user[kept], minlength=len(users))
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    sequences = Sequences((item[kept] + 1).astype(np.int32), offsets, len(items))
    return Plays(users.tolist(), items.tolist(), sequences, times[kept])


def _table(frame: Any) -> pa.Table:
    try:
        table = pa.table(frame)
    except (TypeError, ValueError, pa.ArrowException) as error:
        raise FrameError(
            f"A {type(frame).__name__} is no DataFrame: give one of pandas, Polars or Arrow ({error})."
        ) from None
    missing = [name for name in COLUMNS if name not in table.column_names]
    if missing:
        raise FrameError(
            f"The frame has no column {' and no column '.join(missing)}: it takes {', '.join(COLUMNS)}, "
            f"and has {', '.join(table.column_names) or 'none'}."
        )
    if table.num_rows == 0:
        raise FrameError("The frame is empty: give one row a play.")
    table = table.select(COLUMNS)
    for name in COLUMNS:
        if table[name].null_count:
            raise FrameError(f"The column {name} lacks {table[name].null_count} values: drop those rows.")
    return table


def id_text(value: object) -> str:
    """The id that a frame with this value has: 7 and 7.0 are both "7"."""
    if isinstance(value, str):
        return str(value)
    try:
        return str(_as_text(pa.scalar(value)).as_py())
    except (pa.ArrowException, OverflowError):  # no frame has such a value
        return str(value)


def _texts(table: pa.Table, name: str) -> NDArray[np.object_]:
    values: NDArray[np.object_] = _as_text(table[name]).to_numpy()
    return values


def _as_text(values: Any) -> Any:
    """Values of Arrow, one or a column, as text."""
    return pc.cast(values, pa.string())


def _times(table: pa.Table) -> NDArray[np.int64]:
    column = table["timestamp"]
    if pa.types.is_date(column.type):
        column = pc.cast(column, pa.timestamp("ms"))
    if not (pa.types.is_integer(column.type) or pa.types.is_timestamp(column.type)):
        raise FrameError(
            f"The column timestamp holds {column.type}: give whole numbers or times (pandas.to_datetime)."
        )
    times: NDArray[np.int64] = pc.cast(column, pa.int64()).to_numpy()
    return times
