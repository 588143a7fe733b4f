"""Why the plays are split as they are, in words."""

from collections.abc import Mapping
from typing import Any


def why_split(row: Mapping[str, Any]) -> str:
    """The split of a row of the table `split` and why it is, in a sentence."""
    return f"The plays are split {row['name']}, for {row['reason']}."
