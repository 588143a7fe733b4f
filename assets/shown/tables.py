"""What the UI shows of a table."""

import time
from collections.abc import Collection, Iterable, Mapping
from typing import Any

import dagster as dg
import duckdb

from assets.engines.sql import markdown
from assets.formats.table import Table
from assets.state.lake import TableVersion

FITS = 24  # letters of a tag that the UI shows whole
PREVIEWED = 5  # rows
NUMBERED = ("user_id", "event_id", "request_id")  # Dagster keeps what it shows, and forgets nobody
UNSHOWN = ("text",)  # of a line that could not be read, and may name anybody


def columns_shown(table: Table) -> dict[str, Any]:
    """The columns of a table, as metadata of the asset that makes it; none where its answers come first.

    The rules of the table are its checks, which the UI shows with their words.
    """
    if table.answers:
        return {}
    columns = [
        dg.TableColumn(
            column.name,
            column.type_name,
            "; ".join([column.words, *(words for words in column.promises() if len(words) > FITS)]),
            dg.TableColumnConstraints(
                nullable=column.nullable, other=[words for words in column.promises() if len(words) <= FITS]
            ),
        )
        for column in table.columns
    ]
    return {"dagster/column_schema": dg.TableSchema(columns=columns)}


def table_specs(
    tables: Iterable[Table], deps: Iterable[str], kinds: Collection[str], code_version: str | None = None
) -> list[dg.AssetSpec]:
    """The assets of one step that makes some tables."""
    return [
        dg.AssetSpec(
            table.name,
            description=table.words,
            metadata=columns_shown(table),
            deps=list(deps),
            kinds=set(kinds),
            code_version=code_version,
        )
        for table in tables
    ]


def table_result(
    connection: duckdb.DuckDBPyConnection, version: TableVersion, started: float, told: Mapping[str, Any]
) -> dg.MaterializeResult[None]:
    """A published table with what the UI shows of it."""
    return dg.MaterializeResult(
        asset_key=version.table,
        metadata={
            "dagster/row_count": version.rows,
            **told,
            "first rows": dg.MetadataValue.md(_preview(connection, version.table)),
            "fingerprint": version.fingerprint,
            "seconds": round(time.monotonic() - started, 1),
        },
        data_version=dg.DataVersion(version.fingerprint),
    )


def _preview(connection: duckdb.DuckDBPyConnection, table: str) -> str:
    """The first rows as Markdown, with numbers in place of people."""
    found = connection.execute(f"SELECT * FROM {table} LIMIT {PREVIEWED:d}")
    names = [column[0] for column in found.description]
    columns = [list(column) for column in zip(*found.fetchall(), strict=True)]
    for name, column in zip(names, columns, strict=False):
        if name in NUMBERED:
            numbers = {value: number for number, value in enumerate(dict.fromkeys(column), start=1)}
            column[:] = [None if value is None else numbers[value] for value in column]
        elif name in UNSHOWN:
            column[:] = [None if value is None else "see the table" for value in column]
    return markdown(names, list(zip(*columns, strict=True)))
