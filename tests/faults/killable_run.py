"""`python killable_run.py N [ASSET]`: a run that kills itself at its Nth write boundary; prints all of them.

With an asset, it makes that one and what that is made from.

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


import dagster as dg  # noqa: E402

import pipelines.summary  # noqa: E402
from pipelines.operator.run import run_everything  # noqa: E402


def only_up_to(asset: str) -> None:
    execute = dg.JobDefinition.execute_in_process
    chosen = dg.AssetSelection.assets(asset).upstream().required_multi_asset_neighbors()

    def executed(job, **given):
        return execute(job, asset_selection=sorted(chosen.resolve(job.asset_layer.asset_graph)), **given)

    dg.JobDefinition.execute_in_process = executed
    pipelines.summary.summary = lambda *_: "There is no leaderboard to tell of."


if len(sys.argv) > 2:
    only_up_to(sys.argv[2])
status = run_everything()
sys.stdout.write(f"boundaries={json.dumps(boundaries)}\n")
sys.stdout.flush()
os._exit(status)
