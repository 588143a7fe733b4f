"""What was read and may be meant otherwise: checks that warn, and block nothing."""

from collections.abc import Sequence

import dagster as dg

from assets.engines.sql import markdown, statement
from assets.resources import Home

SHOWN = 5  # doubtful rows in a check's metadata
ADVICE = "write them in one way in the files, where that is not meant (docs/data.md)."


@dg.asset_check(
    asset="unread_values",
    description="Every value of a typed column of the file of items could be read. A warning: it blocks "
    "nothing.",
)
def item_values_were_read(home: Home) -> dg.AssetCheckResult:
    with home.lake().connect("unread_values") as connection:
        rows = connection.execute("SELECT name, times, first_value, first_line FROM unread_values").fetchall()
    said = [
        f"{times:,} values of {name} could not be read and are left empty, first '{value}' in line {line}"
        for name, times, value, line in rows
    ]
    return _warning(said, ["column", "values", "first", "line"], rows)


@dg.asset_check(
    asset="interactions",
    additional_deps=["catalogue"],
    description="No two ids are most likely the same, and the items that are described are those that are "
    "played. A warning: it blocks nothing.",
)
def ids_are_told_apart(home: Home) -> dg.AssetCheckResult:
    with home.lake().connect("interactions", "catalogue") as connection:
        found = connection.execute(statement("ids_alike"))
        rows, more = found.fetchmany(SHOWN), len(found.fetchall())
        played, described, both, first_played, first_described = (
            connection.execute(statement("described_plays")).fetchone() or (0,) * 5
        )
    said = [f"the {what} ids '{one}' and '{other}' are most likely one" for what, one, other, _ in rows[:1]]
    if len(rows) + more > 1:
        said[0] += f", and {len(rows) + more - 1:,} more like them"
    if played and described and not both:
        said.append(
            f"none of the {described:,} items of the catalogue, such as '{first_described}', is played, "
            f"and none of those that are, such as '{first_played}', is in it"
        )
    return _warning(said, ["of", "one", "other", "ids"], rows)


def _warning(
    said: Sequence[str], columns: Sequence[str], rows: Sequence[Sequence[object]]
) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        passed=not said,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"{'; '.join(said)}: {ADVICE}" if said else None,
        metadata={"doubtful": dg.MetadataValue.md(markdown(columns, rows))} if rows else {},
    )
