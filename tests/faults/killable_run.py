"""`python killable_run.py N`: a run that kills itself at its Nth write boundary; prints how many it had.

A write boundary is a rename: whatever the project publishes becomes visible by one.
"""

import itertools
import os
import signal
import sys

kill_at, boundary = int(sys.argv[1]), itertools.count(1)


def counting(rename):
    def counted(source, target, *args, **kwargs):
        if next(boundary) == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        return rename(source, target, *args, **kwargs)

    return counted


os.replace, os.rename = counting(os.replace), counting(os.rename)

from pipelines.run import main  # noqa: E402 - after the renames are watched

status = main()
sys.stdout.write(f"boundaries={next(boundary) - 1}\n")
sys.stdout.flush()
os._exit(status)
