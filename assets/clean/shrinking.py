"""A source that lost much of its data overnight stops the run: half a file is a whole file to a reader."""

from collections.abc import Mapping

import dagster as dg

from assets.contracts import blocking_check
from assets.engines.sql import statement
from assets.formats.table import HASH, Table, count, text
from assets.resources import Cleaning, Home, Source
from assets.state.champions import Reign
from assets.state.files import literal
from assets.state.lake import LakeError, TableVersion
from assets.state.made_here import read_row
from models.bundle.bundle import BundleError, read_manifest

SHRINKS = "interactions"
ACCEPTED_SOURCE = Table(
    "accepted_source",
    "Where a smaller source was accepted by `NEXTPLAY_MAX_SHRINK=1`: which table was given up, and for what "
    "size.",
    (
        text("in_place_of", "version of `interactions` that is compared with no more", matches=HASH),
        count("interactions", "accepted number"),
        count("users", "accepted number"),
        count("items", "accepted number"),
    ),
    optional=True,
)
ANY_LOSS = 1.0


@blocking_check(
    asset=SHRINKS,
    description="The source holds about as much as when the champion was made; NEXTPLAY_MAX_SHRINK says how. "
    "With 1 it passes, and the asset accepted_source keeps the size that later runs compare with.",
)
def source_has_not_shrunk(home: Home, source: Source, cleaning: Cleaning) -> dg.AssetCheckResult:
    before = table_before(home, source.name)
    if isinstance(before, str):
        return dg.AssetCheckResult(passed=True, description=before)
    accepted = _accepted(home, before)
    now, then = counts(home, home.lake().current(SHRINKS)), accepted or counts(home, before)
    lost = {what: 1 - now[what] / then[what] for what in then if then[what]}
    told = ", ".join(f"{now[what]:,} {what} ({then[what]:,} then)" for what in then)
    faults = {what: share for what, share in lost.items() if share > cleaning.max_shrink}
    metadata = {"lost": dg.MetadataValue.json(lost)}
    if not faults:
        return dg.AssetCheckResult(passed=True, description=told, metadata=metadata)
    worst = max(faults, key=lambda what: faults[what])
    since = "its size was accepted" if accepted else "the champion was made"
    allowed = f"NEXTPLAY_MAX_SHRINK={cleaning.max_shrink:g}"
    return dg.AssetCheckResult(
        passed=False,
        description=f"The source has lost {faults[worst]:.0%} of its {worst} since {since}, "
        f"more than {allowed} allows: {told}. Where that is right, run once with NEXTPLAY_MAX_SHRINK=1; else "
        "repair the source.",
        metadata=metadata,
    )


def counts(home: Home, version: TableVersion) -> Mapping[str, int]:
    """Interactions, users and items of a version of the table `interactions`."""
    with home.lake().connect() as connection:
        connection.from_parquet(literal(version.path)).create_view("counted")
        found = connection.execute(statement("source_counts"))
        names = [column[0] for column in found.description]
        return dict(zip(names, found.fetchone() or (), strict=True))


def table_before(home: Home, source: str) -> TableVersion | str:
    """The table as it was when the champion was made, or why there is nothing to compare with.

    One that was promoted by hand may not name its table: then it is that of the newest champion that does.
    """
    champions = home.champions()
    now = champions.whole()
    if now is None:
        return "There is no champion yet."
    try:
        if read_manifest(champions.folder(now)).source != source:
            return "The champion was made from another source."
    except BundleError as error:
        return str(error)
    newest_first = reversed(champions.history())
    reigns = sorted(newest_first, key=lambda reign: reign.pointer.bundle_hash != now.bundle_hash)
    versions = {version.fingerprint: version for version in home.lake().versions(SHRINKS)}
    for reign in reigns:
        version = versions.get(reign.tables.get(SHRINKS, ""))
        if version is not None and _is_of(home, reign, source):
            return version
    return "The table that the champion was made from is not kept."


def _is_of(home: Home, reign: Reign, source: str) -> bool:
    try:
        return read_manifest(home.champions().folder(reign.pointer)).source == source
    except BundleError:
        return False


def _accepted(home: Home, before: TableVersion) -> Mapping[str, int] | None:
    """The size that somebody accepted in place of that of a table, if anybody did."""
    try:
        row = read_row(home.lake(), ACCEPTED_SOURCE)
    except LakeError:  # there is none, or it is damaged: then nothing is accepted
        return None
    return row if row.pop("in_place_of") == before.fingerprint else None
