"""Reading a small file that somebody else puts in place, without ever waiting for what is no file."""

import os
import stat
from pathlib import Path

LARGEST = 16 << 20  # bytes; what is read here is written by people, or is a few lines of JSON
LARGEST_LIST = (
    1 << 30
)  # bytes of a list of ours that grows with each champion: 6 kB, many times a day perhaps


class NoFileError(OSError):
    """What has a file's name is none."""


def read_regular(path: Path, largest: int = LARGEST) -> bytes:
    """The content of a regular file, or of what a link names, of `largest` bytes at most. Raises OSError.

    To open a FIFO waits for somebody who writes, and to read a device never ends: both are refused at once.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise NoFileError(f"it is {_kind(found.st_mode)} and no file")
        if found.st_size > largest:
            raise OSError(f"it has {found.st_size:,} bytes, more than the {largest:,} that are read")
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            return file.read(found.st_size + 1)  # is set aside at once; what has grown since is replaced
    finally:
        os.close(descriptor)


def _kind(mode: int) -> str:
    kinds = {stat.S_ISDIR: "a folder", stat.S_ISFIFO: "a FIFO", stat.S_ISSOCK: "a socket"}
    return next((name for holds, name in kinds.items() if holds(mode)), "a device")
