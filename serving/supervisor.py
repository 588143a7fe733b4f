"""A process ends in order once the one that supervises it is gone.

A supervisor that is killed, for want of memory, say, ends nobody. Its workers would serve on and hold the
port: nothing could be started in their place, or an old model would answer beside the new one.

    python -m serving.supervisor MODULE ARGUMENT…

runs a module of somebody else that ends with whoever started it.
"""

import os
import runpy
import signal
import sys
import time
from threading import Thread

from serving import telemetry

LOOK_SECONDS = 0.5
LAST_SECONDS = 30.0  # for an orderly end, with the requests that are under way


def end_with(supervisor: int) -> None:
    """From now on this process lives no longer than its parent, whose process id is given."""
    Thread(target=_watch, args=(supervisor,), name="supervisor", daemon=True).start()


def _watch(supervisor: int) -> None:
    while os.getppid() == supervisor:
        time.sleep(LOOK_SECONDS)
    telemetry.log("supervisor gone", reason=f"The process {supervisor}, which started this one, has ended.")
    os.kill(os.getpid(), signal.SIGTERM)  # as the supervisor ends its workers
    time.sleep(LAST_SECONDS)
    os._exit(1)


if __name__ == "__main__":
    end_with(os.getppid())
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
