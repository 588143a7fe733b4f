"""A source that lost much of its data overnight stops the run: half a file is a whole file to a reader."""

from collections.abc import Mapping

import dagster as dg

from assets.io.lake import TableVersion
from assets.io.sql import statement
from assets.resources import Cleaning, Home, Source
from models.bundle import BundleError, read_manifest

SHRINKS = "interactions"


@dg.asset_check(
    asset=SHRINKS,
    blocking=True,
    description="The source holds about as much as when the champion was made; NEXTPLAY_MAX_SHRINK says how.",
)
def source_has_not_shrunk(home: Home, source: Source, cleaning: Cleaning) -> dg.AssetCheckResult:
    before = _before(home, source.name)
    if isinstance(before, str):
        return dg.AssetCheckResult(passed=True, description=before)
    now, then = counts(home, home.lake().current(SHRINKS)), counts(home, before)
    lost = {what: 1 - now[what] / then[what] for what in then if then[what]}
    told = ", ".join(f"{now[what]:,} {what} ({then[what]:,} then)" for what in then)
    faults = {what: share for what, share in lost.items() if share > cleaning.max_shrink}
    metadata = {"lost": dg.MetadataValue.json(lost)}
    if not faults:
        return dg.AssetCheckResult(passed=True, description=told, metadata=metadata)
    worst = max(faults, key=lambda what: faults[what])
    allowed = f"NEXTPLAY_MAX_SHRINK={cleaning.max_shrink:g}"
    return dg.AssetCheckResult(
        passed=False,
        description=f"The source has lost {faults[worst]:.0%} of its {worst} since the champion was made, "
        f"more than {allowed} allows: {told}. Where that is right, run once with NEXTPLAY_MAX_SHRINK=1; else "
        "repair the source.",
        metadata=metadata,
    )


def counts(home: Home, version: TableVersion) -> Mapping[str, int]:
    """Interactions, users and items of a version of the table `interactions`."""
    with home.lake().connect() as connection:
        connection.from_parquet(str(version.path)).create_view("counted")
        found = connection.execute(statement("source_counts"))
        names = [column[0] for column in found.description]
        return dict(zip(names, found.fetchone() or (), strict=True))


def _before(home: Home, source: str) -> TableVersion | str:
    """The table as it was when the champion was made, or why there is nothing to compare with."""
    champions = home.champions()
    now = champions.whole()
    if now is None:
        return "There is no champion yet."
    try:
        if read_manifest(champions.folder(now)).source != source:
            return "The champion was made from another source."
    except BundleError as error:
        return str(error)
    reigns = (r for r in reversed(champions.history()) if r.pointer.bundle_hash == now.bundle_hash)
    made_from = next((r.tables[SHRINKS] for r in reigns if SHRINKS in r.tables), None)
    versions = {version.fingerprint: version for version in home.lake().versions(SHRINKS)}
    return versions.get(made_from or "", "The table that the champion was made from is not kept.")
