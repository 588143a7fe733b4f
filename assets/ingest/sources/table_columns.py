"""Which columns of somebody's table are read as what, and which are not read."""

from collections.abc import Mapping
from pathlib import Path

from assets.formats.columns import is_there, nearest, told, unsure
from assets.formats.item_rows import DESCRIPTIONS, MAX_FURTHER, NOT_FURTHER, further_columns, item_columns
from assets.formats.play_rows import play_columns
from assets.formats.reading import Reading
from assets.formats.rows import ITEM_COLUMNS, TABLE_COLUMNS, Columns
from assets.ingest.raw_file import SourceError
from models.bundle.ids import trimmed


def columns_in(path: Path, of_items: bool, reading: Reading) -> Columns:
    """The columns of a file of plays or of items. Raises ColumnError, DamagedFileError and OSError."""
    return item_columns(path, reading) if of_items else play_columns(path, reading)


def check_named(reading: Reading, files: Mapping[str, Columns]) -> None:
    """Raises SourceError where NEXTPLAY_COLUMNS names a column that is in no file."""
    for ours, theirs in reading.columns.items():
        of_items_alone = ours in DESCRIPTIONS
        headers = [columns.header for role, columns in files.items() if role == "items" or not of_items_alone]
        if headers and not any(is_there(theirs, [trimmed(name) for name in header]) for header in headers):
            there = list(dict.fromkeys(trimmed(name) for header in headers for name in header))
            raise SourceError(
                f"NEXTPLAY_COLUMNS names '{theirs}' as {ours}, and no file has such a column"
                f"{nearest(theirs, there)}; the columns are {', '.join(there[:20])}."
            )


def renamed(columns: Columns) -> tuple[str, ...]:
    """The columns that go by another name in a file."""
    return tuple(told(columns.header, columns.names, {*TABLE_COLUMNS, *DESCRIPTIONS}))


def columns_left_out(columns: Columns) -> list[str]:
    """Which columns of a file of items are not read, and why."""
    kinds = [f"its column '{name}' is left out (it holds {kind})" for name, kind in columns.left_out.items()]
    own = NOT_FURTHER - {"", *ITEM_COLUMNS, *DESCRIPTIONS}
    kinds += [
        f"its column '{name}' is left out (columns of this name are the reader's own)"
        for name in columns.names
        if name in own
    ]
    kinds += unsure(columns.header, columns.names, DESCRIPTIONS)
    kinds += [
        f"its column '{name}' is there {times} times, and the first is read"
        for name in dict.fromkeys(columns.names)
        if name and (times := columns.names.count(name)) > 1
    ]
    if beyond := further_columns(columns)[MAX_FURTHER:]:
        named = ", ".join(f"'{name}'" for name in beyond[:5])
        kinds.append(
            f"{len(beyond)} columns beyond the first {MAX_FURTHER} further ones are left out ({named})"
        )
    return [f"of the file of items, {kind}" for kind in kinds]
