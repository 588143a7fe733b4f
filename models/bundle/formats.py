"""Everything that outlives a release has a format with a number: which numbers are read, and what else to do.

A release reads its own format and the one before, and writes its own. What says no number is of format 1.
"""

from dataclasses import dataclass
from typing import Any

from models.release import RELEASE

UPGRADING = "see Upgrading in docs/operations.md"


@dataclass(frozen=True)
class Format:
    """The number that is written, and the oldest that is read."""

    current: int
    oldest: int = 1

    def problem(self, what: str, found: object) -> str | None:
        """Why something of a format is not read, in a sentence; None where it is. `what` begins it."""
        reads = f"format {self.current}" if self.oldest == self.current else (
            f"formats {self.oldest} to {self.current}"
        )  # fmt: skip
        if not isinstance(found, int) or isinstance(found, bool) or found < 1:
            return f"{what} is damaged: its format is {found!r}, and formats are whole numbers from 1."
        if found > self.current:
            return (
                f"{what} is of format {found}, written by a newer release; this one, {RELEASE}, reads "
                f"{reads}: run the newer release, or restore a backup from before it ({UPGRADING})."
            )
        if found < self.oldest:
            return (
                f"{what} is of format {found}, which is too old; this release, {RELEASE}, reads {reads}: "
                f"run a release in between first ({UPGRADING})."
            )
        return None


def format_in(values: Any) -> object:
    """The number in what a file holds; what says none is of format 1."""
    return values.get("format", 1) if isinstance(values, dict) else 1
