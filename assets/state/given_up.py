"""Ends a process whose run has been given up by others: for it may hang where no signal reaches it.

Dagster's daemon records a run as failed that takes too long, and asks its process to end; one that waits in
a library, for a disk or a host that does not answer, does not hear that, and would hold the home's lock for
ever.
"""

import logging
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread

log = logging.getLogger(__name__)

LOOK_EVERY_S = 30.0
GRACE_S = 60.0  # for an end in order


@contextmanager
def ended_when_given_up(is_given_up: Callable[[], bool]) -> Iterator[None]:
    """While it is open, this process is killed once the run counts as given up and does not end by itself."""
    done = Event()

    def watch() -> None:
        while not done.wait(LOOK_EVERY_S):
            try:
                over = is_given_up()
            except Exception as error:  # of any database: then nobody knows, and it is asked again
                log.debug("Whether the run was given up could not be asked: %s", error)
                continue
            if over:
                if not done.wait(GRACE_S):
                    log.error("The run was given up, and does not end by itself: its process is killed.")
                    os.kill(os.getpid(), signal.SIGKILL)
                return

    Thread(target=watch, name="given up", daemon=True).start()
    try:
        yield
    finally:
        done.set()
