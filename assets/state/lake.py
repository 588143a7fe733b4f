"""The lake: tables as Parquet in immutable version folders, and one pointer file that names the current ones.

    <root>/tables/<table>/<fingerprint[:16]>/<table>.parquet and version.json
    <root>/pointer.json             table -> fingerprint; replacing it is the publication
    <root>/../warehouse.duckdb      a view of each current table, for people and tools that want to look

Where the lake is on an object store (`remote_tables`), the root holds a copy of what was read or written.

Every file is written aside, synced and renamed, so that a run killed anywhere leaves the old or the new
version current, never half of one.
"""

import hashlib
import json
import logging
import re
import shutil
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
from filelock import FileLock, Timeout

from assets.state.databases import kept_database, new_database, write_views
from assets.state.files import is_left, literal, replace_text, sync_entry, sync_folder
from assets.state.remote_tables import RemoteTables
from models.bundle.formats import Format, format_in
from models.mistakes import UserError
from serving.state.regular import NoFileError, read_regular
from serving.state.storage import Store

log = logging.getLogger(__name__)

FORMATS = Format(1)  # of the pointer, and of a version's description
POINTER_FILE = "pointer.json"
VERSION_FILE = "version.json"
WAREHOUSE_FILE = "warehouse.duckdb"
MEMORY_LIMIT = "2GB"  # of DuckDB
SMALL = 8_000_000  # bytes of Parquet

_TABLE_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
_UNFINISHED = ".unfinished-"


class LakeError(UserError):
    """A table cannot be read or written; the message is one sentence for the reader of a run's log."""


@dataclass(frozen=True)
class TableVersion:
    """One immutable version of a table. `content_hash` is the SHA-256 of the Parquet file at `path`."""

    table: str
    fingerprint: str
    path: Path
    rows: int
    content_hash: str


def fingerprint(*parts: object) -> str:
    """SHA-256 (hex) over what a table is made from; the parts are plain JSON values."""
    text = json.dumps(parts, sort_keys=True, ensure_ascii=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def file_hash(path: Path) -> str:
    """SHA-256 (hex) of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def write_parquet(
    connection: duckdb.DuckDBPyConnection, query: str, path: Path, parameters: Mapping[str, Any] | None = None
) -> None:
    """Write the rows of a query that orders them: equal rows give equal bytes, on any number of threads."""
    copy = f"COPY ({query.strip().rstrip(';')}) TO $path (FORMAT parquet, COMPRESSION zstd)"
    connection.execute(copy, {**(parameters or {}), "path": str(path)})


class Lake:
    """Reads need no lock; everything that writes holds it."""

    def __init__(
        self, root: Path, memory_limit: str = MEMORY_LIMIT, remote: RemoteTables | None = None
    ) -> None:
        self.root = root.resolve()
        self.memory_limit = memory_limit
        self._remote = remote  # then what is below the root is a copy
        self.root.mkdir(parents=True, exist_ok=True)
        self._lock = FileLock(self.root / "lake.lock")

    def current(self, table: str) -> TableVersion:
        """The published version. Raises LakeError where there is none."""
        published = self._pointer().get(_checked(table))
        if published is None:
            raise LakeError(f"The lake has no table '{table}': materialize the asset '{table}' first.")
        version = self._version(table, published)
        if version is None:
            raise LakeError(
                f"The files of the table '{table}' are missing or damaged: "
                f"materialize the asset '{table}' again."
            )
        return version

    def has(self, table: str) -> bool:
        return _checked(table) in self._pointer()

    def published(self) -> dict[str, str]:
        """The fingerprint of each table's current version. Raises LakeError."""
        return self._pointer()

    def versions(self, table: str) -> list[TableVersion]:
        """Every version that is there, current or not, oldest first."""
        folders = self._table_folder(table).glob("[!.]*")
        found = [self._version(table, made_from) for made_from in map(_described, folders) if made_from]
        return sorted((v for v in found if v), key=lambda v: (v.path.stat().st_mtime_ns, v.fingerprint))

    def versions_everywhere(self, table: str) -> list[TableVersion]:
        """Every version, fetched where it lies on the object store alone."""
        if self._remote is not None:
            for made_from in self._remote.versions(
                self._table_folder(table).relative_to(self.root).as_posix()
            ):
                self._version(table, made_from)
        return self.versions(table)

    def tables(self) -> list[str]:
        """The name of each table that has, or had, a version."""
        return sorted(
            path.name for path in (self.root / "tables").glob("*") if _TABLE_NAME.fullmatch(path.name)
        )

    def remove(self, table: str, made_from: str) -> None:
        """Take a version away, if it is there: whole at once. Raises LakeError for the current one."""
        with self.lock():
            if self._pointer().get(_checked(table)) == made_from:
                raise LakeError(f"The current version of the table '{table}' cannot be removed.")
            if self._version(table, made_from) is not None:
                if self._remote is not None:
                    self._remote.remove(self._place(table, made_from))
                aside = self._table_folder(table) / f"{_UNFINISHED}{uuid.uuid4().hex}"
                self._folder(table, made_from).replace(aside)
            self._remove_unfinished([table])

    @contextmanager
    def connect(self, *tables: str) -> Iterator[duckdb.DuckDBPyConnection]:
        """An in-memory DuckDB with a view of each named table; it spills into the lake's folder."""
        versions = [self.current(table) for table in tables]
        small = 0 < sum(version.path.stat().st_size for version in versions) <= SMALL
        database = kept_database if small else new_database
        with database(self.root / "spill", self.memory_limit) as connection:
            for version in versions:
                connection.from_parquet(literal(version.path)).create_view(version.table)
            yield connection

    def address(self, table: str) -> str:
        """Where the published version lies for other machines. Raises LakeError."""
        version = self.current(table)
        if self._remote is None:
            return str(version.path)
        return self._remote.address(self._place(table, version.fingerprint), table)

    def scratch(self) -> Store:
        """Where an engine of many machines keeps what it makes in between."""
        if self._remote is None:
            return Store(str(self.root / "spill"))
        return Store(f"{self._remote.store.address}/scratch")

    @contextmanager
    def lock(self, timeout_s: float = 3600.0) -> Iterator[None]:
        """The right to write. A second writer waits; raises LakeError when the first does not end in time."""
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            log.warning("Another run is writing to %s: waiting for it, %.0f s at most.", self.root, timeout_s)
            try:
                self._lock.acquire(timeout=timeout_s)
            except Timeout:
                raise LakeError(
                    f"Another run has been writing to {self.root} for more than {timeout_s:.0f} s: "
                    "wait until it has ended, or stop it, and run this again."
                ) from None
        try:
            yield
        finally:
            self._lock.release()

    def publish(self, table: str, made_from: str, write: Callable[[Path], None]) -> TableVersion:
        """Publish one table: `write` gets the path of the Parquet file to make. See `publish_many`."""
        return self.publish_many(made_from, [table], lambda paths: write(paths[table]))[table]

    def publish_many(
        self, made_from: str, tables: Sequence[str], write: Callable[[Mapping[str, Path]], None]
    ) -> dict[str, TableVersion]:
        """Publish tables that become visible together; `write` gets the path of each Parquet file to make.

        `made_from` is the fingerprint of all that the tables depend on, code included. Where whole versions
        of that fingerprint are there already they are published as they are and `write` is not called.
        """
        with self.lock():
            self._remove_unfinished(tables)
            versions = {table: self._whole_version(table, made_from) for table in tables}
            if not all(versions.values()):
                versions = dict(self._write(made_from, tables, write))
            found = {table: version for table, version in versions.items() if version is not None}
            if self._remote is not None:
                for table, version in found.items():
                    self._remote.put(self._place(table, made_from), table, version.path.parent)
            self._point_to(found)
            self._update_warehouse()
        return found

    def _write(
        self, made_from: str, tables: Sequence[str], write: Callable[[Mapping[str, Path]], None]
    ) -> dict[str, TableVersion]:
        token = uuid.uuid4().hex
        unfinished = {table: self._table_folder(table) / f"{_UNFINISHED}{token}" for table in tables}
        for folder in unfinished.values():
            folder.mkdir(parents=True)
        try:
            write({table: folder / f"{table}.parquet" for table, folder in unfinished.items()})
            for table, folder in unfinished.items():
                self._finish(table, made_from, folder)
        finally:
            for folder in unfinished.values():
                shutil.rmtree(folder, ignore_errors=True)
        return {table: self._known_version(table, made_from) for table in tables}

    def _finish(self, table: str, made_from: str, unfinished: Path) -> None:
        """Describe a written table and move it to its place."""
        parquet = unfinished / f"{table}.parquet"
        description = {
            "format": FORMATS.current,
            "fingerprint": made_from,
            "rows": _rows(parquet),
            "content_hash": file_hash(parquet),
        }
        (unfinished / VERSION_FILE).write_text(_json(description), encoding="utf-8")
        sync_folder(unfinished)
        place = self._folder(table, made_from)
        if not place.exists():
            unfinished.rename(place)
        else:  # a damaged version: its readers never see a folder without the file
            (unfinished / parquet.name).replace(place / parquet.name)
            (unfinished / VERSION_FILE).replace(place / VERSION_FILE)
            sync_entry(place)
        sync_entry(place.parent)

    def _point_to(self, versions: Mapping[str, TableVersion]) -> None:
        pointer = self._pointer() | {table: version.fingerprint for table, version in versions.items()}
        if self._remote is not None:
            self._remote.point(_json(pointer))
        replace_text(self.root / POINTER_FILE, _json(pointer))

    def update_warehouse(self) -> None:
        """Make the views that are not of the current versions: paths are absolute, and the home may move."""
        with self.lock():
            self._update_warehouse()

    def _update_warehouse(self) -> None:
        warehouse, aside = self.root.parent / WAREHOUSE_FILE, self.root / f".{WAREHOUSE_FILE}"
        published = {table: self._version_here(table, made) for table, made in self._pointer().items()}
        paths = {version.table: version.path for version in published.values() if version is not None}
        aside.unlink(missing_ok=True)
        with kept_database(self.root / "spill", self.memory_limit) as connection:
            try:
                if warehouse.is_file():
                    shutil.copyfile(warehouse, aside)  # to make all views anew takes longer than many a table
                write_views(connection, aside, paths)
            except duckdb.Error:  # damaged, or of another DuckDB
                aside.unlink(missing_ok=True)
                write_views(connection, aside, paths)
        aside.replace(warehouse)

    def _remove_unfinished(self, tables: Sequence[str]) -> None:
        """What killed runs left; under the lock nobody else is writing."""
        for table in tables:
            for folder in self._table_folder(table).glob(f"{_UNFINISHED}*"):
                shutil.rmtree(folder, ignore_errors=True)
        for folder in (self.root / "spill").glob("*-*"):
            if is_left(folder.name):
                shutil.rmtree(folder, ignore_errors=True)

    def _pointer(self) -> dict[str, str]:
        path = self.root / POINTER_FILE
        try:
            published = self._remote.pointer() if self._remote is not None else None
            pointer: dict[str, str] = json.loads(published or read_regular(path))
        except FileNotFoundError:
            return {}
        except (NoFileError, ValueError):
            raise _damaged(path) from None
        if problem := FORMATS.problem(f"The list of tables {path}", format_in(pointer)):
            raise LakeError(problem)
        if not isinstance(pointer, dict) or not all(isinstance(made, str) for made in pointer.values()):
            raise _damaged(path)
        return pointer

    def _table_folder(self, table: str) -> Path:
        return self.root / "tables" / _checked(table)

    def _folder(self, table: str, made_from: str) -> Path:
        return self._table_folder(table) / made_from[:16]

    def _place(self, table: str, made_from: str) -> str:
        return self._folder(table, made_from).relative_to(self.root).as_posix()

    def _version(self, table: str, made_from: str) -> TableVersion | None:
        """The version of a fingerprint, fetched where it is elsewhere only; None where there is none."""
        if self._remote is not None:
            self._remote.fetch(self._place(table, made_from), table, self._folder(table, made_from))
        return self._version_here(table, made_from)

    def _version_here(self, table: str, made_from: str) -> TableVersion | None:
        """The version of a fingerprint as its folder describes it, or None where it is not there."""
        folder = self._folder(table, made_from)
        path = folder / f"{table}.parquet"
        try:
            description = json.loads((folder / VERSION_FILE).read_text(encoding="utf-8"))
            if problem := FORMATS.problem(f"The table '{table}' in {folder}", format_in(description)):
                raise LakeError(problem)
            if description["fingerprint"] != made_from or not path.is_file():
                return None
            return TableVersion(table, made_from, path, description["rows"], description["content_hash"])
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def _known_version(self, table: str, made_from: str) -> TableVersion:
        version = self._version(table, made_from)
        if version is None:
            raise LakeError(f"The table '{table}' was written but cannot be read back from {self.root}.")
        return version

    def _whole_version(self, table: str, made_from: str) -> TableVersion | None:
        version = self._version(table, made_from)
        return version if version is not None and file_hash(version.path) == version.content_hash else None


class PastLake(Lake):
    """The lake as it was when some versions of its tables were current; for reading alone.

    `versions` are fingerprints by table. Raises LakeError where a version is gone, or not what was written.
    """

    def __init__(self, lake: Lake, versions: Mapping[str, str]) -> None:
        super().__init__(lake.root, lake.memory_limit, lake._remote)
        self._versions = dict(versions)
        for table in versions:
            version = self._version(table, versions[table])
            if version is None or file_hash(version.path) != version.content_hash:
                raise LakeError(f"the version {versions[table][:16]} of the table '{table}' is not whole.")

    def _pointer(self) -> dict[str, str]:
        return self._versions

    def publish_many(
        self, made_from: str, tables: Sequence[str], write: Callable[[Mapping[str, Path]], None]
    ) -> dict[str, TableVersion]:
        raise LakeError("The past cannot be written.")


def _damaged(pointer: Path) -> LakeError:
    return LakeError(
        f"{pointer} is damaged: delete it and materialize the assets again; whole versions are reused."
    )


def _checked(table: str) -> str:
    if not _TABLE_NAME.fullmatch(table):
        raise LakeError(f"'{table}' is no name for a table: use small letters, digits and underscores.")
    return table


def _described(folder: Path) -> str | None:
    """The fingerprint that a version's folder gives."""
    try:
        return str(json.loads((folder / VERSION_FILE).read_text(encoding="utf-8"))["fingerprint"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _rows(parquet: Path) -> int:
    import pyarrow.parquet as pq

    return int(pq.read_metadata(parquet).num_rows)  # a DuckDB of its own takes 20 ms


def _json(value: object) -> str:
    return json.dumps(value, indent=1, sort_keys=True)
