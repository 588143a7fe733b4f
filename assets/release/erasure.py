"""What still holds a user who asked to be forgotten, when it goes, and the removal of what can be removed.

The next run makes the current tables and the snapshot of histories without the user. Older versions of
tables, reports and Dagster's records of before stay until they are erased. A record is rewritten in its
place, as its run has to stay: see `assets.release.hiding`.
"""

import gzip
import lzma
import os
import sqlite3
import zlib
from collections.abc import Callable, Collection, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from assets.evaluation.reporting.facts import facts_path
from assets.formats.text import open_unpacked
from assets.release.hiding import forms, hider, in_records, named_in_a_page, tag_column
from assets.release.records_elsewhere import rewrite_elsewhere
from assets.resources import Home, Shared
from assets.state.apart import FOLDER, forget_apart
from assets.state.files import replace_text

BUSY_SECONDS = 10.0
READ = 1 << 24  # bytes of a file at a time
ENCODINGS = ("utf-8", "utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be")  # that a source may have
TEXTS = (".html", ".json", ".txt", ".md", ".csv", ".out", ".err", ".log")

RAW = "raw"
NEXT_RUN, ERASE = "the next run makes it without the user", "make erase removes it"
GOES = {  # what lies in a folder of the home, or a file, and when it goes
    RAW: "you remove the user from the source",
    "champion/users.db": NEXT_RUN,
    FOLDER: NEXT_RUN,
    "events": "the list of the forgotten keeps the bare id; anything else goes with make forget once more",
}


@dataclass(frozen=True)
class Held:
    """A file that holds a user, relative to the home, and when it does no more."""

    place: str
    goes: str


@dataclass(frozen=True)
class Erased:
    """What was removed, by number; `busy` are databases that somebody has open, so that they must wait."""

    versions: int
    reports: int
    records: int
    busy: list[str]


def holding(home: Home, user: str) -> Iterator[Held]:
    """Every file of the home that holds a user, Parquet, SQLite and packed ones included."""
    root, published = home.folder(), home.lake().published()
    current = {f"lake/tables/{table}/{made_from[:16]}" for table, made_from in published.items()}
    for file in sorted(root.rglob("*")):
        if file.is_symlink() or not file.is_file():
            continue
        place = file.relative_to(root).as_posix()
        folder, _, _ = place.partition("/")
        goes = GOES.get(place) or GOES.get(folder, ERASE)
        try:
            if _holds(file, user, numbers=folder == RAW):
                yield Held(place, NEXT_RUN if place.rpartition("/")[0] in current else goes)
        except FileNotFoundError:  # it is gone meanwhile
            continue
        except OSError as error:
            yield Held(place, f"nobody can tell, for it cannot be read ({error.strerror or error})")


def erase(home: Home) -> Erased:
    """Remove all that is left of the forgotten, but for what the next run makes anew and what is not ours.

    The caller holds the home's lock.
    """
    users = home.forgotten_users()
    if not users:
        return Erased(0, 0, 0, [])
    forget_apart(home.folder(), len(users))
    hide = hider(users)
    records, busy = _rewrite_records(_dagster(home), hide)
    records += _rewrite_reasons(home.pointer_file.parent, in_records(hide))
    if address := Shared().address("dagster_database"):
        records += rewrite_elsewhere(address, in_records(hide))
    erased = Erased(_remove_versions(home, users), _remove_reports(home, users), records, busy)
    if store := home.event_store():
        store.compact()
        store.close()
    return erased


def _dagster(home: Home) -> Path:
    return Path(os.environ.get("DAGSTER_HOME") or home.folder("dagster"))


def _rewrite_reasons(champion: Path, hide: Callable[[str, str], str]) -> int:
    """The words that people gave for whom they made champion; how many files hold less now."""
    rewritten = 0
    for file in sorted(path for path in champion.glob("[!.]*.json") if path.is_file()):
        text = file.read_text(encoding="utf-8", errors="surrogateescape")
        if (hidden := hide(text, "")) != text:
            replace_text(file, hidden)  # an endpoint reads the pointer meanwhile
            rewritten += 1
    return rewritten


def _remove_versions(home: Home, users: Collection[str]) -> int:
    """Versions of tables that are not current; also those of former champions, which are not made again."""
    lake, removed = home.lake(), 0
    published = lake.published()
    for table in sorted({*lake.tables(), *published}):
        for version in lake.versions_everywhere(table):
            if version.fingerprint != published.get(table) and _may_hold(version.path, users):
                lake.remove(table, version.fingerprint)
                removed += 1
    return removed


def _may_hold(table: Path, users: Collection[str]) -> bool:
    """Of a damaged table nobody can tell, and nobody can read it either."""
    try:
        return _in_parquet(table, users)
    except (OSError, pa.ArrowException):
        return True


def _remove_reports(home: Home, users: Collection[str]) -> int:
    """Reports of before, which showed example users by their ids, here and beside their runs in MLflow."""
    names, removed = named_in_a_page(users), 0
    for folder in (home.folder("reports"), home.folder("mlflow")):
        for page in sorted(path for path in folder.rglob("*.html") if path.is_file()):
            if names(page.read_text(encoding="utf-8", errors="replace")):
                page.unlink()
                facts_path(page).unlink(missing_ok=True)
                removed += 1
    return removed


def _rewrite_records(dagster: Path, hide: Callable[[str], str]) -> tuple[int, list[str]]:
    """Dagster's databases and the logs of its steps; how many hold less now, and which have to wait."""
    rewritten, busy = 0, list[str]()
    for file in sorted(dagster.rglob("*")):
        if file.is_symlink() or not file.is_file():
            continue
        try:
            if file.suffix == ".db":
                rewritten += _rewrite_database(file, in_records(hide))
            elif file.suffix in TEXTS:
                rewritten += _rewrite_text(file, hide)
        except sqlite3.Error:
            busy.append(str(file))
    return rewritten, busy


def _rewrite_database(file: Path, hide: Callable[[str, str], str]) -> bool:
    """Every text of every table. What was free before is overwritten by building the file anew."""
    with closing(sqlite3.connect(file, BUSY_SECONDS, isolation_level=None)) as connection:
        connection.create_function("hidden", 2, hide, deterministic=True)
        tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        before = connection.total_changes
        for (table,) in tables:
            for _, column, *_ in connection.execute(f'PRAGMA table_info("{table}")').fetchall():
                tag = tag_column(table, column)
                hidden = f'hidden("{column}", "{tag}")' if tag else f"hidden(\"{column}\", '')"
                connection.execute(
                    f'UPDATE "{table}" SET "{column}" = {hidden} '
                    f'WHERE typeof("{column}") = \'text\' AND {hidden} <> "{column}"'
                )
        changed = connection.total_changes > before
        connection.execute("VACUUM")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return changed


def _rewrite_text(file: Path, hide: Callable[[str], str]) -> bool:
    text = file.read_bytes().decode("utf-8", "surrogateescape")
    hidden = hide(text)
    if hidden != text:
        file.write_bytes(hidden.encode("utf-8", "surrogateescape"))
    return hidden != text


def _holds(file: Path, user: str, numbers: bool) -> bool:
    """Whether a table or a text does, packed or not, in any encoding; what is damaged as far as it goes."""
    if file.suffix == ".parquet":
        with suppress(pa.ArrowException):
            return _in_parquet(file, [user], numbers)
    wanted = [form.encode(encoding) for form in forms(user) for encoding in ENCODINGS]
    damaged = suppress(EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile, pa.ArrowException)
    with damaged, open_unpacked(file) as stream:
        return _found(stream, wanted)
    with file.open("rb") as stream:
        return _found(stream, wanted)


def _found(stream: Any, wanted: Collection[bytes]) -> bool:
    """Whether a stream holds any of these, read in pieces that overlap."""
    overlap, before = max(map(len, wanted)) - 1, b""
    while piece := stream.read1(READ):  # what can be read of a file that is cut off
        both = before + piece
        if any(one in both for one in wanted):
            return True
        before = both[-overlap:] if overlap else b""
    return False


def _in_parquet(file: Path, users: Collection[str], numbers: bool = False) -> bool:
    """Whether a text of a table is a user, or a text of many words names one; where `numbers` may be users,
    a whole number too."""
    table, wanted, hide = pq.ParquetFile(file), pa.array(sorted(users), pa.string()), hider(users)
    for name in table.schema_arrow.names:
        column = _as_texts(table.read([name]).column(0), numbers)
        if column is None:
            continue
        if pc.any(pc.is_in(column, value_set=wanted.cast(column.type))).as_py():
            return True
        if name == "text" and any(text and hide(text) != text for text in column.to_pylist()):
            return True
    return False


def _as_texts(column: pa.ChunkedArray, numbers: bool) -> pa.ChunkedArray | None:
    """The texts of a column, those of lists one behind the other; None of one that has none."""
    while pa.types.is_list(column.type) or pa.types.is_large_list(column.type):
        column = pc.list_flatten(column)
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if numbers and (pa.types.is_integer(column.type) or pa.types.is_binary(column.type)):
        column = column.cast(pa.string())
    return column if pa.types.is_string(column.type) or pa.types.is_large_string(column.type) else None
