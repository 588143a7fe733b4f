"""MLflow's SQLite store where MLflow itself does not look after it: is it whole, and has its folder moved?

MLflow makes and migrates a store in many commits. A process that dies between two of them leaves one that
MLflow can neither use nor migrate, so that is done beside the store's place.

MLflow writes the absolute address of its artifacts into its database and has no command that changes it:
without this, what is logged next would go to the old place, and what is deleted would be deleted there.
"""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock

from assets.state.files import sqlite_address
from models.mistakes import UserError

if TYPE_CHECKING:
    from alembic.script import ScriptDirectory

SQL = Path(__file__).parent / "sql" / "sqlite"
STATEMENTS = ("moved_experiments", "moved_runs", "moved_versions")


class TrackingError(UserError):
    """MLflow's store cannot be used; the message says what to do."""


def check(database: Path) -> None:
    """Raises TrackingError where the file is there and damaged."""
    if not database.exists():
        return
    try:
        with closing(sqlite3.connect(database, timeout=60)) as connection:
            (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.OperationalError:
        raise
    except sqlite3.DatabaseError as error:
        found = str(error)
    if found != "ok":
        raise TrackingError(
            f"MLflow's store {database} is damaged ({found}): restore it from a backup. "
            "What serves is as it was."
        )


def prepare(database: Path) -> None:
    """Make the store, or bring that of an older MLflow up to date; it appears whole, or stays as it was."""
    if _schema(database) == _newest_schema():
        return
    _refuse_a_newer_one(database)
    from mlflow import MlflowClient

    database.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{database}.lock"):
        if _schema(database) == _newest_schema():
            return  # another process was faster
        unfinished = database.with_name(f"{database.name}.new")
        unfinished.unlink(missing_ok=True)
        if database.exists():
            with closing(sqlite3.connect(database)) as old, closing(sqlite3.connect(unfinished)) as new:
                old.backup(new)
        MlflowClient(tracking_uri=sqlite_address(unfinished)).search_experiments(max_results=1)
        unfinished.replace(database)


def _schema(database: Path) -> str | None:
    """The revision of a store's tables; None where there is no store, or nothing in it."""
    if not database.exists():
        return None
    with closing(sqlite3.connect(database, timeout=60)) as connection:
        if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'").fetchone():
            return None
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    return str(row[0]) if row else None


def _refuse_a_newer_one(database: Path) -> None:
    """Raises TrackingError for a store that the installed MLflow can neither use nor migrate."""
    schema = _schema(database)
    if schema is not None and schema not in _known_schemas():
        raise TrackingError(
            f"MLflow's store {database} was written by a newer MLflow (its tables are of revision {schema}): "
            "install the release that wrote it again, or restore a backup from before it."
        )


def _known_schemas() -> set[str]:
    """Every revision that the installed MLflow knows."""
    return {script.revision for script in _scripts().walk_revisions()}


def _newest_schema() -> str | None:
    """The revision that the installed MLflow works with."""
    return _scripts().get_current_head()


def _scripts() -> "ScriptDirectory":
    import mlflow.store.db_migrations as migrations
    from alembic.script import ScriptDirectory

    (folder,) = migrations.__path__
    return ScriptDirectory(folder)


def point_to(database: Path, old: str, new: str) -> None:
    """Make every address that begins with `old` begin with `new`, all of them or none."""
    with closing(sqlite3.connect(database)) as connection, connection:
        for name in STATEMENTS:
            statement = (SQL / f"{name}.sql").read_text(encoding="utf-8")
            connection.execute(statement, {"old": old, "new": new})
