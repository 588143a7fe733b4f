"""MLflow's SQLite store after its folder was moved, copied or restored elsewhere.

MLflow writes the absolute address of its artifacts into its database and has no command that changes it:
without this, what is logged next would go to the old place, and what is deleted would be deleted there.
"""

import sqlite3
from contextlib import closing
from pathlib import Path

SQL = Path(__file__).parents[1] / "sql" / "sqlite"
STATEMENTS = ("moved_experiments", "moved_runs", "moved_versions")


def point_to(database: Path, old: str, new: str) -> None:
    """Make every address that begins with `old` begin with `new`, all of them or none."""
    with closing(sqlite3.connect(database)) as connection, connection:
        for name in STATEMENTS:
            statement = (SQL / f"{name}.sql").read_text(encoding="utf-8")
            connection.execute(statement, {"old": old, "new": new})
