"""Telling that something failed because the disk of the home is full, which libraries say in several ways."""

import shutil
from pathlib import Path

LITTLE_ROOM = 1 << 20  # bytes
FULL_DISK = (
    "The disk of the home is full: free some space, perhaps with make prune YES=1, and run again. What was "
    "published is whole, and the run goes on from there."
)
FULL_FOR_A_COMMAND = (
    "The disk of the home is full: free some space and give the command again. What serves is as it was."
)


def disk_is_full(text: str, home: Path) -> bool:
    """Whether an error, with its causes, says so in one of the ways in which libraries do.

    SQLite calls it an I/O error where the disk cannot hold its journal, so then the disk is asked.
    """
    if any(words in text for words in ("No space left on device", "disk is full", "errno 28")):
        return True
    return "disk I/O error" in text and shutil.disk_usage(home).free < LITTLE_ROOM
