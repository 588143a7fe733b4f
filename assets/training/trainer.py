"""The process of one training: `assets.training.side_by_side` starts it, and hears from it line by line.

    python -m assets.training.trainer < JOB

The first line of standard input is the job. When its end comes, whoever started this is gone.
"""

import json
import os
import signal
import sys
import traceback
import warnings
from dataclasses import asdict
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any, TextIO

from assets.state.lake import Lake
from assets.state.remote_tables import RemoteTables
from assets.training.bundling import load_everything, load_training_data, write_candidate
from assets.training.hooks import Hooks
from assets.training.refit import write_refit
from assets.training.side_by_side import DONE, EPOCH, ERROR, LOOK, Job
from models.config import TrainConfig
from models.mistakes import UserError
from serving.state.storage import Store

if TYPE_CHECKING:
    from models.training.progress import Look
    from models.training.reports import EpochReport


def main() -> None:
    """Do what standard input says; standard output is for what is heard, and what others print is not."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to all of a terminal: who started this decides
    heard = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    job = Job(**json.loads(sys.stdin.readline()))
    Thread(target=_end_with_the_other, daemon=True).start()
    if not os.environ.get("NEXTPLAY_VERBOSE"):
        warnings.simplefilter("ignore")  # as `nextplay run` does
    try:
        train(job, heard)
    except UserError as error:
        kind = type(error)
        _say(heard, ERROR, {"module": kind.__module__, "kind": kind.__qualname__, "message": str(error)})
    except Exception:
        _say(heard, ERROR, {"module": "", "kind": "", "message": traceback.format_exc()})
    else:
        _say(heard, DONE, None)
    sys.stderr.flush()
    os._exit(0)  # all is said: a thread still reads, and DuckDB lists on the terminal what that thread holds


def train(job: Job, heard: TextIO) -> None:
    """Train, and leave a bundle. Raises UserError."""
    lake = Lake(Path(job.lake), remote=RemoteTables(Store(job.address)) if job.address else None)
    data = (load_everything if job.twin else load_training_data)(lake, job.source)
    if data.fingerprint != job.data:
        raise RuntimeError(f"The tables in {job.lake} have changed since the training began.")

    def on_epoch(report: "EpochReport") -> None:
        _say(heard, EPOCH, asdict(report))

    def on_look(look: "Look") -> None:
        _say(heard, LOOK, asdict(look))

    folder, hooks = Path(job.folder), Hooks(Path(job.checkpoints), on_epoch, on_look, job.usual_epochs)
    if job.twin:
        write_refit(folder, Path(job.twin), data, hooks, warm=job.warm)
        return
    config, start = TrainConfig.from_dict(job.config), Path(job.start) if job.start else None
    write_candidate(folder, job.architecture, data, config, hooks, start)


def _say(heard: TextIO, kind: str, what: Any) -> None:
    heard.write(json.dumps([kind, what]) + "\n")
    heard.flush()


def _end_with_the_other() -> None:
    while os.read(0, 1):
        pass
    os._exit(1)


if __name__ == "__main__":
    main()
