"""A folder for temporary copies, in which nobody else on this machine can put anything."""

import os
import stat
import tempfile
from contextlib import suppress
from pathlib import Path

from serving.state.storage import StorageError


def own_folder(name: str) -> Path:
    """The folder of a name below the system's temporary one, the same for all processes of this user.

    Whoever knows the name could make it first, and then exchange what is in it: so a folder of somebody else,
    or one that others may write to, is refused. Raises StorageError.
    """
    folder = Path(tempfile.gettempdir()) / f"{name}-{os.geteuid()}"
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    found = folder.lstat()
    ours = stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid()
    if not ours or found.st_mode & 0o077:
        raise StorageError(
            f"{folder} is not of this user alone, so others could exchange what is kept there: remove it, or "
            "set TMPDIR to a folder of your own."
        )
    return folder
