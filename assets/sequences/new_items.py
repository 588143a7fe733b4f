"""Releases of the catalogue that nobody plays yet: in the vocabulary, for models that know their content."""

from datetime import UTC, datetime, timedelta

import dagster as dg
import pyarrow as pa

from assets.engines.sql import statement
from assets.formats.timestamps import no_clock, units_a_second
from assets.state.lake import Lake


def new_items(lake: Lake, days: int, schema: pa.Schema) -> pa.Table:
    """The items that came out in so many days before the newest play, or later, and that nobody plays.

    None for 0 days. Of plays whose times are no clock none either, and a warning says so.
    """
    if not days:
        return schema.empty_table()
    with lake.connect("core_interactions", "catalogue") as connection:
        span = connection.sql(statement("time_span")).to_arrow_table().to_pylist()[0]
        if fault := no_clock(**span):
            dg.get_dagster_logger().warning("NEXTPLAY_NEW_ITEMS=%d has no effect, for %s.", days, fault)
            return schema.empty_table()
        unit = units_a_second(span["last"]) or 1
        newest = datetime.fromtimestamp(span["last"] / unit, UTC).date()
        values = {"since": newest - timedelta(days=days)}
        return connection.sql(statement("new_items"), params=values).to_arrow_table().cast(schema)
