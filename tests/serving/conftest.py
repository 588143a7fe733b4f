"""Fake bundles without torch, and what serves them."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import save_file

from models.baselines import BASELINES
from models.baselines.bundles import baseline_bundle
from models.bundle.bundle import (
    ITEM_BIAS,
    ITEM_EMBEDDINGS,
    ONNX_FILE,
    WEIGHTS_FILE,
    GoldenRequest,
    ItemTable,
    Manifest,
    bundle_hash,
    read_items,
    write_bundle,
)
from models.data import Sequences
from models.writing import Origin
from serving.state.pointer import Pointer
from tests.support.servers import ROOT, bento

N_ITEMS = 150
SHOWN = ("popularity", "markov")


def random_table(seed: int) -> NDArray[np.float32]:
    table = np.random.default_rng(seed).normal(size=(N_ITEMS + 1, N_ITEMS + 1)).astype(np.float32)
    table[0] = 0
    return table


def write_fake_bundle(
    folder: Path,
    table: NDArray[np.float32],
    prefix: str = "",
    golden_shift: float = 0.0,
    bias: NDArray[np.float32] | None = None,
) -> Path:
    """A bundle whose network sums one row of a table per item of the history: scores[j] = sum_i table[i, j].

    The state is those scores, and the item embeddings are the identity.

    Items are named `prefix` + "1", "2", ...; `golden_shift` makes the golden scores wrong by that much.
    """
    folder.mkdir(parents=True)
    graph = helper.make_graph(
        [
            helper.make_node("Gather", ["table", "history"], ["rows"]),
            helper.make_node("ReduceSum", ["rows", "axis"], ["state"], keepdims=0),
        ],
        "sums",
        [helper.make_tensor_value_info("history", TensorProto.INT64, ["users", "length"])],
        [helper.make_tensor_value_info("state", TensorProto.FLOAT, ["users", N_ITEMS + 1])],
        [
            numpy_helper.from_array(table, "table"),
            numpy_helper.from_array(np.array([1], dtype=np.int64), "axis"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
    onnx.save(model, folder / ONNX_FILE)
    output = {ITEM_EMBEDDINGS: np.eye(N_ITEMS + 1, dtype=np.float32)}
    output[ITEM_BIAS] = np.zeros(N_ITEMS + 1, np.float32) if bias is None else bias
    save_file(output, folder / WEIGHTS_FILE)
    ids = ["", *(f"{prefix}{i}" for i in range(1, N_ITEMS + 1))]
    items = ItemTable(ids, [f"Game {i}" for i in ids], np.arange(N_ITEMS + 1))
    manifest = Manifest(
        architecture="sums",
        n_items=N_ITEMS,
        max_length=5,
        vocabulary_hash=items.vocabulary_hash(),
        data_fingerprint="data-1",
        code_version="code-1",
        source="sample",
        split="leave-one-out",
        metrics={"ndcg@10": 0.25},
    )
    scores = table[[3, 7]].sum(axis=0)
    scores[[0, 3, 7]] = -np.inf
    best = np.argsort(-scores)[:10]
    golden = GoldenRequest([3, 7], best.tolist(), (scores[best] + golden_shift).tolist())
    write_bundle(folder, manifest, items, [golden])
    return folder


def write_real_baselines(folder: Path, items: ItemTable) -> dict[str, Path]:
    """Bundles of the baselines that the page shows, fitted to a few short histories."""
    train = Sequences.from_lists([[1, 2, 3], [1, 2, 4], [2, 3], [5, 3], [3, 6]], items.n_items)
    origin = Origin("data-1", "code-1", "sample", "leave-one-out")
    for name in SHOWN:
        fitted = BASELINES[name].fit(train)
        baseline_bundle(folder / name, fitted, items, origin, {})
    return {name: folder / name for name in SHOWN}


def publish_pointer(path: Path, bundle: Path, version: str) -> None:
    """Publish a bundle the way promotion does: whole or not at all."""
    text = Pointer(str(bundle), version, bundle_hash(bundle), promoted_at=1.0).to_json()
    unfinished = path.with_suffix(".new")
    unfinished.write_text(text, encoding="utf-8")
    unfinished.replace(path)


@pytest.fixture(scope="session")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Two bundles with different items, `a` and `b`, and one that breaks its golden promise."""
    folder = tmp_path_factory.mktemp("bundles")
    return {
        "a": write_fake_bundle(folder / "a", random_table(1)),
        "b": write_fake_bundle(folder / "b", random_table(2), prefix="b"),
        "broken": write_fake_bundle(folder / "broken", random_table(3), golden_shift=0.5),
    }


@pytest.fixture(scope="session")
def write_baselines() -> Callable[[Path, ItemTable], dict[str, Path]]:
    return write_real_baselines


@pytest.fixture(scope="session")
def baselines(tmp_path_factory: pytest.TempPathFactory, bundles: dict[str, Path]) -> dict[str, Path]:
    """Both baselines, which know the items of bundle `a`."""
    return write_real_baselines(tmp_path_factory.mktemp("baselines"), read_items(bundles["a"]))


@pytest.fixture(scope="session")
def bento_home(
    tmp_path_factory: pytest.TempPathFactory, bundles: dict[str, Path], baselines: dict[str, Path]
) -> Path:
    """A BENTOML_HOME with the Bento nextplay:7 of bundle `a` and baselines, built by the command line."""
    home = tmp_path_factory.mktemp("bento") / "bentoml"
    built = subprocess.run(
        [sys.executable, "-m", "serving.package", str(bundles["a"]), "7", *map(str, baselines.values())],
        cwd=ROOT,
        env=os.environ | {"BENTOML_HOME": str(home)},
        check=True,
        capture_output=True,
        text=True,
    )
    assert json.loads(built.stdout.splitlines()[-1]) == {"tag": "nextplay:7"}
    return home


@pytest.fixture(scope="session")
def bento_server(bento_home: Path) -> Iterator[httpx.Client]:
    """The Bento, served by BentoML."""
    with bento("nextplay:7", bento_home.parent) as server:
        yield server.client


@pytest.fixture
def pointer(tmp_path: Path, bundles: dict[str, Path]) -> Path:
    """A pointer to bundle `a` as version `a1`."""
    path = tmp_path / "champion.json"
    publish_pointer(path, bundles["a"], "a1")
    return path


@pytest.fixture
def publish(pointer: Path, bundles: dict[str, Path]) -> Callable[[str, str], None]:
    """publish(name, version) points to another bundle."""
    return lambda name, version: publish_pointer(pointer, bundles[name], version)


@pytest.fixture(scope="session")
def wait_until() -> Callable[[Callable[[], object]], None]:
    def wait(holds: Callable[[], object]) -> None:
        deadline = time.monotonic() + 20
        while not holds():
            assert time.monotonic() < deadline, "It did not happen."
            time.sleep(0.01)

    return wait


@pytest.fixture(scope="session")
def make_table() -> Callable[[int], NDArray[np.float32]]:
    return random_table


@pytest.fixture(scope="session")
def make_bundle() -> Callable[..., Path]:
    return write_fake_bundle


@pytest.fixture(scope="session")
def write_pointer() -> Callable[[Path, Path, str], None]:
    return publish_pointer
