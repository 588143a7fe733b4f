"""How the times of events are written beside those of the source."""

from typing import Any

import duckdb

from assets.engines.sql import statement
from assets.formats.timestamps import MICROSECONDS, units_a_second


def clock(connection: duckdb.DuckDBPyConnection) -> dict[str, Any]:
    """How a time in milliseconds since 1970 is written in the column `timestamp` of the view `interactions`.

    The unit of a table's whole numbers is told from their size; numbers that are no time put all events
    behind the source. In a source without times the events have microseconds.
    """
    dated, last = connection.execute(statement("source_times")).fetchone() or (False, None)
    if not dated:
        return {"dated": False, "units_a_ms": MICROSECONDS / 1000, "offset": 0}
    if unit := units_a_second(last):
        return {"dated": True, "units_a_ms": unit / 1000, "offset": 0}
    return {"dated": True, "units_a_ms": 1.0, "offset": last + 1}
