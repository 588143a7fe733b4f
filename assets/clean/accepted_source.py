"""What somebody accepted as the size of the source, in place of what the champion was made from."""

import dagster as dg

from assets.clean.shrinking import ACCEPTED_SOURCE, ANY_LOSS, SHRINKS, counts, table_before
from assets.contracts import checks_of
from assets.resources import Cleaning, Home, Source
from assets.shown.tables import columns_shown
from assets.state.lake import fingerprint
from assets.state.made_here import publish_row


@dg.asset(
    pool="lake",
    kinds={"duckdb"},
    deps=[SHRINKS],
    description=ACCEPTED_SOURCE.words,
    metadata=columns_shown(ACCEPTED_SOURCE),
)
def accepted_source(home: Home, source: Source, cleaning: Cleaning) -> dg.MaterializeResult[None]:
    before = table_before(home, source.name)
    if cleaning.max_shrink < ANY_LOSS or isinstance(before, str):
        return dg.MaterializeResult(metadata={"accepted": "nothing"})
    now = counts(home, home.lake().current(SHRINKS))
    row = {"in_place_of": before.fingerprint, **now}
    publish_row(home.lake(), ACCEPTED_SOURCE, fingerprint(ACCEPTED_SOURCE.name, row), row)
    return dg.MaterializeResult(metadata={"accepted": dg.MetadataValue.json(dict(now))})


ACCEPTED_CHECKS = checks_of(ACCEPTED_SOURCE)
