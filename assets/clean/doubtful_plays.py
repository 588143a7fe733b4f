"""Plays that may be none of one person, or none at all: checks that warn, and block nothing."""

import math
import re
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

import dagster as dg

from assets.clean.doubts import A_DAY, warning
from assets.engines.sql import statement
from assets.formats.timestamps import FEW, units_a_second
from assets.resources import Cleaning, Home

# What programs and people write in the place of an id, in small letters.
NOBODY = frozenset(
    (
        "unknown", "anonymous", "anon", "guest", "nobody", "not logged in", "not_logged_in", "logged out",
        "no user", "default", "deleted", "[deleted]", "removed", "[removed]", "other", "others", "missing",
        "not available", "not applicable", "not set", "unset", "empty", "blank", "dummy", "(none)", "(other)",
        "(unknown)", "total",
    )
)  # fmt: skip
UUID_OF_ZEROS = "[{]?0{8}-?(?:0{4}-?){3}0{12}[}]?"
NUMBERS = ("0", "-1")  # may also be the first of all numbers
MOST_SHOWN = 5  # of the ids with the most plays
ENOUGH = 20  # ids, for one to stand out
A_BOT = 10  # times as many plays as the next user has
A_NUMBER = 3  # the same of NUMBERS
A_DAY_AT_MOST = 1 << 62  # no number is a multiple of it but 0


@dg.asset_check(
    asset="interactions",
    description="No user has many more plays than others, and no user or item with many is called as if it "
    "stood for nobody or nothing. A warning: it blocks nothing.",
)
def everyone_is_somebody(home: Home) -> dg.AssetCheckResult:
    with home.lake().connect("interactions") as connection:
        found = connection.execute(statement("most_plays"), {"shown": MOST_SHOWN})
        names = [column[0] for column in found.description]
        most = [dict(zip(names, row, strict=True)) for row in found.fetchall()]
    said = [told for _, of in groupby(most, lambda row: row["what"]) for told in _stand_for_nobody(list(of))]
    advice = "name it in NEXTPLAY_MISSING beside the others, where it is a missing id (docs/data.md)."
    return warning(said, advice)


def _stand_for_nobody(most: Sequence[Mapping[str, Any]]) -> list[str]:
    """A sentence for each id that may stand for nobody; `most` have the most plays, in that order."""
    first, second = most[0], most[1]["plays"] if len(most) > 1 else 0
    stands_out = first["ids"] >= ENOUGH and first["plays"] >= FEW * first["all_plays"]
    times = A_NUMBER if first["id"] in NUMBERS else A_BOT if first["what"] == "user" else math.inf
    doubtful = [row for row in most if _is_no_name(row["id"])]
    if stands_out and first["plays"] >= times * second and first not in doubtful:
        doubtful.insert(0, first)
    return [
        f"the {row['what']} '{row['id']}' has {row['plays']:,} of {row['all_plays']:,} plays"
        for row in doubtful
    ]


def _is_no_name(text: str) -> bool:
    """Whether a text is called after nobody, holds signs alone (`-`), or is a UUID of zeros."""
    if text.casefold() in NOBODY or re.fullmatch(UUID_OF_ZEROS, text):
        return True
    return text.isascii() and not any(sign.isalnum() for sign in text)


@dg.asset_check(
    asset="interactions",
    description="Where all plays count, hardly any is there twice. A warning: it blocks nothing.",
)
def plays_are_there_once(home: Home, cleaning: Cleaning) -> dg.AssetCheckResult:
    """Plays with days alone are left out: people do play things twice a day."""
    if cleaning.repeats != "keep":
        return warning([], "")
    with home.lake().connect("interactions") as connection:
        (last,) = connection.execute("SELECT max(timestamp) FROM interactions").fetchone() or (None,)
        unit = units_a_second(last or 0)
        row = connection.execute(
            statement("copied_plays"), {"day": A_DAY * unit if unit else A_DAY_AT_MOST}
        ).fetchone()
    plays, copies, first, of_a_day = row or (0, 0, None, 0)
    if not copies or not of_a_day or copies < FEW * plays:
        return warning([], "")
    told = f"{copies:,} of {plays:,} plays are there before, with the same user and time, first of '{first}'"
    advice = "give each play once: copies look as if people played things again (docs/data.md)."
    return warning([told], advice)
