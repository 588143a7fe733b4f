"""Trainings in processes of their own, each on its share of the cores.

Two trainings of one thread do 1.5 times the work of one with two threads, and hardly suffer from what else
runs on the machine: threads of one training wait for each other hundreds of times in a step, and each time
for whatever has the core of the last one.
"""

import importlib
import json
import os
import subprocess
import sys
from collections.abc import Generator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass
from pathlib import Path
from queue import SimpleQueue
from signal import Signals
from threading import Thread
from typing import Any, Self

from assets.resources import Home
from assets.training.hooks import Hooks
from models.cores import usable_cores
from models.mistakes import UserError
from models.training.progress import Bars, Look
from models.training.reports import EpochReport

ROOT = Path(__file__).parents[2]
EPOCH, LOOK, ERROR, DONE = "epoch", "look", "error", "done"  # what a training says
WORTH_A_PROCESS = 1_000_000  # positions in all: some 20 s of training, where a process takes 3 s to begin
PATIENCE_S = 10.0  # of who asks a training to end, before it is killed


class LostTrainingError(UserError):
    """A training was ended from outside; the message says how, and that the next one goes on."""


@dataclass(frozen=True)
class Job:
    """What the process of a training is told; plain values alone."""

    architecture: str
    config: dict[str, Any]
    source: str
    lake: str  # folder
    address: str | None  # of the lake, where it is on an object store
    data: str  # fingerprint of what is in the lake
    folder: str  # that gets the bundle
    checkpoints: str  # folder
    usual_epochs: int | None
    start: str = ""  # folder of the bundle that it starts from
    twin: str = ""  # folder of the judged bundle, where this is its refit
    warm: bool = False  # whether a refit starts from its twin


@dataclass(frozen=True)
class Apart:
    """What processes of their own are told of a home, and how many of one thread there is room for."""

    lake: str  # folder
    address: str | None  # of the lake, where it is on an object store
    cores: int

    @classmethod
    def of(cls, home: Home) -> Self:
        return cls(str(home.folder("lake")), home.lake_address, usable_cores())


def heard(
    jobs: Sequence[Job], at_once: int, hooks: Mapping[str, Hooks]
) -> Generator[tuple[str, Exception | None], None, None]:
    """Run the jobs as `trained` does, and tell the hooks of each architecture: yields what has ended, and
    with which error."""
    with ExitStack() as stack:
        bars = Bars()
        stack.callback(bars.close)
        for name, kind, what in stack.enter_context(closing(trained(jobs, at_once))):
            told = hooks[name]
            if kind == EPOCH and told.on_epoch:
                told.on_epoch(EpochReport(**what))
            elif kind == LOOK and told.progress:
                (bars.show if told.progress is True else told.progress)(Look(**what))
            elif kind in (DONE, ERROR):
                yield name, what


def trained(jobs: Sequence[Job], at_once: int) -> Generator[tuple[str, str, Any], None, None]:
    """Run the jobs, so many at once: yields an architecture, and what its training says of itself.

    That is EPOCH or LOOK, with the fields of an `EpochReport` or a `Look`, and at the end DONE or, with an
    exception, ERROR. Who stops listening ends the trainings; when this process dies, they end of themselves.
    """
    said: SimpleQueue[tuple[str, str, Any]] = SimpleQueue()
    waiting = list(jobs)
    running: dict[str, subprocess.Popen[str]] = {}
    try:
        while waiting or running:
            while waiting and len(running) < at_once:
                job = waiting.pop(0)
                running[job.architecture] = _start(job, said)
            name, kind, what = said.get()
            if kind in (DONE, ERROR):
                running.pop(name).wait()
            yield name, kind, what
    finally:
        _end(running)


def _start(job: Job, said: "SimpleQueue[tuple[str, str, Any]]") -> "subprocess.Popen[str]":
    """A process that trains, and a thread that hands on what it says."""
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "assets.training.trainer"],
        stdin=subprocess.PIPE,  # stays open: its end is how the training learns that we are gone
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        env=os.environ | {"PYTHONPATH": path},
    )
    assert process.stdin is not None
    try:
        process.stdin.write(json.dumps(asdict(job)) + "\n")
        process.stdin.flush()
    except BrokenPipeError:  # it has ended already: the listener says why
        pass
    Thread(target=_listen, args=(job.architecture, process, said), daemon=True).start()
    return process


def _listen(name: str, process: "subprocess.Popen[str]", said: "SimpleQueue[tuple[str, str, Any]]") -> None:
    assert process.stdout is not None
    for line in process.stdout:
        kind, what = json.loads(line)
        if kind == ERROR:
            said.put((name, ERROR, _error(name, what)))
            return
        said.put((name, kind, what))
        if kind == DONE:
            return
    said.put((name, ERROR, LostTrainingError(_lost(name, process.wait()))))


def _error(name: str, what: Mapping[str, str]) -> Exception:
    """The user's mistake as the training has raised it; anything else with its stack trace."""
    kind = getattr(importlib.import_module(what["module"]), what["kind"], None) if what["module"] else None
    if isinstance(kind, type) and issubclass(kind, UserError):
        return kind(what["message"])
    return RuntimeError(f"The training of {name} failed.\n{what['message']}")


def _lost(name: str, status: int) -> str:
    how = f"by {Signals(-status).name}" if status < 0 else f"with exit status {status}"
    memory = ", perhaps because memory ran out" if status == -Signals.SIGKILL else ""
    return f"The training of {name} was ended {how}{memory}: the next one goes on from its last whole epoch."


def _end(running: Mapping[str, "subprocess.Popen[str]"]) -> None:
    for process in running.values():
        process.terminate()
    for process in running.values():
        try:
            process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
