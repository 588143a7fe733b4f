"""`python killable_command.py TEMPLATE SCRATCH MOST COMMAND ...`: a command, killed at its writes.

It runs once undisturbed, in SCRATCH/0, and then for each of MOST points in a copy of TEMPLATE: there
it is killed before that write, and started again. The home is the folder `home` of the copy, and `{}` in the
command and in settings is the copy. Prints as JSON the points, and how both tries ended.

A write is a file that gets another name, a link or no name any more, or a commit of a database. Those that
publish something are preferred to removals, of which there may be thousands.
"""

import json
import os
import shutil
import signal
import sqlite3
import sys
from contextlib import contextmanager
from pathlib import Path

template, scratch, most, command = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4:]
seen: list[str] = []
kill_at = [0]


def write(what: str) -> None:
    seen.append(what)
    if len(seen) == kill_at[0]:
        os.kill(os.getpid(), signal.SIGKILL)


def audited(event: str, arguments: tuple[object, ...]) -> None:
    if event in ("os.rename", "os.link", "os.remove", "os.rmdir"):
        named = os.fspath(arguments[0 if event in ("os.remove", "os.rmdir") else 1])  # type: ignore[call-overload]
        path = os.fsdecode(named)
        inside = path.startswith(str(scratch)) or not path.startswith("/")
        if inside and not path.endswith((".lock", "-wal", "-shm", "-journal")):
            write(f"{event.removeprefix('os.')} {Path(path).name}")


class Watched(sqlite3.Connection):
    """One whose commits are seen."""

    def execute(self, statement, *arguments):  # type: ignore[no-untyped-def,override]
        if statement.strip().upper().startswith("COMMIT"):
            write("commit of events")
        return super().execute(statement, *arguments)


def connect(database, *arguments, **named):  # type: ignore[no-untyped-def]
    if "events.db" in str(database):
        named["factory"] = Watched
    return original(database, *arguments, **named)


original, sqlite3.connect = sqlite3.connect, connect

from sqlalchemy import Engine, event  # noqa: E402


@event.listens_for(Engine, "commit")
def committing(connection) -> None:  # type: ignore[no-untyped-def]
    write(f"commit of {Path(str(connection.engine.url.database)).name}")


import bentoml  # noqa: E402, F401 - once for all children
import mlflow  # noqa: E402, F401

import assets.release.retention  # noqa: E402, F401
import pipelines.factory  # noqa: E402, F401
from assets.release import promotion  # noqa: E402
from pipelines.operator import runs  # noqa: E402
from pipelines.operator.cli import answer  # noqa: E402


@contextmanager
def not_started(*_):  # type: ignore[no-untyped-def]
    """The Bento is built, and asked nothing: tests of promotion start it."""
    yield ""


runs.leave = lambda status: status  # type: ignore[assignment,return-value]
promotion.served, promotion.ask_golden = not_started, lambda *_: None  # type: ignore[assignment]
sys.addaudithook(audited)


def child(copy: Path, point: int) -> int:
    """The exit status of the command in a process of its own, minus the signal that ended it."""
    process = os.fork()
    if process == 0:
        kill_at[0] = point
        for name in [name for name, value in os.environ.items() if "{}" in value]:
            os.environ[name] = os.environ[name].replace("{}", str(copy))
        os.environ["NEXTPLAY_HOME"] = str(copy / "home")
        os.environ["DAGSTER_HOME"] = str(copy / "home" / "dagster")
        os.environ["BENTOML_HOME"] = str(copy / "home" / "bentoml")
        said = (copy / f"said-{point}").open("w")
        os.dup2(said.fileno(), 1)
        os.dup2(said.fileno(), 2)
        seen.clear()
        status = 9
        try:
            status = answer([part.replace("{}", str(copy)) for part in command])
        finally:
            writes = list(seen)
            sys.stdout.flush()
            (copy / "writes.json").write_text(json.dumps(writes))
            os._exit(status)
    _, waited = os.waitpid(process, 0)
    return os.waitstatus_to_exitcode(waited)


def copied(name: str) -> Path:
    return Path(shutil.copytree(template, scratch / name, symlinks=True))


def chosen(writes: list[str]) -> list[int]:
    """Points from 1, spread over the writes, removals last."""
    published = [i for i, what in enumerate(writes, 1) if not what.startswith(("remove", "rmdir"))]
    removed = [i for i in range(1, len(writes) + 1) if i not in published]
    points = []
    for some, room in ((published, most), (removed, most // 3 or 1)):
        step = max(1.0, len(some) / room)
        points += [some[int((i + 0.5) * step)] for i in range(min(room, len(some)))]
    return sorted(points)


first = copied("0")
ended = [child(first, 0)]
writes = json.loads((first / "writes.json").read_text())
points = chosen(writes)
tries = []
for point in points:
    copy = copied(str(point))
    tries.append((point, writes[point - 1], child(copy, point), child(copy, 0)))
sys.stdout.write(json.dumps({"undisturbed": ended[0], "writes": writes, "tries": tries}) + "\n")
