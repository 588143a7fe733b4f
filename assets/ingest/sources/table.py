"""Anybody's table of `user_id, item_id, timestamp`: CSV or Parquet."""

import glob
import os
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

from assets.formats.columns import ColumnError, LackingError
from assets.formats.gunzip import DamagedFileError
from assets.formats.item_rows import item_columns, read_item_rows
from assets.formats.play_rows import play_columns, read_plays
from assets.formats.reading import AS_IT_IS, Reading
from assets.formats.rows import ITEM_COLUMNS, TABLE_COLUMNS, Columns, RowReader, lines_of
from assets.ingest.listing import Listing, alike, is_of_tools, list_folder, list_pattern
from assets.ingest.raw_file import RawFile, Request, SourceError, file_state, local_path, raw_file, shown
from assets.ingest.source import DataSource, Remarks
from assets.ingest.sources.table_columns import check_named, columns_in, columns_left_out, renamed
from assets.ingest.sources.table_kinds import doubtful_columns

PLAYS_ROLE = "table/"  # the name of the file follows: the order of the files breaks ties in time
ITEMS_ROLE = "items"
LEFT_SHOWN = 5  # files in a sentence


def files(request: Request) -> list[RawFile]:
    """The files of NEXTPLAY_TABLE in the order of their names, then the file of NEXTPLAY_TABLE_ITEMS.

    They stay where they are. Raises SourceError where a file or a column is missing.
    """
    given, items = request.source.table, request.source.table_items
    if not given:
        raise SourceError(
            "The source 'table' needs NEXTPLAY_TABLE: give the path of a CSV or Parquet file with the "
            f"columns {', '.join(TABLE_COLUMNS)}, of a folder of such files, or a pattern."
        )
    reading = request.source.reading()
    named = [(PLAYS_ROLE + name, path) for name, path in table_files(given, reading, items).files]
    if items:
        named.append((ITEMS_ROLE, _path(items, "NEXTPLAY_TABLE_ITEMS")))
    columns = {role: _checked(role, path, reading) for role, path in named}
    check_named(reading, columns)
    return [
        replace(raw_file(role, path, path.as_uri(), "in place"), notes=renamed(columns[role]))
        for role, path in named
    ]


def state(request: Request) -> object:
    """Name, path, size and time of each file, and how they are read.

    Raises SourceError, OSError and ValueError.
    """
    reading = request.source.reading()
    items = request.source.table_items
    files = table_files(request.source.table or "", reading, items).files
    if items:
        files.append((ITEMS_ROLE, local_path(items)))
    return [*([name, *file_state(str(path))] for name, path in files), asdict(reading)]


def remarks(request: Request) -> Remarks:
    """What is left of a folder or a pattern, and of the columns of items, and what may be there twice."""
    reading, items = request.source.reading(), request.source.table_items
    listing = table_files(request.source.table or "", reading, items)
    left, asides = list[str](), list[str]()
    for name, reason in listing.left:
        (asides if is_of_tools(name) else left).append(f"{name} is left out ({reason})")
    twice = [
        f"{a} and {b} are both read, and may hold the same plays"
        for a, b in alike(name for name, _ in listing.files)
    ]
    columns = columns_left_out(item_columns(local_path(items), reading)) if items else []
    columns += doubtful_columns(listing.files, reading)
    return Remarks(left + twice, columns, asides)


def table_files(given: str, reading: Reading = AS_IT_IS, items: str | None = None) -> Listing:
    """The files of NEXTPLAY_TABLE, and what is left out: also that of `items`. Raises SourceError."""
    path = _path(given, "NEXTPLAY_TABLE")
    if path.is_file():
        return Listing([(path.name, path)])
    no_table = partial(_no_table, reading=reading)
    try:
        if path.is_dir():
            listing, nothing = list_folder(path, no_table), "which holds no file of CSV or Parquet"
        else:
            listing = list_pattern(str(path), no_table)
            absent = "which is no file" if os.path.lexists(path) else "which does not exist"
            nothing = "which no file matches" if glob.has_magic(given) else absent
    except OSError as error:
        raise SourceError(
            f"NEXTPLAY_TABLE names {shown(given)}, of which {error.filename} cannot be read "
            f"({error.strerror}): allow this user to read it."
        ) from None
    if items:
        listing = listing.without(_path(items, "NEXTPLAY_TABLE_ITEMS"), "NEXTPLAY_TABLE_ITEMS names it")
    if not listing.files:
        left = "; ".join(f"{name} is left out ({reason})" for name, reason in listing.left[:LEFT_SHOWN])
        raise SourceError(
            f"NEXTPLAY_TABLE names {shown(given)}, {nothing}: give a file, a folder or a pattern."
            + (f" There, {left}." if left else "")
        )
    return listing


def _no_table(path: Path, reading: Reading) -> str | None:
    """Why the content of a file is no table of plays; None where it is one."""
    try:
        play_columns(path, reading)
    except (ColumnError, DamagedFileError, OSError) as error:
        return f"no table: it {error}" if isinstance(error, ColumnError) else str(error)
    return None


def _path(given: str, variable: str) -> Path:
    try:
        return local_path(given)
    except (ValueError, RuntimeError, OSError):
        raise SourceError(
            f"{variable} names {shown(given)}, which is neither a path nor a file address: "
            "fetch the table first, and give its path."
        ) from None


def _checked(role: str, path: Path, reading: Reading) -> Columns:
    of_items = role == ITEMS_ROLE
    variable = "NEXTPLAY_TABLE_ITEMS" if of_items else "NEXTPLAY_TABLE"
    way_on = f"give CSV or Parquet with {', '.join(ITEM_COLUMNS if of_items else TABLE_COLUMNS)}"
    try:
        return columns_in(path, of_items, reading)
    except LackingError as error:
        fault = str(error)
        way_on += f", or name its columns, such as with {error.example()}"
        if error.may_describe_items():
            way_on = (
                f"if it describes the items, name it with NEXTPLAY_TABLE_ITEMS; if it holds plays, {way_on}"
            )
    except (ColumnError, FileNotFoundError, IsADirectoryError) as error:
        fault = str(error) if isinstance(error, ColumnError) else "does not exist or is no file"
    except DamagedFileError as error:
        raise SourceError(f"{variable}: {error}") from None
    except OSError as error:
        fault = f"cannot be read ({error.strerror})"
        way_on = "allow this user to read it" if isinstance(error, PermissionError) else way_on
    raise SourceError(f"{variable} names {path}, which {fault}: {way_on}.")


SOURCE = DataSource(
    files,
    state,
    plays={"table": RowReader(read_plays, lines=lines_of, read_as=read_plays)},
    catalogue={ITEMS_ROLE: RowReader(read_item_rows, lines=lines_of, read_as=read_item_rows)},
    remarks=remarks,
)
