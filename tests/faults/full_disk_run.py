"""`python full_disk_run.py STEP`: a run whose disk is full from the moment in which STEP starts."""

import os
import sys
from contextlib import suppress
from pathlib import Path

import dagster as dg

step, home = sys.argv[1], Path(os.environ["NEXTPLAY_HOME"])
handle = dg.DagsterInstance.handle_new_event


def fill() -> None:
    with (home / "ballast").open("ab", buffering=0) as ballast:
        for size in (1 << 20, 1 << 12, 1):
            with suppress(OSError):
                while ballast.write(b"\0" * size):
                    pass


def handle_and_fill(instance, entry, *args, **kwargs):
    handled = handle(instance, entry, *args, **kwargs)
    event = entry.dagster_event
    if event and event.event_type_value == "STEP_START" and event.step_key == step:
        fill()
    return handled


dg.DagsterInstance.handle_new_event = handle_and_fill

from pipelines.operator.run import run_everything  # noqa: E402

try:
    status = run_everything()
except Exception:
    import traceback

    traceback.print_exc()
    status = 3
sys.stderr.flush()
os._exit(status)
