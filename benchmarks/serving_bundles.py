"""Bundles of random weights for the benches of the endpoint, made by the real export."""

from pathlib import Path

import numpy as np

from models.bundle.attributes import Attribute
from models.bundle.bundle import ItemTable, bundle_hash
from models.config import NetworkConfig, TrainConfig
from serving.state.pointer import Pointer

GENRES = ("Action", "Adventure", "Casual", "Indie", "Racing", "RPG", "Simulation", "Sports", "Strategy")
WIDTH, MAX_LENGTH = 64, 64


def pointer_to(n_items: int, folder: Path) -> Path:
    """The pointer to a SASRec of so many items; both are made where they are not there yet."""
    bundle, pointer = folder / f"sasrec-{n_items}", folder / f"sasrec-{n_items}.json"
    if not pointer.exists():
        _export(bundle, n_items)
        text = Pointer(str(bundle), f"random-{n_items}", bundle_hash(bundle), promoted_at=0.0).to_json()
        pointer.write_text(text, encoding="utf-8")
    return pointer


def items(n_items: int) -> ItemTable:
    """Items with popularity by Zipf's law, one or two genres, a price and a date each."""
    rng = np.random.default_rng(0)
    genre = rng.integers(0, len(GENRES), (n_items, 2))
    price = rng.choice([0.0, 4.99, 9.99, 19.99, 59.99], n_items)
    day = np.datetime64("2005-01-01") + rng.integers(0, 5000, n_items)
    attributes = {
        "genres": Attribute("text", [None, *([GENRES[i] for i in sorted({*row})] for row in genre.tolist())]),
        "price": Attribute("number", [None, *price.tolist()]),
        "release_date": Attribute("date", [None, *day.astype(str).tolist()]),
    }
    ids = [str(10 * i) for i in range(1, n_items + 1)]
    counts = np.append(0, 1_000_000 // np.arange(1, n_items + 1))
    return ItemTable(["", *ids], ["", *(f"Game number {i}" for i in ids)], counts, attributes)


def _export(folder: Path, n_items: int) -> None:
    import torch  # only where a bundle is made

    from models.networks import NETWORKS
    from models.training.export import export_bundle
    from models.training.train import Trained

    torch.manual_seed(0)
    config = TrainConfig(network=NetworkConfig(width=WIDTH, max_length=MAX_LENGTH))
    network = NETWORKS["sasrec"].build(config.network, n_items)
    trained = Trained("sasrec", network, config, curve=[], best_epoch=0)
    export_bundle(
        folder, trained, items(n_items),
        data_fingerprint="random", code_version="random", source="random", split_name="none",
    )  # fmt: skip
