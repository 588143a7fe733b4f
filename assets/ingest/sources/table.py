"""Anybody's table of `user_id, item_id, timestamp`: CSV or Parquet."""

import glob
import os
from collections.abc import Sequence
from pathlib import Path

from assets.formats.gunzip import DamagedFileError
from assets.formats.item_rows import read_item_rows
from assets.formats.rows import ITEM_COLUMNS, TABLE_COLUMNS, ColumnError, RowReader, columns_of, read_plays
from assets.ingest.raw_file import RawFile, Request, SourceError, file_state, local_path, raw_file, shown
from assets.ingest.source import DataSource

PLAYS_ROLE = "table/"  # the name of the file follows: the order of the files breaks ties in time
ITEMS_ROLE = "items"
SUFFIXES = (".csv", ".csv.gz", ".tsv", ".tsv.gz", ".parquet")  # of files in a folder


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
    found = [
        _checked(PLAYS_ROLE + name, path, "NEXTPLAY_TABLE", TABLE_COLUMNS)
        for name, path in table_files(given)
    ]
    if items:
        path = _path(items, "NEXTPLAY_TABLE_ITEMS")
        found.append(_checked(ITEMS_ROLE, path, "NEXTPLAY_TABLE_ITEMS", ITEM_COLUMNS))
    return found


def state(request: Request) -> object:
    """Name, path, size and time of each file. Raises SourceError, OSError and ValueError."""
    files = table_files(request.source.table or "")
    if request.source.table_items:
        files.append((ITEMS_ROLE, local_path(request.source.table_items)))
    return [[name, *file_state(str(path))] for name, path in files]


def table_files(given: str) -> list[tuple[str, Path]]:
    """Name and path of each file of NEXTPLAY_TABLE, in the order of the names. Raises SourceError."""
    path = _path(given, "NEXTPLAY_TABLE")
    if path.is_file():
        return [(path.name, path)]
    if path.is_dir():
        root, paths = path, [p for p in path.rglob("*") if p.name.endswith(SUFFIXES)]
        nothing = f"which holds no {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]} file"
    else:
        paths = [Path(match) for match in glob.glob(str(path), recursive=True)]  # noqa: PTH207 (a whole path)
        root = Path(os.path.commonpath([p.parent for p in paths])) if paths else path
        nothing = "which does not exist" if not glob.has_magic(given) else "which no file matches"
    files = [p for p in paths if p.is_file() and not p.name.startswith((".", "_"))]
    if not files:
        raise SourceError(
            f"NEXTPLAY_TABLE names {shown(given)}, {nothing}: give a file, a folder or a pattern."
        )
    return sorted((p.relative_to(root).as_posix(), p) for p in files)


def _path(given: str, variable: str) -> Path:
    try:
        return local_path(given)
    except (ValueError, RuntimeError, OSError):
        raise SourceError(
            f"{variable} names {shown(given)}, which is neither a path nor a file address: "
            "fetch the table first, and give its path."
        ) from None


def _checked(role: str, path: Path, variable: str, columns: Sequence[str]) -> RawFile:
    try:
        columns_of(path, columns)
        return raw_file(role, path, path.as_uri(), "in place")
    except (ColumnError, FileNotFoundError, IsADirectoryError) as error:
        fault = str(error) if isinstance(error, ColumnError) else "does not exist or is no file"
    except DamagedFileError as error:
        raise SourceError(f"{variable}: {error}") from None
    except OSError as error:
        fault = f"cannot be read ({error.strerror})"
    needed = ", ".join(columns)
    raise SourceError(f"{variable} names {path}, which {fault}: give CSV or Parquet with {needed}.")


SOURCE = DataSource(
    files,
    state,
    plays={"table": RowReader(read_plays)},
    catalogue={ITEMS_ROLE: RowReader(read_item_rows)},
)
