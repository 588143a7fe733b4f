"""Whether the items that a user has played before are answers: by the data, unless a setting says it."""

from collections.abc import Mapping
from typing import Any

from assets.engines.engine import Engine

AUTO, YES, NO = "auto", "yes", "no"
COMMON = 0.1  # share of repeats among the plays after a user's first; from there on they are answers
SMALL_CATALOGUE = 20  # items; a list of ten would hold half of them, whatever the model


def count_seen(engine: Engine, setting: str) -> dict[str, Any]:
    """What `split.sql` says of repeats in the view `core_interactions`: their share, and what follows."""
    found = engine.find("repeats").one()
    share = found["repeats"] / found["later"] if found["later"] else 0.0
    common = share >= COMMON and found["items"] > SMALL_CATALOGUE
    return {"repeated_share": share, "exclude_seen": setting == YES or (setting == AUTO and not common)}


def told(row: Mapping[str, Any], setting: str) -> str:
    """The decision of a row of the table `split` in a sentence."""
    counted = "are left out of the answers" if row["exclude_seen"] else "count as answers"
    why = f"NEXTPLAY_EXCLUDE_SEEN={setting}"
    if setting == AUTO:
        why = f"they do from {COMMON:.0%} on, and with more than {SMALL_CATALOGUE} items"
    return (
        f"Items that a user has played before {counted}: {row['repeated_share']:.1%} of the plays after a "
        f"user's first are of such an item ({why})."
    )


def warning(row: Mapping[str, Any], setting: str) -> str | None:
    """Where a setting goes against the data, what comes of it."""
    common = row["repeated_share"] >= COMMON
    if setting == NO and not common:
        return (
            f"NEXTPLAY_EXCLUDE_SEEN=no, but {row['repeated_share']:.1%} of the plays after a user's first "
            "repeat an item: models are asked for what hardly ever happens; set auto or yes."
        )
    return None
