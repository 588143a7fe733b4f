"""A home in which champions followed each other, without a run: small baselines, registered."""

import shutil
from pathlib import Path

import numpy as np

from assets.resources import Home
from models.baselines.bundles import baseline_bundle
from models.baselines.markov import Markov
from models.bundle.bundle import ItemTable, bundle_hash
from models.data import Sequences
from models.writing import Origin
from serving.state.pointer import Pointer

N_ITEMS = 12


def write_baseline(folder: Path, number: int) -> None:
    """A bundle that differs from those of other numbers."""
    rng = np.random.default_rng(number)
    train = Sequences.from_lists([rng.permutation(N_ITEMS)[:5] + 1 for _ in range(9)], N_ITEMS)
    ids = ["", *map(str, range(1, N_ITEMS + 1))]
    items = ItemTable(ids, [f"Game {i}" for i in ids], np.arange(N_ITEMS + 1))
    origin = Origin("data", "code", "sample", "leave-one-out")
    baseline_bundle(folder, Markov.fit(train), items, origin, {"ndcg@10": 0.1})


def succession(folder: Path, mlflow: Path, champions: int) -> Home:
    """Champions as versions 1, 2, ... of a new home; `mlflow` is an empty store to begin with."""
    home = Home(path=str(folder))
    shutil.copy(mlflow / "mlflow.db", home.folder("mlflow"))
    tracking = home.tracking()
    for number in range(1, champions + 1):
        bundle = home.bundles().publish(
            "markov", f"{number:064}"[::-1], lambda to, n=number: write_baseline(to, n)
        )
        with tracking.run(f"night {number}", str(number)) as run:
            run.artifact(bundle / "manifest.json")
        version = tracking.register(run.run_id, bundle_hash(bundle), "markov")
        pointer = Pointer(str(bundle), version, bundle_hash(bundle), float(number), f"night {number}")
        home.champions().crown(pointer, {"interactions": str(number)})
    return home
