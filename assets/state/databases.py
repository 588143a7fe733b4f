"""Databases of DuckDB: empty ones in memory, and files of views."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from itertools import count
from pathlib import Path

import duckdb

from assets.state.files import literal, scratch_name
from models.cores import usable_cores

_numbers = count()


@contextmanager
def new_database(spill: Path, memory_limit: str) -> Iterator[duckdb.DuckDBPyConnection]:
    """A DuckDB in memory, which spills into a folder below `spill`, and goes with the connection."""
    with _start(spill, memory_limit, usable_cores()) as connection:
        yield connection


@contextmanager
def kept_database(spill: Path, memory_limit: str) -> Iterator[duckdb.DuckDBPyConnection]:
    """The same in the DuckDB of the call before, for work that takes little memory.

    A start takes 17 ms, a hundred times a night. But such a DuckDB gives its memory back at its end alone.
    """
    name = f"database_{next(_numbers)}"
    with _kept(os.getpid(), spill, memory_limit, usable_cores()).cursor() as connection:
        connection.execute(f"ATTACH ':memory:' AS {name}")
        connection.execute(f"USE {name}")
        try:
            yield connection
        finally:
            connection.execute("USE memory")
            connection.execute(f"DETACH {name}")


@lru_cache(maxsize=1)
def _kept(process: int, spill: Path, memory_limit: str, threads: int) -> duckdb.DuckDBPyConnection:
    """That of this process: in one that was forked its threads are missing."""
    return _start(spill, memory_limit, threads)


def _start(spill: Path, memory_limit: str, threads: int) -> duckdb.DuckDBPyConnection:
    spill.mkdir(exist_ok=True)
    return duckdb.connect(
        config={
            "memory_limit": memory_limit,
            "threads": threads,
            # DuckDB removes it at its end
            "temp_directory": str(spill / scratch_name()),
        }
    )


def write_views(connection: duckdb.DuckDBPyConnection, file: Path, tables: Mapping[str, Path]) -> None:
    """Make a database, or bring it up to date: a view of each Parquet file, by its name, and no other."""
    name = f"views_{next(_numbers)}"
    connection.execute(f"ATTACH $file AS {name}", {"file": str(file)})
    try:
        known = connection.execute(
            "SELECT view_name, sql FROM duckdb_views() WHERE database_name = ? AND NOT internal", [name]
        ).fetchall()
        read = {table: f"read_parquet({_quoted(literal(path))})" for table, path in tables.items()}
        right = {table for table, sql in known if table in read and read[table] in sql}
        for table, _ in known:
            if table not in tables:
                connection.execute(f"DROP VIEW {name}.main.{table}")
        for table in sorted(read.keys() - right):
            connection.execute(f"CREATE OR REPLACE VIEW {name}.main.{table} AS FROM {read[table]}")
    finally:
        connection.execute(f"DETACH {name}")


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
