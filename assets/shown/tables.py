"""What the UI shows of a table."""

import time
from collections.abc import Mapping
from typing import Any

import dagster as dg
import duckdb

from assets.engines.sql import preview
from assets.state.lake import TableVersion


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
