"""Reading a small file that somebody else puts in place, without ever waiting for what is no file."""

import os
import stat
from pathlib import Path

LARGEST = 16 << 20  # bytes; what is read here is written by people, or is a few lines of JSON


def read_regular(path: Path) -> bytes:
    """The content of a regular file, or of what a link names. Raises OSError.

    To open a FIFO waits for somebody who writes, and to read a device never ends: both are refused at once.
    """
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode):
            raise OSError(f"it is {_kind(found.st_mode)} and no file")
        if found.st_size > LARGEST:
            raise OSError(f"it has {found.st_size:,} bytes, more than the {LARGEST:,} that are read")
        return file.read(found.st_size + 1)  # so much is set aside at once; what has grown since is replaced


def _kind(mode: int) -> str:
    kinds = {stat.S_ISDIR: "a folder", stat.S_ISFIFO: "a FIFO", stat.S_ISSOCK: "a socket"}
    return next((name for holds, name in kinds.items() if holds(mode)), "a device")
