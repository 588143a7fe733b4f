"""The built-in sample where people play things again, as a table with times."""

from assets.ingest.generated import Generated
from assets.ingest.source import DataSource
from assets.ingest.sources import table
from assets.resources import Source
from assets.sample.dated import ITEMS_FILE, PLAYS_FILE
from assets.sample.repeats import RepeatingOptimum, write_repeating_sample
from models.bundle.bundle import ItemTable

SAMPLE = Generated(
    "sample-repeats",
    write_repeating_sample,
    {table.PLAYS_ROLE + PLAYS_FILE: PLAYS_FILE, table.ITEMS_ROLE: ITEMS_FILE},
)


def optimum(source: Source, items: ItemTable) -> RepeatingOptimum:
    """The best scorer that there can be on a sample of this size and seed."""
    return RepeatingOptimum(source.sample_size, source.seed, items)


SOURCE = DataSource(
    files=SAMPLE.fetch,
    state=SAMPLE.state,
    plays=table.SOURCE.plays,
    catalogue=table.SOURCE.catalogue,
    optimum=optimum,
    repeats="keep",
)
