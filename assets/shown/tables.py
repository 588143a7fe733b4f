"""What the UI shows of a table."""

import time
from collections.abc import Collection, Iterable, Mapping
from typing import Any

import dagster as dg
import duckdb

from assets.engines.sql import preview
from assets.formats.table import Table
from assets.state.lake import TableVersion


def columns_shown(table: Table) -> dict[str, Any]:
    """The columns of a table, as metadata of the asset that makes it; none where its answers come first."""
    if table.answers:
        return {}
    columns = [
        dg.TableColumn(
            column.name,
            column.type_name,
            column.words,
            dg.TableColumnConstraints(nullable=column.nullable, other=list(column.promises())),
        )
        for column in table.columns
    ]
    rules = dg.TableConstraints(other=[rule.words for rule in table.rules])
    shown = dg.TableSchema(columns=columns, constraints=rules)
    return {"dagster/column_schema": shown}


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
            "first rows": dg.MetadataValue.md(preview(connection, version.table)),
            "fingerprint": version.fingerprint,
            "seconds": round(time.monotonic() - started, 1),
        },
        data_version=dg.DataVersion(version.fingerprint),
    )
