"""What the players of the built-in sample play, as a table with times."""

from assets.ingest.generated import Generated, optimum
from assets.ingest.source import DataSource
from assets.ingest.sources import table
from assets.sample.dated import ITEMS_FILE, PLAYS_FILE, write_dated_sample

SAMPLE = Generated(
    "sample-dated",
    write_dated_sample,
    {table.PLAYS_ROLE + PLAYS_FILE: PLAYS_FILE, table.ITEMS_ROLE: ITEMS_FILE},
)
SOURCE = DataSource(
    files=SAMPLE.fetch,
    state=SAMPLE.state,
    plays=table.SOURCE.plays,
    catalogue=table.SOURCE.catalogue,
    optimum=optimum,
)
