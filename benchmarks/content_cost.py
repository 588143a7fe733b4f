"""What content and time cost: a request of the endpoint, and a position of training, with and without.

    python -m benchmarks.content_cost

One endpoint for each model at the same time, asked in turn, a hundred requests each time; trainings likewise,
some steps each time. CPU seconds and their ratios, so that others who use the machine do not matter much.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import httpx
import numpy as np
import psutil

from benchmarks.endpoint_cost import cpu_seconds
from benchmarks.serving_bundles import items, pointer_to
from models.baselines import BASELINES
from models.baselines.base import Facts
from models.baselines.bundles import baseline_bundle
from models.blend.bundles import blend_bundle
from models.blend.scorer import BLEND, MEMBERS_FOLDER, WEIGHTS
from models.bundle.bundle import ItemTable, bundle_hash
from models.content.vectors import content_vectors
from models.data import Sequences, leave_one_out, plan_epoch
from models.writing import Origin
from serving.state.pointer import Pointer

ITEMS, HISTORY = 6_000, 40
NEW_SHARE = 0.03  # of the items, that nobody has played
ROUNDS, REQUESTS, STEPS = 12, 100, 15
BLENDED = {"sasrec": 1.0, "recent_popularity": 0.5, "new_releases": 0.01}
ORIGIN = Origin("random", "random", "random", "none")


def plays(n_items: int) -> tuple[Sequences, Facts, ItemTable]:
    """Random plays of random items with a time each, and the items."""
    rng = np.random.default_rng(0)
    table, known = items(n_items), int((1 - NEW_SHARE) * n_items)
    users = [rng.permutation(known)[:HISTORY] + 1 for _ in range(2_000)]
    train = Sequences.from_lists(users, n_items)
    table = replace(table, counts=train.counts())
    times = np.sort(rng.integers(1_500_000_000, 1_530_000_000, len(train.items)))
    return train, Facts(table.ids, times, True, table, 1), table


def bundles(folder: Path) -> dict[str, Path]:
    """A pointer to each model: a network, `content`, and a blend that knows content and time."""
    network, (train, facts, table) = folder / f"sasrec-{ITEMS}", plays(ITEMS)
    made = {"sasrec": pointer_to(ITEMS, folder)}
    members = folder / BLEND / MEMBERS_FOLDER
    for name in ("content", "recent_popularity", "new_releases"):
        place = folder / name if name == "content" else members / name
        place.mkdir(parents=True)
        baseline_bundle(place, BASELINES[name].fit(train, None, facts), table, ORIGIN, {})
    shutil.copytree(network, members / "sasrec")
    blend_bundle(folder / BLEND, {WEIGHTS: BLENDED}, table, ORIGIN, {})
    for name in ("content", BLEND):
        made[name] = folder / f"{name}.json"
        text = Pointer(str(folder / name), name, bundle_hash(folder / name), promoted_at=0.0).to_json()
        made[name].write_text(text, encoding="utf-8")
    return made


@contextmanager
def endpoint(pointer: Path, port: int) -> Iterator[Callable[[], float]]:
    """What asks an endpoint of one worker a hundred times, and says the CPU seconds of each request."""
    environment = os.environ | {
        "NEXTPLAY_POINTER": str(pointer), "NEXTPLAY_PORT": str(port), "NEXTPLAY_WORKERS": "1",
        "OMP_NUM_THREADS": "1", "NEXTPLAY_HOME": str(pointer.parent),
    }  # fmt: skip
    command, nowhere = [sys.executable, "-m", "serving"], subprocess.DEVNULL
    server = subprocess.Popen(command, env=environment, stdout=nowhere, stderr=nowhere)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
            _wait_until_ready(client)
            process = psutil.Process(server.pid)
            body = {"history": [str(10 * i) for i in range(1, HISTORY + 1)], "k": 10}

            def ask() -> float:
                before = cpu_seconds(process)
                for _ in range(REQUESTS):
                    client.post("/recommend", json=body).raise_for_status()
                return (cpu_seconds(process) - before) / REQUESTS

            ask()
            yield ask
    finally:
        server.terminate()
        server.wait()


def _wait_until_ready(client: httpx.Client, seconds: float = 300) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if client.get("/readyz").status_code == httpx.codes.OK:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.5)
    sys.exit("The endpoint was not ready in time.")


def steps(name: str, described: bool) -> Callable[[], float]:
    """What makes some steps of training, and says the CPU seconds of a position."""
    from models.config import TrainConfig
    from models.training.train import Training

    train, _, table = plays(ITEMS)
    ages = np.linspace(300, 0, len(train.items)).astype(np.float32)
    split = replace(leave_one_out(train), ages=None, content=content_vectors(table) if described else None)
    config = TrainConfig().with_changes(loss="sampled", threads=1, content=5.0 if described else 0.0)
    if described:
        split, config = (
            replace(split, ages=ages[: len(split.train.items)]),
            config.with_changes(half_life=90.0),
        )
    training = Training(name, split, config)
    training.network.train()
    rng = np.random.default_rng(0)
    plan = plan_epoch(split.train, config.network.max_length, config.batch_positions, 0, 1)
    batch = training.gather(plan[0], rng)
    positions = int((batch.targets != 0).sum())

    def make() -> float:
        started = time.process_time()
        for _ in range(STEPS):
            training.step(batch, 0.5)
        return (time.process_time() - started) / STEPS / positions

    make()
    return make


def in_turn(asked: Mapping[str, Callable[[], float]]) -> dict[str, list[float]]:
    """The seconds of each, round by round."""
    rounds = [{name: ask() for name, ask in asked.items()} for _ in range(ROUNDS)]
    return {name: [one[name] for one in rounds] for name in asked}


def told(seconds: Mapping[str, list[float]], unit: str, scale: float) -> None:
    """A line each: the median, and the median of the ratios to the first."""
    first = np.array(next(iter(seconds.values())))
    for name, values in seconds.items():
        ratio = np.median(np.array(values) / first)
        print(f"{name}: {scale * np.median(values):.2f} {unit}, {ratio:.2f} times the first", flush=True)


def main() -> None:
    requests()
    trainings()


def trainings() -> None:
    from models.training.device import reproducible

    with reproducible(1):
        for name in ("sasrec", "gru4rec"):
            kinds = {name: steps(name, False), f"{name} with content and half_life": steps(name, True)}
            told(in_turn(kinds), "µs of CPU a position", 1e6)


def requests() -> None:
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        asked = {
            name: stack.enter_context(endpoint(pointer, 39_871 + i))
            for i, (name, pointer) in enumerate(bundles(Path(folder)).items())
        }
        told(in_turn(asked), f"ms of CPU a request at {ITEMS:,} items", 1e3)


if __name__ == "__main__":
    main()
