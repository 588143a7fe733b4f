"""`python killable_run.py N`: a run that kills itself at its Nth write boundary; prints what they were.

A write boundary is a rename, by which whatever the project publishes becomes visible, or a commit of MLflow's
database. The run dies before it.
"""

import json
import os
import signal
import sys
from pathlib import Path

kill_at, boundaries = int(sys.argv[1]), []


def boundary(what: str) -> None:
    boundaries.append(what)
    if len(boundaries) == kill_at:
        os.kill(os.getpid(), signal.SIGKILL)


def watched(rename):
    def renaming(source, target, *args, **kwargs):
        boundary(os.path.relpath(os.fspath(target), os.environ["NEXTPLAY_HOME"]))
        return rename(source, target, *args, **kwargs)

    return renaming


os.replace, os.rename = watched(os.replace), watched(os.rename)

from sqlalchemy import Engine, event  # noqa: E402 - after the renames are watched


@event.listens_for(Engine, "commit")
def committing(connection) -> None:
    name = Path(str(connection.engine.url.database)).name
    if name.startswith("mlflow.db"):
        boundary(name)


from pipelines.operator.run import run_everything  # noqa: E402

status = run_everything()
sys.stdout.write(f"boundaries={json.dumps(boundaries)}\n")
sys.stdout.flush()
os._exit(status)
