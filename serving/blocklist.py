"""Items that operators take out of all answers, without a deploy: a file with one item id a line."""

import time
from pathlib import Path

from models.bundle.ids import MAX_ID
from serving import telemetry
from serving.state.regular import read_regular


class Blocklist:
    """The ids in a file, read again when the file has been replaced or changed; safe from several threads.

    A file that is missing or cannot be understood changes nothing: the list before it stays in force, and a
    log line and a metric say so.
    """

    def __init__(self, file: Path | None, poll_seconds: float) -> None:
        self._file, self._poll_seconds = file, poll_seconds
        self._ids: frozenset[str] = frozenset()
        self._seen: tuple[int, int, int] | None = None
        self._look_at = 0.0
        self._problem = ""

    def ids(self) -> frozenset[str]:
        """Equal lists are one object, so that what is made of it can be kept."""
        now = time.monotonic()
        if self._file is not None and now >= self._look_at:
            self._look_at = now + self._poll_seconds
            self._follow(self._file)
        return self._ids

    def _follow(self, file: Path) -> None:
        try:
            found = file.stat()
            seen = (found.st_ino, found.st_mtime_ns, found.st_size)
            if seen != self._seen:
                self._ids, self._seen = read(file), seen
                telemetry.BLOCKLIST_ITEMS.set(len(self._ids))
                telemetry.log("blocklist loaded", items=len(self._ids))
            self._problem = ""
        except (OSError, ValueError) as error:
            if str(error) != self._problem:
                telemetry.log("blocklist not loaded", reason=str(error), kept_items=len(self._ids))
            self._problem = str(error)
        telemetry.BLOCKLIST_FAILING.set(bool(self._problem))


def read(file: Path) -> frozenset[str]:
    """The ids in a file. Raises OSError, and ValueError where the content is no list of ids."""
    lines = read_regular(file).decode("utf-8-sig").splitlines()
    ids = [line.strip() for line in lines if line.strip()]
    for number, item_id in enumerate(ids, start=1):
        if len(item_id) > MAX_ID or not item_id.isprintable():
            raise ValueError(f"{file}: entry {number} is no item id: give one id a line.")
    return frozenset(ids)
