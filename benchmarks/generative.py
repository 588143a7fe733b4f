"""From popularity to models that generate the next item, on the same plays: what each reaches and costs.

    make study-generative
    python -m benchmarks.generative --data beauty --row tiger-ready-rqvae --seeds 1

Every row is a bundle that the code of the pipeline writes and the endpoint can open, judged on all test plays
over the full catalogue. Every result is a line of `benchmarks/generative.jsonl`: a run that was stopped goes
on from there, and what stands there is not done again. To do some again, remove their lines. Writes
docs/benchmarks/generative.md, complete or not.
"""

import argparse
import json
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import safe_open

from assets.training.bundling import TrainingData, load_training_data
from benchmarks import records
from benchmarks.contenders.common import packed
from benchmarks.generative_data import DATA_SETS, DataSet
from benchmarks.generative_rows import APART, ROWS, Row
from benchmarks.tomorrow import compressed
from models.baselines import NotApplicableError
from models.bundle.bundle import ITEM_BIAS, ITEM_EMBEDDINGS, WEIGHTS_FILE, read_manifest
from models.codes.decoder import CODES
from models.evaluation.metrics import coverage, evaluate
from models.scorer import Scorer
from models.stages.names import STAGED
from pipelines.apart import run_apart
from pipelines.operator.environment import set_defaults
from pipelines.resources import Settings, home_of

RESULTS = Path(__file__).with_name("generative.jsonl")
SEEDS = 3
REQUESTS, WARM_UP = 200, 20  # that are timed, one at a time
LISTED = 10
Result = dict[str, Any]


def open_data(name: str, data: DataSet, bench: Path) -> TrainingData:
    """The tables of a data set, made by the pipeline unless they are there."""
    home = bench / name
    home.mkdir(parents=True, exist_ok=True)
    settings = Settings(home=home, progress=False, **data.settings, **data.make(home))
    resource = home_of(settings)
    if not resource.lake().has("sequences") and (why := run_apart(settings, until=["sequences"])):
        raise SystemExit(f"The tables of {name} could not be made: {why}")
    return data.change(load_training_data(resource.lake(), settings.source))


def about(data: TrainingData) -> Result:
    """What the page has to know of the test plays: whose each is, and which are of items without plays."""
    test, counts = data.split.test, data.split.train.counts()
    return {
        "split": data.split.name,
        "items": test.histories.n_items,
        "trained": len(data.split.train.items),
        "people": compressed(test.users.astype(np.int32)),
        "cold": packed(counts[test.targets] == 0),
    }


def written(row: Row, seed: int, data: TrainingData, folder: Path) -> Path:
    """The folder with what the row has fitted, made unless it is there. Raises NotApplicableError."""
    if not folder.exists():
        aside = folder.with_name(f"{folder.name}.part")
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir(parents=True)
        before = time.process_time()
        row.write(aside, data, seed)
        minutes = (time.process_time() - before) / 60
        (aside / "minutes.json").write_text(json.dumps(minutes))
        aside.rename(folder)
    return folder


def measured(row: Row, seed: int, data: TrainingData, folder: Path) -> Result:
    """Fit, unless it is there, and judge. Raises NotApplicableError."""
    scorer = row.open(written(row, seed, data, folder), data)
    found = evaluate(scorer, data.split.test, k=LISTED)
    return {
        "ranks": packed(np.minimum(found.ranks, 11)),
        "coverage": round(coverage(found.items, data.items.n_items), 4),
        "cpu_minutes": round(json.loads((folder / "minutes.json").read_text()), 2),
        "ms": round(milliseconds(scorer, data), 3) if row.served else float("nan"),
        "parameters": parameters(folder),
        "validation": round(read_manifest(folder).metrics.get("ndcg@10", float("nan")), 5),
        "config": {k: v for k, v in read_manifest(folder).config.items() if k != "device"},
    }


def milliseconds(scorer: Scorer, data: TrainingData) -> float:
    """Processor time of a request: scores of all items and the best of them, the median of many."""
    times = []
    for row in range(min(REQUESTS + WARM_UP, len(data.split.test))):
        history = [data.split.test.histories.user(row)]
        before = time.process_time_ns()
        scores = scorer.score(history)[0]
        np.argpartition(scores, -LISTED)[-LISTED:]
        times.append(time.process_time_ns() - before)
    return float(np.median(times[WARM_UP:])) / 1e6


def parameters(folder: Path) -> int:
    """Numbers that were learned, of all bundles within one; what follows from others does not count."""
    total = 0
    for path in folder.rglob(WEIGHTS_FILE):
        manifest = read_manifest(path.parent)
        if manifest.architecture in STAGED:  # facts of the catalogue
            continue
        config = manifest.config
        made = {CODES, *((ITEM_EMBEDDINGS, ITEM_BIAS) if config.get("codes") else ())}
        with safe_open(path, framework="numpy") as weights:
            names = [name for name in weights.keys() if name not in made]  # noqa: SIM118
            total += sum(int(np.prod(weights.get_slice(name).get_shape())) for name in names)
    return total + sum(json.loads(path.read_text()) for path in folder.rglob(APART))


def results() -> list[Result]:
    return records.read(RESULTS)


def keep(result: Mapping[str, Any]) -> None:
    records.append(RESULTS, result)


def key(result: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(result.get(name) for name in ("data", "made", "row", "seed"))


def suits(row: str, data: str) -> bool:
    """Whether the row can be had for these data, and is asked of them."""
    return ROWS[row].suits(data) and row in (DATA_SETS[data].rows or ROWS)


def asked(only: str, seeds: int, first: int = 0) -> Iterator[tuple[str, int]]:
    """Every row whose name is `only`, or every row; those that draw at random with each seed."""
    for seed in range(first, first + seeds):
        for name, row in ROWS.items():
            if (not only or name in only.split(",")) and (row.random or seed == 0):
                yield name, seed


def run(name: str, data: DataSet, bench: Path, only: str, seeds: int, first: int) -> None:
    """All that is missing of one data set."""
    tables = open_data(name, data, bench)
    line = {"data": name, "made": tables.fingerprint[:16]}
    done = {key(result) for result in results()}
    if key(line) not in done:
        keep(line | {"about": about(tables)})
    for row, seed in asked(only, seeds, first):
        wanted = line | {"row": row, "seed": seed}
        if key(wanted) in done or not suits(row, name):
            continue
        print(f"{name}: {row}, seed {seed}", flush=True)
        folder = bench / name / "models" / f"{row}-{seed}"
        try:
            keep(wanted | measured(ROWS[row], seed, tables, folder))
        except NotApplicableError as why:
            keep(wanted | {"left out": str(why)})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", default="", help=f"one of {', '.join(DATA_SETS)}; all by default")
    parser.add_argument("--row", default="", help=f"of {', '.join(ROWS)}; all by default")
    parser.add_argument("--seeds", type=int, default=SEEDS, help="of each row that draws at random")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--page", action="store_true", help="measure nothing, write the page")
    options = parser.parse_args()
    unknown = {*options.row.split(","), options.data} - {*ROWS, *DATA_SETS, ""}
    if unknown:
        parser.error(f"there is no {', '.join(sorted(unknown))}")
    set_defaults()
    bench = Path(os.environ["NEXTPLAY_HOME"]) / "bench" / "generative"
    if not options.page:
        for name, data in DATA_SETS.items():
            if options.data in ("", name):
                run(name, data, bench, options.row, options.seeds, options.first)
    from benchmarks import generative_page

    generative_page.write(results())


if __name__ == "__main__":
    main()
