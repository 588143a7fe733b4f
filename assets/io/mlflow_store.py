"""MLflow's SQLite store where MLflow itself does not look after it: is it whole, and has its folder moved?

MLflow writes the absolute address of its artifacts into its database and has no command that changes it:
without this, what is logged next would go to the old place, and what is deleted would be deleted there.
"""

import sqlite3
from contextlib import closing
from pathlib import Path

SQL = Path(__file__).parents[1] / "sql" / "sqlite"
STATEMENTS = ("moved_experiments", "moved_runs", "moved_versions")


class TrackingError(Exception):
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


def point_to(database: Path, old: str, new: str) -> None:
    """Make every address that begins with `old` begin with `new`, all of them or none."""
    with closing(sqlite3.connect(database)) as connection, connection:
        for name in STATEMENTS:
            statement = (SQL / f"{name}.sql").read_text(encoding="utf-8")
            connection.execute(statement, {"old": old, "new": new})
