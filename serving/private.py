"""What a process writes is for its owner alone."""

import os


def keep_private() -> None:
    """Files that this process, and those that it starts, make from now on are 0600 and folders 0700, or less
    where its umask says so."""
    os.umask(os.umask(0o077) | 0o077)
