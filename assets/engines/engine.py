"""What makes the tables: DuckDB on this machine, or Spark on many. Both run the statements of the rooms."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import duckdb
import pyarrow as pa

from assets.engines import sql
from assets.state.lake import write_parquet

NOTHING: Mapping[str, Any] = {}


@dataclass(frozen=True)
class Found:
    """The rows of a statement, all of them: for statements that find few."""

    columns: list[str]
    rows: list[tuple[Any, ...]]

    def one(self) -> dict[str, Any]:
        """The only row, by column."""
        (row,) = self.rows
        return dict(zip(self.columns, row, strict=True))


class Engine(Protocol):
    """Named tables and views, and the named statements that read and make them; values are bound."""

    def create(self, table: str, columns: pa.Schema) -> None:
        """An empty table, in place of one that there may be."""

    def make_table(self, table: str, parameters: Mapping[str, Any] = NOTHING) -> None:
        """Run the statement of that name and keep its rows under the same name."""

    def make_view(self, view: str, parameters: Mapping[str, Any] = NOTHING) -> None:
        """The statement of that name, run whenever the view is read."""

    def append(self, table: str, name: str, parameters: Mapping[str, Any] = NOTHING) -> int:
        """Add the rows of a statement to a table; returns how many."""

    def alias(self, view: str, table: str) -> None:
        """Another name for a table or view."""

    def load(self, view: str, rows: pa.Table) -> None:
        """A view of few rows."""

    def find(self, name: str, parameters: Mapping[str, Any] = NOTHING) -> Found:
        """The rows of a statement."""

    def find_some(self, name: str, parameters: Mapping[str, Any], shown: int) -> tuple[Found, int]:
        """The first rows of a statement, and how many it has."""

    def write(self, name: str, path: Path, parameters: Mapping[str, Any] = NOTHING) -> None:
        """Write the rows of a statement that orders them, as one Parquet file."""

    def ibis_table(self, table: str) -> Any:
        """The table as ibis sees it."""


class DuckDB:
    """The engine of one machine: a connection of the lake."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self.connection = connection

    def create(self, table: str, columns: pa.Schema) -> None:
        self.connection.register("no_rows", columns.empty_table())
        self.connection.execute(f"CREATE OR REPLACE TABLE {table} AS FROM no_rows")
        self.connection.unregister("no_rows")

    def make_table(self, table: str, parameters: Mapping[str, Any] = NOTHING) -> None:
        sql.make_table(self.connection, table, parameters)

    def make_view(self, view: str, parameters: Mapping[str, Any] = NOTHING) -> None:
        if parameters:  # DuckDB binds no values in a view
            self.make_table(view, parameters)
        else:
            sql.make_view(self.connection, view)

    def append(self, table: str, name: str, parameters: Mapping[str, Any] = NOTHING) -> int:
        return sql.append(self.connection, table, name, parameters)

    def alias(self, view: str, table: str) -> None:
        self.connection.table(table).create_view(view)

    def load(self, view: str, rows: pa.Table) -> None:
        self.connection.register(view, rows)

    def find(self, name: str, parameters: Mapping[str, Any] = NOTHING) -> Found:
        found = self.connection.execute(sql.statement(name), dict(parameters))
        return Found([column[0] for column in found.description], found.fetchall())

    def find_some(self, name: str, parameters: Mapping[str, Any], shown: int) -> tuple[Found, int]:
        found = self.connection.execute(sql.statement(name), dict(parameters))
        columns, first = [column[0] for column in found.description], found.fetchmany(shown)
        count = len(first)
        while more := found.fetchmany(10_000):
            count += len(more)
        return Found(columns, first), count

    def write(self, name: str, path: Path, parameters: Mapping[str, Any] = NOTHING) -> None:
        write_parquet(self.connection, sql.statement(name), path, parameters)

    def ibis_table(self, table: str) -> Any:
        import ibis

        return ibis.duckdb.from_connection(self.connection).table(table)
