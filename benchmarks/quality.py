"""Ours beside the peers, each after the same search on validation: test NDCG@10 over users and seeds.

    make bench-quality

`benchmarks/search.py` says what is searched and how. Every training appends its result to
`benchmarks/quality.jsonl`: a run that was stopped goes on from there, and a training that stands there is not
done again. To do some again, remove their lines. Writes docs/benchmarks/quality.md, complete or not.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from benchmarks import records
from benchmarks.contenders.common import load_split
from benchmarks.search import FINAL_SEEDS, Job, Result, Space, Study
from benchmarks.splits import ROOT, split_file

RESULTS = Path(__file__).with_name("quality.jsonl")
CONTENDERS = ROOT / "benchmarks" / "contenders"
RECTOOLS, REPLAY = (ROOT / f".venv-{name}" / "bin" / "python" for name in ("rectools", "replay"))
DATA = ("beauty", "amazon5", "steam")


@dataclass(frozen=True)
class Contender:
    """Whose model it is, and how it is trained."""

    script: str
    python: Path
    own: Mapping[str, Any] = field(default_factory=dict)
    searched: bool = True
    own_schedule: bool = False
    seeds: int = len(FINAL_SEEDS)


def _ours(network: str, searched: bool) -> Contender:
    return Contender("ours.py", Path(sys.executable), {"network": network}, searched, own_schedule=True)


CONTENDERS_BY_NAME = {
    "SASRec (ours, as it ships)": _ours("sasrec", searched=False),
    "GRU4Rec (ours, as it ships)": _ours("gru4rec", searched=False),
    "SASRec (ours, searched)": _ours("sasrec", searched=True),
    "GRU4Rec (ours, searched)": _ours("gru4rec", searched=True),
    "SASRec (RePlay, searched)": Contender("replay_sasrec.py", REPLAY),
    "SASRec (RecTools, searched)": Contender("rectools_sasrec.py", RECTOOLS),
    "SASRec (RecTools' fast network, searched)": Contender("rectools_fast.py", RECTOOLS),
    **{
        name: Contender("baselines.py", Path(sys.executable), {"baseline": name}, searched=False, seeds=1)
        for name in ("markov", "item_knn", "ease", "popularity")
    },
}


def study(data: str, name: str, seeds: int = len(FINAL_SEEDS)) -> Study:
    contender = CONTENDERS_BY_NAME[name]
    fingerprint, space = _data(data)
    own = contender.own, contender.searched, contender.own_schedule
    return Study(data, fingerprint, name, space, *own, min(seeds, contender.seeds))


@cache
def _data(name: str) -> tuple[str, Space]:
    """What identifies a data set, and what may be drawn for it."""
    split = load_split(split_file(name))
    parts = (split.train, split.validation.histories, split.test.histories)
    seen = [] if split.exclude_seen else ["seen"]
    return "-".join([*(part.fingerprint()[:8] for part in parts), *seen]), Space.of(split.train)


def results() -> list[Result]:
    """All trainings so far."""
    return records.read(RESULTS)


def train(name: str, data: str, jobs: Sequence[Job]) -> None:
    """In a process of the contender's own, on one thread."""
    contender = CONTENDERS_BY_NAME[name]
    command = [str(contender.python), contender.script, str(split_file(data)), str(RESULTS)]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    told = "".join(json.dumps(job) + "\n" for job in jobs)
    subprocess.run(command, cwd=CONTENDERS, env=environment, input=told, text=True, check=True)


def complete(asked: Study) -> None:
    """Stage after stage, until nothing is missing."""
    data, name = asked.data, asked.contender
    while jobs := asked.missing(results()):
        print(f"{data}, {name}: {len(jobs)} trainings, {jobs[0]['stage']}", flush=True)
        train(name, data, jobs)


def asked_for(only: str, seeds: int) -> Iterator[Study]:
    for data in DATA:
        for name in CONTENDERS_BY_NAME:
            if only in f"{data} {name}":
                yield study(data, name, seeds)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", default="", help="what is in the name of data set and contender")
    parser.add_argument("--seeds", type=int, default=len(FINAL_SEEDS), help="of final trainings")
    parser.add_argument("--at-once", type=int, default=os.cpu_count() or 1, help="trainings, a thread each")
    parser.add_argument("--page", action="store_true", help="train nothing, write the page")
    options = parser.parse_args()
    if not options.page:
        with ThreadPoolExecutor(options.at_once) as pool:
            list(pool.map(complete, asked_for(options.only, options.seeds)))
    from benchmarks import quality_page

    quality_page.write([study(data, name) for data in DATA for name in CONTENDERS_BY_NAME], results())


if __name__ == "__main__":
    main()
