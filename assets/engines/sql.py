"""The SQL statements, each in the folder `sql` of its room: one intent to a file, values bound."""

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import duckdb

ROOMS = Path(__file__).parents[1]


def statement(name: str) -> str:
    """The text of `assets/<room>/sql/<name>.sql`: one SELECT, with parameters written `$name`."""
    return statement_files()[name].read_text(encoding="utf-8")


@cache
def statement_files() -> dict[str, Path]:
    """Each statement's file by its name, which stands once in all rooms."""
    files = sorted(ROOMS.rglob("sql/*.sql"))
    named = {path.stem: path for path in files}
    if len(named) < len(files):
        twice = next(path for path in files if named[path.stem] != path)
        raise ValueError(f"Two statements are called {twice.stem}: {twice} and {named[twice.stem]}.")
    return named


def make_table(
    connection: duckdb.DuckDBPyConnection, table: str, parameters: Mapping[str, Any] | None = None
) -> None:
    """Run the statement of that name and keep its rows as a table under the same name."""
    connection.execute(f"CREATE OR REPLACE TABLE {table} AS {statement(table)}", dict(parameters or {}))


def make_view(connection: duckdb.DuckDBPyConnection, view: str) -> None:
    """A view of the statement of that name."""
    connection.execute(f"CREATE OR REPLACE VIEW {view} AS {statement(view)}")


def append(
    connection: duckdb.DuckDBPyConnection, table: str, name: str, parameters: Mapping[str, Any]
) -> int:
    """Add the rows of a statement to a table; returns how many."""
    row = connection.execute(f"INSERT INTO {table} {statement(name)}", dict(parameters)).fetchone()
    return int(row[0]) if row else 0


def query(connection: duckdb.DuckDBPyConnection, name: str) -> str:
    """The rows of a statement as Markdown."""
    found = connection.execute(statement(name))
    return markdown([column[0] for column in found.description], found.fetchall())


def markdown(columns: Sequence[str], rows: Sequence[Sequence[object]], longest: int = 80) -> str:
    """Rows as a Markdown table; a cell never breaks the table, whatever it holds."""

    def cell(value: object) -> str:
        text = "" if value is None else " ".join(str(value).split())
        return (text[:longest] + "…" if len(text) > longest else text).replace("|", "\\|")

    lines = [list(columns), ["---"] * len(columns), *([cell(value) for value in row] for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
