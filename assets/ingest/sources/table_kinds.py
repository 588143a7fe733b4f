"""Columns of plays that are not read, and say of some rows that they are none: views, deletions, returns."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from assets.formats.columns import ColumnError, plain
from assets.formats.gunzip import DamagedFileError
from assets.formats.item_values import FALSE
from assets.formats.play_rows import naming_of_plays, play_columns
from assets.formats.reading import Reading
from assets.formats.rows import TABLE_COLUMNS, read_rows
from models.bundle.ids import trimmed

# Names in small letters, without blanks, hyphens, points and underscores.
KINDS = frozenset(
    (
        "event", "eventtype", "eventname", "eventkind", "action", "actiontype", "activity", "activitytype",
        "interaction", "interactiontype", "behavior", "behaviour", "behaviortype", "behaviourtype",
        "feedback", "feedbacktype", "op", "operation", "changetype", "recordtype",
    )
)  # fmt: skip
UNDONE = frozenset(
    (
        "deleted", "isdeleted", "deletedat", "sdcdeletedat", "fivetrandeleted", "removed", "isremoved",
        "refunded", "isrefunded", "cancelled", "canceled", "iscancelled", "iscanceled", "returned",
        "isreturned", "isbot",
    )
)  # fmt: skip
AMOUNTS = frozenset(("quantity", "qty"))
MOST_KINDS = 50  # a column of more values names something else
SHOWN = 3  # values


def doubtful_columns(files: Sequence[tuple[str, Path]], reading: Reading) -> list[str]:
    """What is said of such columns, by the first rows of the first and the last of the files, given by name.

    What is wrong with a file is said where all of it is read.
    """
    told: dict[str, str] = {}
    for name, path in dict.fromkeys([*files[:1], *files[-1:]]):
        with suppress(ColumnError, DamagedFileError, OSError):
            for column, values in _values(path, reading):
                if said := _said(column, values):
                    told.setdefault(column, f"{name} has a column '{column}', which is not read: {said}")
    return list(told.values())


def _values(path: Path, reading: Reading) -> Iterator[tuple[str, list[str]]]:
    """The different values of each such column, among the first rows of a file."""
    columns = play_columns(path, reading)
    ours = [
        trimmed(theirs)
        for theirs, name in zip(columns.header, columns.names, strict=True)
        if name not in TABLE_COLUMNS and plain(theirs) in KINDS | UNDONE | AMOUNTS
    ]
    wanted = list(dict.fromkeys(ours))
    if not wanted:
        return
    first = next(read_rows(path, TABLE_COLUMNS, wanted, naming_of_plays(reading)), None)
    for name in wanted:
        given = [] if first is None else first[name].unique().to_pylist()
        found = (trimmed(value) for value in given if value)
        yield name, sorted(value for value in found if value and value not in reading.missing)


def _said(column: str, values: Sequence[str]) -> str | None:
    """What a column says that nobody reads; None where all rows are plays by it."""
    name = plain(column)
    if name in KINDS:
        if not 1 < len(values) <= MOST_KINDS:
            return None
        named = ", ".join(f"'{value}'" for value in values[:SHOWN])
        return f"its {len(values)} kinds of rows, such as {named}, all count as plays"
    if name in UNDONE:
        undone = [value for value in values if value.casefold() not in FALSE]
    else:
        undone = [value for value in values if value.startswith("-") and value[1:2].isdigit()]
    return f"rows count as plays, also where it says '{undone[0]}'" if undone else None
