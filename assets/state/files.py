"""Writing a file so that readers see the old or the new one, never half, and a power cut loses neither.

And how databases are told of a file whose path holds characters that they read as their own.
"""

import glob
import os
import uuid
from pathlib import Path

from models.mistakes import UserError

_PROCESS = uuid.uuid4().hex[:8]  # of this process, for its number may come again


def sqlite_address(file: Path) -> str:
    """The address by which SQLAlchemy, and so MLflow and Optuna, open a file, whatever is in its path."""
    from sqlalchemy.engine import URL  # not at the import of every asset

    return URL.create("sqlite", database=str(file)).render_as_string(hide_password=False)


def literal(file: Path) -> str:
    """The path as DuckDB reads it: a `*`, `?` or `[` of a folder's name is a pattern otherwise."""
    return glob.escape(str(file))


def replace_text(path: Path, text: str) -> None:
    """Write `text` beside `path`, flush it to the disk and rename it into place. Raises UserError."""
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    with aside.open("w", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    try:
        aside.replace(path)
    except IsADirectoryError:
        aside.unlink()
        raise UserError(f"{path} is a folder, where a file belongs: move it away.") from None
    sync_entry(path.parent)


def sync_folder(folder: Path) -> None:
    """Flush every file below a folder, and the folder's own entries, to the disk."""
    for path in sorted(folder.rglob("*")):
        if path.is_symlink():
            continue
        if path.is_file():
            with path.open("rb") as stream:
                os.fsync(stream.fileno())
        else:
            sync_entry(path)
    sync_entry(folder)


def sync_entry(folder: Path) -> None:
    """Flush a folder's own list of names."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def scratch_name() -> str:
    """The name of a new folder for what this process alone works on; see `is_left`."""
    return f"{os.getpid()}-{_PROCESS}-{uuid.uuid4().hex}"


def is_left(name: str) -> bool:
    """Whether who made a folder of a `scratch_name` is gone.

    In a container each run may have the number of the one before. A folder of another name is that of an
    engine, which works under the lock that the caller holds.
    """
    process, _, rest = name.partition("-")
    if process == str(os.getpid()):
        return not rest.startswith(f"{_PROCESS}-")
    return not (process.isdecimal() and _alive(int(process)))


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True
