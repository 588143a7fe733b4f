"""What is dear to make is made by one worker of a test session, once, and read by all."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Path:
    """The folder `name` of this session, filled by the worker that asks first while the others wait.

    Where making it fails, the error reaches that worker's test, and the next worker tries in a new folder.
    """
    base = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent  # each worker has a folder of its own in that of the session
    made = base / f"{name}.made"  # names the folder that is whole
    with FileLock(base / f"{name}.lock"):
        if not made.exists():
            folder = factory.mktemp(name)
            make(folder)
            made.write_text(str(folder), encoding="utf-8")
    return Path(made.read_text(encoding="utf-8"))
