"""The right of one run to work, among runs on several machines that share a Postgres database."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from assets.state.lake import LakeError

if TYPE_CHECKING:
    import psycopg

log = logging.getLogger(__name__)

RUNS = 7_305_002  # the advisory lock of runs
CONNECT_SECONDS = 30


@contextmanager
def database_lock(address: str, timeout_s: float) -> Iterator[None]:
    """Hold the lock; Postgres releases it when this process ends, however it ends.

    Where the database goes away in between, so does the lock: what is published stays whole all the same, for
    equal inputs give equal versions. Raises LakeError where it cannot be had.
    """
    import psycopg  # of the extra `postgres`

    try:
        connection = psycopg.connect(address, autocommit=True, connect_timeout=CONNECT_SECONDS)
    except psycopg.Error as error:
        reason = " ".join(str(error).split())
        raise LakeError(f"NEXTPLAY_DATABASE cannot be reached ({reason}): run this again later.") from None
    try:
        _acquire(connection, timeout_s)
    except psycopg.Error as error:
        connection.close()
        raise LakeError(
            f"Another run has worked on the shared state for more than {timeout_s:.0f} s, or the database "
            f"went away ({' '.join(str(error).split())}): run this again later."
        ) from None
    try:
        yield
    finally:
        connection.close()  # and so release it


def _acquire(connection: "psycopg.Connection[tuple[bool]]", timeout_s: float) -> None:
    if connection.execute("SELECT pg_try_advisory_lock(%s)", (RUNS,)).fetchone() == (True,):
        return
    log.warning("Another run works on the shared state: waiting for it.")
    connection.execute("SELECT set_config('lock_timeout', %s, false)", (f"{int(timeout_s * 1000)}ms",))
    connection.execute("SELECT pg_advisory_lock(%s)", (RUNS,))
