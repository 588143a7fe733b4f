"""What still holds a user who asked to be forgotten, when it goes, and the removal of what can be removed.

The next run makes the current tables and the snapshot of histories without the user. Older versions of
tables, reports and Dagster's records of before stay until they are erased. A record is rewritten in its
place, as its run has to stay: there an id is found as a whole word, so one of less than `SHORTEST` letters
is not looked for.
"""

import gzip
import html
import json
import os
import re
import sqlite3
from collections.abc import Callable, Collection, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

import markupsafe
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from assets.evaluation.reporting.facts import facts_path
from assets.release.records_elsewhere import rewrite_elsewhere
from assets.resources import Home, Shared
from assets.state.apart import FOLDER, forget_apart

SHORTEST = 6
HIDDEN = "(forgotten)"
BUSY_SECONDS = 10.0
WORD = re.compile(r"[\w.@+-]+")
PREVIEW = re.compile(r'"md_str": "(?:[^"\\]|\\.)*\buser_id\b(?:[^"\\]|\\.)*"(?=\}, "label": "first rows")')
NO_PREVIEW = '"md_str": "(removed, as it named users)"'
TEXTS = (".html", ".json", ".txt", ".md", ".csv", ".out", ".err", ".log")

NEXT_RUN, ERASE = "the next run makes it without the user", "make erase removes it"
GOES = {  # what lies in a folder of the home, and when it goes
    "raw": "you remove the user from the source",
    "champion": NEXT_RUN,
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
    """Every file of the home that holds a user, Parquet, SQLite and gzip included."""
    root, published = home.folder(), home.lake().published()
    current = {f"lake/tables/{table}/{made_from[:16]}" for table, made_from in published.items()}
    for file in sorted(root.rglob("*")):
        if file.is_symlink() or not file.is_file() or not _holds(file, user):
            continue
        place = file.relative_to(root).as_posix()
        goes = GOES.get(place.split("/")[0], ERASE)
        yield Held(place, NEXT_RUN if place.rpartition("/")[0] in current else goes)


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
    if address := Shared().address("dagster_database"):
        records += rewrite_elsewhere(address, hide)
    erased = Erased(_remove_versions(home, users), _remove_reports(home, hide), records, busy)
    if store := home.event_store():
        store.compact()
        store.close()
    return erased


def hider(users: Collection[str]) -> Callable[[str], str]:
    """A function that replaces the ids of some users in a text, each as a whole word."""
    long = {user for user in users if len(user) >= SHORTEST}
    words = {user for user in long if WORD.fullmatch(user)}
    others = {form for user in long - words for form in _forms(user)}
    texts = [re.escape(form) for form in sorted(others, key=len, reverse=True)]
    texts += [_whole(form) for user in words for form in _forms(user) - {user}]
    other = re.compile("|".join(texts)) if texts else None

    def hide(text: str) -> str:
        text = PREVIEW.sub(NO_PREVIEW, text)
        if other is not None:
            text = other.sub(HIDDEN, text)
        return WORD.sub(lambda word: _hidden(word[0], words), text)

    return hide


def _hidden(word: str, users: Collection[str]) -> str:
    """A word, or what stands for it. A stop that ends a sentence is no part of an id, nor is the letter
    before it that of a line's end as JSON writes it."""
    for before, name in (("", word), (word[:1], word[1:] if word[0] in "nrt" else "")):
        for after in ("", "."):
            if name.endswith(after) and name.removesuffix(after) in users:
                return f"{before}{HIDDEN}{after}"
    return word


def _forms(user: str) -> set[str]:
    """How an id stands in text, in JSON, in JSON within JSON, and in pages, by their two ways to quote."""
    in_json = json.dumps(user)[1:-1]
    return {user, in_json, json.dumps(in_json)[1:-1], html.escape(user), str(markupsafe.escape(user))}


def _whole(form: str) -> str:
    """The pattern of a word that JSON writes otherwise, where it is not a part of a longer one."""
    return rf"(?:(?<![\w.@+-])|(?<=\\[nrt])){re.escape(form)}(?![\w@+-]|\.\w|\\+u[0-9a-f])"


def _dagster(home: Home) -> Path:
    return Path(os.environ.get("DAGSTER_HOME") or home.folder("dagster"))


def _remove_versions(home: Home, users: Collection[str]) -> int:
    """Versions of tables that are not current; also those of former champions, which are not made again."""
    lake, removed = home.lake(), 0
    published = lake.published()
    for table in sorted({*lake.tables(), *published}):
        for version in lake.versions_everywhere(table):
            if version.fingerprint != published.get(table) and _in_parquet(version.path, users):
                lake.remove(table, version.fingerprint)
                removed += 1
    return removed


def _remove_reports(home: Home, hide: Callable[[str], str]) -> int:
    """Reports of before, which showed example users by their ids, here and beside their runs in MLflow."""
    removed = 0
    for folder in (home.folder("reports"), home.folder("mlflow")):
        for page in sorted(path for path in folder.rglob("*.html") if path.is_file()):
            text = page.read_text(encoding="utf-8", errors="replace")
            if hide(text) != text:
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
                rewritten += _rewrite_database(file, hide)
            elif file.suffix in TEXTS:
                rewritten += _rewrite_text(file, hide)
        except sqlite3.Error:
            busy.append(str(file))
    return rewritten, busy


def _rewrite_database(file: Path, hide: Callable[[str], str]) -> bool:
    """Every text of every table. What was free before is overwritten by building the file anew."""
    with closing(sqlite3.connect(file, BUSY_SECONDS, isolation_level=None)) as connection:
        connection.create_function("hidden", 1, hide, deterministic=True)
        tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        before = connection.total_changes
        for (table,) in tables:
            for _, column, *_ in connection.execute(f'PRAGMA table_info("{table}")').fetchall():
                connection.execute(
                    f'UPDATE "{table}" SET "{column}" = hidden("{column}") '
                    f'WHERE typeof("{column}") = \'text\' AND hidden("{column}") <> "{column}"'
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


def _holds(file: Path, user: str) -> bool:
    if file.suffix == ".parquet":
        return _in_parquet(file, [user])
    content = file.read_bytes()
    if content.startswith(b"\x1f\x8b"):
        with suppress(OSError, EOFError):
            content += gzip.decompress(content)
    return any(form.encode() in content for form in _forms(user))


def _in_parquet(file: Path, users: Collection[str]) -> bool:
    """Whether a text of a table is a user, or a text of many words names one."""
    table, wanted, hide = pq.ParquetFile(file), pa.array(sorted(users), pa.string()), hider(users)
    for name in table.schema_arrow.names:
        column = table.read([name]).column(0)
        while pa.types.is_list(column.type) or pa.types.is_large_list(column.type):
            column = pc.list_flatten(column)
        if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
            continue
        if pc.any(pc.is_in(column, value_set=wanted.cast(column.type))).as_py():
            return True
        if name == "text" and any(text and hide(text) != text for text in column.to_pylist()):
            return True
    return False
