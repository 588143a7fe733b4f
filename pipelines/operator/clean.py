"""`make clean`: removes what this project made in its home, and nothing else.

It takes the standard library alone, as `make clean` may come before anything is installed.
"""

import fcntl
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipelines.operator.environment import MARKER, PARTS, HomeError, looks_like_home

CACHES = ("warehouse.duckdb", "warehouse.duckdb.wal", "tuning", "simulation", "as_served", "bench")
OURS = {*PARTS, *CACHES, MARKER}


def clean(named: Path) -> str:
    """Remove the parts of a home; returns what was done. Raises HomeError where it is none, or is in use."""
    home = named.resolve()
    if not home.exists() or (home.is_dir() and not any(home.iterdir())):
        return f"There is nothing to remove: {named} is not there, or is empty."
    if home.is_dir() and not OURS & {path.name for path in home.iterdir()}:
        raise HomeError(
            f"{named} does not look like a home of Nextplay, so nothing is removed: there is nothing of "
            "Nextplay in it. After an earlier clean all is well; else name the folder that you mean with "
            f"NEXTPLAY_HOME{_caution(named)}."
        )
    if not home.is_dir() or not looks_like_home(home):
        raise HomeError(
            f"{named} does not look like a home of Nextplay, so nothing is removed: name another folder with "
            f"NEXTPLAY_HOME, or remove it yourself{_caution(named)}."
        )
    kept = _before(home) | ({path.name for path in home.iterdir()} - OURS)
    if not (home / MARKER).exists() and kept:
        raise HomeError(
            f"{named} holds {_some(kept)} beside Nextplay's own, so nothing is removed: move that away, or "
            f"remove what you do not need yourself{_caution(named)}."
        )
    with _alone(home):
        removed = [name for name in sorted(OURS - kept) if _remove(home / name)]
    if not any(home.iterdir()) and not named.is_symlink():
        try:
            home.rmdir()
        except OSError:  # a disk is mounted there, or the folder above is another's
            return f"Removed {', '.join(removed)}: {named} is empty."
    stays = f"; {_some(kept)} stays, as it is not Nextplay's" if kept else ""
    return f"Removed from {named}: {', '.join(name for name in removed if name != MARKER)}{stays}."


def _before(home: Path) -> set[str]:
    """What was in the folder before it became a home."""
    try:
        return set(filter(None, os.fsdecode((home / MARKER).read_bytes()).split("\0")[1:]))
    except FileNotFoundError:
        return set()


def _remove(path: Path) -> bool:
    """Whether it was there. Where it is a link, what that leads to stays."""
    if not os.path.lexists(path):
        return False
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()
    return True


@contextmanager
def _alone(home: Path) -> Iterator[None]:
    """The lock of the home, as a run holds it. Raises HomeError where one works."""
    lock = home / "run.lock"
    if not lock.exists():
        yield
        return
    with lock.open("r+b") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise HomeError(f"A run works in {home}: wait until it has ended, or stop it.") from None
        yield


def _some(names: set[str]) -> str:
    shown, more = sorted(names)[:3], len(names) - 3
    return ", ".join(shown) + (f" and {more} more" if more > 0 else "")


def _caution(path: Path) -> str:
    odd = any(not (letter.isalnum() or letter in "/._-") for letter in str(path))
    return " (quote the path, for the blanks or other special characters in it)" if odd else ""


def main() -> int:
    """The exit status; a mistake is one sentence."""
    try:
        done = clean(Path(os.environ.get("NEXTPLAY_HOME") or "var").expanduser())
    except (HomeError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"{done}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
