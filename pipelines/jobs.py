"""The jobs."""

import dagster as dg

# Bounded: a night that fails three times needs a person.
RETRIES = {"dagster/max_retries": "2", "dagster/retry_strategy": "FROM_FAILURE"}

everything = dg.define_asset_job(
    "everything",
    selection=dg.AssetSelection.all(),
    description="Every asset, from the raw files to a gated champion behind an endpoint.",
    tags=RETRIES,
    config={"loggers": {"console": {}}},  # else Dagster takes its own, with a line for each event
)

watch = dg.define_asset_job(
    "watch",
    selection=dg.AssetSelection.assets(
        "events", "refusals", "all_interactions", "event_quarantine", "held_back", "drift", "online_results"
    ),
    description="Takes in what the endpoint collected, and looks at drift and online results.",
    tags=RETRIES,
    config={"loggers": {"console": {}}},
)
