"""The whole pipeline at the size of the Steam libraries: from the raw file to a served champion, by stage.

    make bench-real-size                                    a first night, and one with 1 % new plays
    python -m benchmarks.real_size --first                  a first night alone
    python -m benchmarks.real_size --later --keep FOLDER    a night with 1 % new plays after the one in FOLDER
    python -m benchmarks.real_size --beside 5               a first night, alone and beside busy processes

Time is what each stage says of itself; memory is that of all processes of the run together, shared pages
counted once (PSS). Writes docs/benchmarks/real-size.md.
"""

import argparse
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread

import numpy as np
import psutil

from assets.evaluation.leaderboard import leaderboard_rows
from assets.resources import Home
from assets.sample import SEED
from assets.sample.process import OptimumScorer, draw_columns
from assets.sequences.loading import load_items, load_sequences
from models.cores import usable_cores
from serving.state.event_stores import open_event_store
from serving.state.events import Play

ROOT = Path(__file__).parents[1]
REPORT = ROOT / "docs" / "benchmarks" / "real-size.md"
STAGE = re.compile(r"^  (done|FAILED) +(\S+) +([\d.]+) s")
NEW_SHARE = 0.01  # of the plays, that come before the second night
PLAYS_AT_ONCE = 1_000  # of one commit
USERS_AT_ONCE = 2_000  # whose next plays are drawn; bounds the memory
LOOK_EVERY_S = 0.5
LIMITS = {"first": 60, "later": 20}  # minutes on two idle cores
# Of the lowest priority, for kernels that weigh sessions before processes (autogroups), too.
BUSY = """
import contextlib, os, pathlib
os.nice(19)
with contextlib.suppress(OSError):
    pathlib.Path("/proc/self/autogroup").write_text("19")
while True: pass
"""


@dataclass(frozen=True)
class Stage:
    name: str
    seconds: float
    peak: int  # bytes


@dataclass
class Night:
    """What a run of the pipeline took."""

    seconds: float = 0.0
    stages: list[Stage] = field(default_factory=list)

    @property
    def peak(self) -> int:
        return max(stage.peak for stage in self.stages)


class Memory:
    """The memory of a process and of all that it has started, watched from a thread."""

    def __init__(self, pid: int) -> None:
        self._process, self._ended = psutil.Process(pid), Event()
        self._peak = 0
        Thread(target=self._watch, daemon=True).start()

    def since_last(self) -> int:
        """The most since this was last asked, in bytes."""
        peak, self._peak = self._peak, 0
        return peak

    def end(self) -> None:
        self._ended.set()

    def _watch(self) -> None:
        while not self._ended.wait(LOOK_EVERY_S):
            total = 0
            with suppress(psutil.NoSuchProcess):
                for process in [self._process, *self._process.children(recursive=True)]:
                    with suppress(psutil.Error):
                        total += process.memory_full_info().pss
            self._peak = max(self._peak, total)


def night(home: Path, size: str, log: Path) -> Night:
    """Run the pipeline; ends this program where it fails."""
    mine = {name: value for name, value in os.environ.items() if not name.startswith("NEXTPLAY_")}
    settings = {"NEXTPLAY_HOME": str(home), "NEXTPLAY_SOURCE": "sample", "NEXTPLAY_SAMPLE_SIZE": size}
    started, made = time.monotonic(), Night()
    with log.open("w") as kept, subprocess.Popen(
        [sys.executable, "-m", "pipelines.run"], cwd=ROOT, env=mine | settings | {"DAGSTER_HOME": ""},
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    ) as run:  # fmt: skip
        memory = Memory(run.pid)
        assert run.stderr is not None
        for line in run.stderr:
            kept.write(line)
            if found := STAGE.match(line):
                made.stages.append(Stage(found[2], float(found[3]), memory.since_last()))
                print(line.rstrip(), f"{made.stages[-1].peak / 1e9:.2f} GB", flush=True)
        memory.end()
    made.seconds = time.monotonic() - started
    if run.returncode != 0:
        raise SystemExit(f"The run failed: see {log}.")
    return made


def new_plays(home: Home, size: str) -> int:
    """Plays as an endpoint keeps them: what some users play next, drawn from the process of the sample."""
    (sequences, users), items = load_sequences(home.lake()), load_items(home.lake())
    optimum, rng = OptimumScorer(size, SEED, items), np.random.default_rng(SEED)
    half = min(len(users), round(NEW_SHARE * len(sequences.items)))
    chosen, plays = np.sort(rng.permutation(len(users))[:half]), list[Play]()
    for start in range(0, half, USERS_AT_ONCE):
        some = chosen[start : start + USERS_AT_ONCE]
        chances = np.exp(optimum.score([sequences.user(user) for user in some]).astype(np.float64))
        for user, item in zip(some, draw_columns(rng, chances), strict=True):
            plays.append(Play(f"new-{len(plays)}", str(users[user]), items.ids[item]))
    store = open_event_store(home.events_file)
    for start in range(0, half, PLAYS_AT_ONCE):
        store.add([plays[start : start + PLAYS_AT_ONCE]])
    store.close()
    return half


@contextmanager
def beside(processes: int) -> Iterator[None]:
    """Busy loops of the lowest priority, each in a session of its own, as what others start is."""
    started = [
        subprocess.Popen([sys.executable, "-c", BUSY], start_new_session=True) for _ in range(processes)
    ]
    try:
        yield
    finally:
        for process in started:
            process.kill()
            process.wait()


def table(made: Night) -> Iterator[str]:
    yield "| stage | seconds | peak memory |"
    yield "|---|---:|---:|"
    for stage in made.stages:
        yield f"| `{stage.name}` | {stage.seconds:,.1f} | {stage.peak / 1e9:.2f} GB |"
    whole = f"{made.seconds:,.0f}** ({made.seconds / 60:.1f} minutes)"
    yield f"| **all** | **{whole} | **{made.peak / 1e9:.2f} GB** |"


@dataclass(frozen=True)
class Later:
    """A night after the first."""

    plays: int  # that are new
    night: Night

    def told(self) -> list[str]:
        return ["", f"## A night with {self.plays:,} new plays", *table(self.night)]

    @classmethod
    def of(cls, folder: Path, size: str) -> "Later":
        """The night after the one whose home is in a folder."""
        plays = new_plays(Home(path=str(folder / "home")), size)
        return cls(plays, night(folder / "home", size, folder / "later.log"))

    def page(self, first: str, home: Home, load: float) -> str:
        """The page of a first night with this one in it, instead of one that it may have."""
        before = first.partition("\n## A night with ")[0].partition("\n## What came of it")[0].rstrip()
        told = [f"Load {load:.1f} before it.", *judged(home)]
        return "\n".join([before, *self.told(), "", *told, ""])


def judged(home: Home) -> list[str]:
    rows = leaderboard_rows(home.lake())
    lines = [f"| {row['model']} | {row['role']} | {row['ndcg_at_10']:.4f} |" for row in rows]
    return ["## What came of it", "| model | role | NDCG@10 |", "|---|---|---:|", *lines]


@dataclass(frozen=True)
class Beside:
    """A first night while other work keeps the machine busy."""

    processes: int
    night: Night

    def told(self, alone: Night) -> list[str]:
        ratio = self.night.seconds / alone.seconds
        return [
            "",
            f"## Beside {self.processes} busy processes",
            "Loops of the lowest priority, by process and by session: "
            f"{self.night.seconds:,.0f} s ({self.night.seconds / 60:.1f} minutes), **{ratio:.2f} times** "
            "the first night alone, in a home of its own.",
        ]


def page(size: str, first: Night, after: list[str], home: Home, load: float) -> str:
    return "\n".join(
        [
            "# The real size",
            "",
            f"`make bench-real-size`: the built-in sample of size `{size}`, {usable_cores()} usable cores "
            f"({platform.machine()}), load {load:.1f} before it, from the raw file to a served champion. "
            "Memory is that of all processes of the run, shared pages counted once. The aims are "
            f"{LIMITS['first']} minutes for a first night, {LIMITS['later']} for a later one, and 4 GB.",
            "",
            "## A first night",
            *table(first),
            *after,
            "",
            *judged(home),
            "",
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", default="steam")
    parser.add_argument("--first", action="store_true", help="a first night alone")
    parser.add_argument("--later", action="store_true", help="a later night alone, after the one in --keep")
    parser.add_argument("--beside", type=int, default=0, metavar="N", help="busy processes beside a night")
    parser.add_argument(
        "--keep", type=Path, help="a folder for homes and logs, instead of one that is removed"
    )
    options = parser.parse_args()
    if options.later and not options.keep:
        parser.error("--later needs the folder of a first night: name it with --keep.")
    folder = options.keep or Path(tempfile.mkdtemp(prefix="nextplay-real-size-"))
    folder.mkdir(parents=True, exist_ok=True)
    try:
        load, home = os.getloadavg()[0], Home(path=str(folder / "home"))
        if options.later:
            later = Later.of(folder, options.size)
            REPORT.write_text(later.page(REPORT.read_text(encoding="utf-8"), home, load), encoding="utf-8")
            return
        first = night(Path(home.path), options.size, folder / "first.log")
        REPORT.write_text(page(options.size, first, [], home, load), encoding="utf-8")
        if options.beside:
            with beside(options.beside):
                shared = night(folder / "beside", options.size, folder / "beside.log")
            after = Beside(options.beside, shared).told(first)
        elif not options.first:
            after = Later.of(folder, options.size).told()
        else:
            return
        REPORT.write_text(page(options.size, first, after, home, load), encoding="utf-8")
    finally:
        if not options.keep:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
