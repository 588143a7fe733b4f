import itertools
import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file

import models.training.export
from models.bundle.bundle import (
    ITEM_EMBEDDINGS,
    ONNX_FILE,
    WEIGHTS_FILE,
    BundleError,
    ItemTable,
    Manifest,
    bundle_hash,
    read_golden,
    read_items,
    read_manifest,
)
from models.config import NetworkConfig, TrainConfig
from models.data import Sequences, Split, leave_one_out
from models.evaluation.metrics import rank_targets
from models.networks import NETWORKS
from models.opening import open_scorer
from models.training.export import export_bundle, export_error, export_network, onnx_bytes
from models.training.scoring import NetworkScorer
from models.training.train import Trained, train
from models.writing import Origin
from tests.support.networks import USUAL, WITH_PATIENCE

N_ITEMS, MAX_LENGTH = 40, 12
ORIGIN = Origin("data", "code", "toy", "leave-one-out")
Exported = tuple[Trained, Path]


def toy_split() -> Split:
    rng = np.random.default_rng(0)
    lengths = rng.integers(3, 20, size=120)
    return leave_one_out(Sequences.from_lists([rng.permutation(N_ITEMS)[:n] + 1 for n in lengths], N_ITEMS))


def toy_items() -> ItemTable:
    ids = ["", *(f"id {i}" for i in range(1, N_ITEMS + 1))]
    return ItemTable(ids, [f"Title “{i}”" for i in ids], toy_split().train.counts())


def toy_training(name: str) -> Trained:
    shape = NetworkConfig(width=16, layers=2, heads=2, dropout=0.1, max_length=MAX_LENGTH)
    config = TrainConfig(network=shape, epochs=3, batch_positions=128, learning_rate=1e-2, threads=1)
    return train(name, toy_split(), config)


def export(folder: Path, trained: Trained, **changes: Any) -> Manifest:
    return export_network(folder, trained, **{"items": toy_items(), "origin": ORIGIN, **changes})


@pytest.fixture(scope="module", params=WITH_PATIENCE)
def exported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    folder = tmp_path_factory.mktemp("bundles") / "deep" / request.param
    trained = toy_training(request.param)
    export(folder, trained)
    return trained, folder


def test_the_exported_network_scores_like_the_trained_one(exported: Exported) -> None:
    trained, folder = exported
    scorer, torch_scorer = open_scorer(folder, threads=1), NetworkScorer(trained.network)
    rng = np.random.default_rng(1)
    for lengths in ([1], [2], [MAX_LENGTH], [MAX_LENGTH + 9], [0], [1, 5, 0, MAX_LENGTH, 30], [1] * 9):
        histories = [rng.integers(1, N_ITEMS + 1, size=n) for n in lengths]
        expected, scores = torch_scorer.score(histories), scorer.score(histories)
        assert scores.dtype == np.float32
        assert np.all(np.isneginf(scores[:, 0]))
        np.testing.assert_allclose(scores[:, 1:], expected[:, 1:], atol=1e-4)
    test = toy_split().test
    agreement = rank_targets(scorer, test) == rank_targets(torch_scorer, test)
    assert agreement.mean() > 0.99


def test_the_manifest_says_what_the_bundle_is(exported: Exported) -> None:
    trained, folder = exported
    manifest = read_manifest(folder)
    assert manifest.architecture == trained.name
    assert (manifest.n_items, manifest.max_length) == (N_ITEMS, MAX_LENGTH)
    assert TrainConfig.from_dict(manifest.config) == trained.config
    assert manifest.metrics == trained.metrics
    assert 0 < manifest.export_error < 1e-4
    assert read_items(folder).ids == toy_items().ids


def test_an_origin_told_piece_by_piece_gives_the_same_bundle(
    exported: Exported, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The network is not exported anew: that this gives the same bytes is tested below."""
    trained, folder = exported
    monkeypatch.setattr(models.training.export, "onnx_bytes", lambda _: (folder / ONNX_FILE).read_bytes())
    export_bundle(
        tmp_path, trained, toy_items(),
        data_fingerprint="data", code_version="code", source="toy", split_name="leave-one-out",
    )  # fmt: skip
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == {
        file.name: file.read_bytes() for file in folder.iterdir()
    }


def test_the_weights_build_the_network_again(exported: Exported) -> None:
    trained, folder = exported
    manifest = read_manifest(folder)
    config = TrainConfig.from_dict(manifest.config).network
    network = NETWORKS[manifest.architecture].build(config, manifest.n_items)
    network.load_state_dict(load_file(folder / WEIGHTS_FILE))
    history = [np.array([3, 1, 4])]
    np.testing.assert_array_equal(
        NetworkScorer(network).score(history), NetworkScorer(trained.network).score(history)
    )


def test_golden_requests_are_the_trained_networks_answers(exported: Exported) -> None:
    trained, folder = exported
    golden = read_golden(folder)
    assert {1, MAX_LENGTH + 1} <= {len(request.history) for request in golden}
    for request in golden:
        scores = NetworkScorer(trained.network).score([np.array(request.history)])[0]
        scores[request.history] = -np.inf
        order = np.argsort(-scores, kind="stable")[: len(request.items)]
        assert len(request.items) == 10
        assert request.items == order.tolist()
        np.testing.assert_allclose(request.scores, scores[order], rtol=1e-5)


def test_no_trace_of_where_it_was_made(exported: Exported) -> None:
    _, folder = exported
    content = b"".join(path.read_bytes() for path in folder.iterdir())
    for trace in (b"/models/", b".py", b"site-packages", str(Path.cwd()).encode(), str(folder).encode()):
        assert trace not in content
    model = onnx.load(folder / ONNX_FILE)
    nodes = [*model.graph.node, *(node for function in model.functions for node in function.node)]
    assert not any(part.doc_string or part.metadata_props for part in (model, model.graph, *nodes))


SUBPROCESS = """
import sys
sys.path.insert(0, {root!r})
from pathlib import Path
from tests.models.training.test_export import export, toy_training
for name in {names!r}:
    export(Path({folder!r}) / name, toy_training(name))
"""


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The bundle of a network from another process, which makes all of the usual ones."""

    @cache
    def made(names: tuple[str, ...]) -> Path:
        folder = tmp_path_factory.mktemp("elsewhere")
        script = SUBPROCESS.format(root=str(Path(__file__).parents[3]), folder=str(folder), names=names)
        done = subprocess.run(
            [sys.executable, "-c", script], cwd=folder, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout + done.stderr == "", "the exporter chatters"
        return folder

    return lambda name: made(USUAL if name in USUAL else (name,)) / name


def test_another_process_and_folder_give_the_same_bytes(
    exported: Exported, elsewhere: Callable[[str], Path]
) -> None:
    trained, folder = exported
    assert bundle_hash(elsewhere(trained.name)) == bundle_hash(folder)


def after_each_other(names: list[str]) -> list[str]:
    """Each name three times in a row, and no more than once right after each other one."""
    order = []
    for at, name in enumerate(names):
        order += [name] * 2 + [one for later in names[at + 1 :] for one in (name, later)]
    return [*order, names[0]]


@pytest.mark.parametrize(
    "order",
    [
        pytest.param(["sasrec", "sasrec", "gru4rec", "gru4rec", "sasrec"], id="each twice"),
        pytest.param(after_each_other(list(NETWORKS)), id="each after each", marks=pytest.mark.slow),
    ],
)
def test_whatever_was_exported_before_the_bytes_are_the_same(order: list[str]) -> None:
    """In this process, in which a GRU twice in a row was what failed."""
    assert all([name] * 2 in (order[at : at + 2] for at in range(len(order))) for name in order)
    shape = NetworkConfig(width=4, layers=1, heads=1, max_length=MAX_LENGTH)
    torch.manual_seed(0)
    networks = {name: NETWORKS[name].build(shape, N_ITEMS).eval() for name in set(order)}
    exported: dict[str, set[bytes]] = {name: set() for name in networks}
    for name in order:
        exported[name].add(onnx_bytes(networks[name]))
    assert {name: len(bytes_of) for name, bytes_of in exported.items()} == dict.fromkeys(networks, 1)


def test_the_whole_order_has_each_three_times_in_a_row_and_after_each_other_one() -> None:
    order = after_each_other(list(NETWORKS))
    assert set(itertools.pairwise(order)) == set(itertools.product(NETWORKS, repeat=2))
    assert all([name] * 3 in (order[at : at + 3] for at in range(len(order))) for name in NETWORKS)


def test_a_pytorch_without_the_private_cache_has_nothing_to_forget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.ops.aten.gru, "input", object())
    models.training.export._forget_kernels()


def test_a_number_that_is_missing_is_no_small_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    network = NETWORKS["gru4rec"].build(NetworkConfig(width=8, max_length=6), N_ITEMS).eval()

    class Silent:
        """As the network, but for one item of one user."""

        def __init__(self, *_: Any, **__: Any) -> None:
            pass

        def score(self, histories: Sequence[NDArray[np.integer]]) -> NDArray[np.float32]:
            scores = NetworkScorer(network).score(histories)
            scores[0, 3] = np.nan
            return scores

    monkeypatch.setattr(models.training.export, "OnnxScorer", Silent)
    assert np.isnan(export_error(network, b""))


def test_an_item_table_of_another_size_is_refused(exported: Exported, tmp_path: Path) -> None:
    items = ItemTable(["", "a"], ["", "A"], np.array([0, 1]))
    with pytest.raises(BundleError, match="The item table has 1 items, the network 40"):
        export(tmp_path / "bundle", exported[0], items=items)
    assert not (tmp_path / "bundle").exists()


def test_an_export_that_differs_is_refused(
    exported: Exported, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained, folder = exported
    model = onnx.load(folder / ONNX_FILE)
    (embeddings,) = (t for t in model.graph.initializer if t.name.endswith(ITEM_EMBEDDINGS))
    changed = onnx.numpy_helper.to_array(embeddings).copy()
    changed[7] *= -1
    embeddings.CopyFrom(onnx.numpy_helper.from_array(changed, embeddings.name))
    monkeypatch.setattr(models.training.export, "onnx_bytes", lambda network: model.SerializeToString())
    with pytest.raises(BundleError, match=r"differs from the trained one by [0-9.]+ on a logit"):
        export(tmp_path / "bundle", trained)
    assert not (tmp_path / "bundle").exists()


def test_a_tiny_catalogue_is_exported(tmp_path: Path) -> None:
    split = leave_one_out(Sequences.from_lists([[1, 2, 3, 4], [2, 3, 4, 1]], 4))
    config = TrainConfig(network=NetworkConfig(width=4, heads=1, max_length=1), epochs=1, threads=1)
    trained = train("sasrec", split, config)
    items = ItemTable(["", *"abcd"], ["", *"ABCD"], split.train.counts())
    assert export(tmp_path, trained, items=items).export_error < 1e-5
    assert [len(request.items) for request in read_golden(tmp_path)] == [3]


def test_serving_needs_no_torch_to_score(exported: Exported) -> None:
    _, folder = exported
    script = (
        "import sys; sys.modules['torch'] = None\n"
        "import numpy as np\nfrom pathlib import Path\nfrom models.opening import open_scorer\n"
        f"print(open_scorer(Path({str(folder)!r}), 1).score([np.array([1, 2])])[0, 1])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    expected = NetworkScorer(exported[0].network).score([np.array([1, 2])])[0, 1]
    assert float(done.stdout) == pytest.approx(expected, abs=1e-4)


def test_the_config_in_a_manifest_is_plain_json(exported: Exported) -> None:
    manifest = json.loads((exported[1] / "manifest.json").read_text())
    assert manifest["config"]["network"]["max_length"] == MAX_LENGTH
    assert torch.__version__ not in json.dumps(manifest)
