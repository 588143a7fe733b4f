"""The folder in which workers share their metrics: in memory, so that no full disk ends them.

A worker maps its files of metrics. They are larger than what has been written to them, so where their disk is
full, the kernel ends the worker that writes on (SIGBUS), without a word, and each one started in its place.
"""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

MEMORY = Path("/dev/shm")
PREFIX = "nextplay-metrics-"
LOCK = "in-use"


@contextmanager
def metrics_folder(memory: Path = MEMORY) -> Iterator[str]:
    """A folder for as long as this process lives; where there is no memory for files, a temporary one."""
    place = memory if os.access(memory, os.W_OK) else None
    if place is not None:
        _sweep(place)
    with (
        tempfile.TemporaryDirectory(prefix=PREFIX, dir=place) as folder,
        (Path(folder) / "new").open("wb") as lock,
    ):
        fcntl.flock(lock, fcntl.LOCK_EX)
        (Path(folder) / "new").rename(Path(folder) / LOCK)  # held from the moment that it has its name
        yield folder


def _sweep(place: Path) -> None:
    """Remove what killed processes of ours left: nobody else would, and it is memory."""
    for left in place.glob(f"{PREFIX}*"):
        with suppress(OSError), (left / LOCK).open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(left, ignore_errors=True)
