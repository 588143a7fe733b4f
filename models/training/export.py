"""From a trained network to a bundle: ONNX that is checked against PyTorch, weights, golden requests.

The caller gives an empty folder and publishes it (by renaming) when `export_network` has returned: a bundle
is never half there. Its bytes follow from the arguments alone; folder, clock and working directory leave no
trace in it.
"""

import io
import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from safetensors.torch import save

from models.bundle.agreement import TOLERANCE
from models.bundle.bundle import (
    ITEM_BIAS,
    ITEM_EMBEDDINGS,
    ONNX_FILE,
    PADDING,
    WEIGHTS_FILE,
    BundleError,
    ItemTable,
    Manifest,
)
from models.codes.scorer import TigerScorer
from models.networks.base import SequenceNetwork
from models.repeats import Repeats
from models.scorer import OnnxScorer
from models.training.device import reproducible
from models.training.scoring import NetworkScorer
from models.training.train import Trained
from models.writing import Origin, write_model

OPSET = 23  # the first with an operator for attention


def export_network(
    folder: Path,
    trained: Trained,
    items: ItemTable,
    origin: Origin,
    metrics: Mapping[str, float] | None = None,
) -> Manifest:
    """Write the bundle of a trained network into `folder`; `metrics` take the place of its own.

    Raises BundleError where the item table is not the network's, or where the exported network's logits are
    further than `TOLERANCE` from the trained one's.
    """
    network = trained.network.eval()
    if items.n_items != network.n_items:
        raise BundleError(f"The item table has {items.n_items} items, the network {network.n_items}.")
    with reproducible(threads=1):
        model = onnx_bytes(network)
        difference = export_error(network, model)
        if not difference <= TOLERANCE:
            raise BundleError(
                f"The exported {trained.name} differs from the trained one by {difference:.2g} on a logit, "
                f"more than {TOLERANCE:.0e}: do not use it, and report the versions of torch, onnx and "
                "onnxruntime."
            )
        manifest = write_model(
            folder,
            NetworkScorer(network),
            items,
            origin,
            architecture=trained.name,
            max_length=trained.config.network.max_length,
            config=trained.config.to_dict(),
            metrics=trained.metrics if metrics is None else metrics,
            export_error=difference,
        )
    (folder / ONNX_FILE).write_bytes(model)
    (folder / WEIGHTS_FILE).write_bytes(save(network.state_dict()))
    return manifest


def export_bundle(
    folder: Path,
    trained: Trained,
    items: ItemTable,
    *,
    data_fingerprint: str,
    code_version: str,
    source: str,
    split_name: str,
    metrics: Mapping[str, float] | None = None,
) -> Manifest:
    """`export_network` for who trains by hand, with the origin told piece by piece; raises BundleError."""
    origin = Origin(data_fingerprint, code_version, source, split_name)
    return export_network(folder, trained, items, origin, metrics)


def onnx_bytes(network: SequenceNetwork) -> bytes:
    """What encodes a history, as ONNX: `history` int64 [batch, length] -> `state` float32 [batch, width].

    Batch and length are free. Names of source files and stack traces, which the exporter writes into it, are
    taken out again.
    """
    example = torch.ones(2, min(3, network.config.max_length), dtype=torch.int64)
    if any(isinstance(part, torch.nn.GRU) for part in network.modules()):
        _forget_kernels()
    with _silence(), torch.inference_mode(False):
        program = torch.onnx.export(
            _Encoder(network),
            (example,),
            dynamo=True,
            input_names=["history"],
            output_names=["state"],
            dynamic_shapes={"history": {0: torch.export.Dim.DYNAMIC, 1: torch.export.Dim.DYNAMIC}},
            opset_version=OPSET,
            verbose=False,
        )
    assert program is not None
    model = program.model_proto
    _strip(model)
    onnx.checker.check_model(model)
    content: bytes = model.SerializeToString(deterministic=True)
    return content


def _forget_kernels() -> None:
    """Let PyTorch look up anew how a GRU is traced.

    For an export of free length PyTorch (2.13) puts a loop in place of the GRU that it unrolls otherwise,
    but leaves what `OpOverload` has cached. A GRU exported before, or traced in any other way, is cached
    unrolled, and so is fixed to the length of the example. The cache is private: a PyTorch without it has
    nothing to forget, and `export_network` refuses what is wrong all the same.
    """
    if (kernels := getattr(torch.ops.aten.gru.input, "_dispatch_cache", None)) is not None:
        kernels.clear()


class _Encoder(torch.nn.Module):
    """Exported in place of the network: the product with the item embeddings is NumPy's at serving."""

    def __init__(self, network: SequenceNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, history: torch.Tensor) -> torch.Tensor:
        return self.network.state(history, self.network.item_embeddings.weight)


def export_error(network: SequenceNetwork, model: bytes) -> float:
    """Largest difference of a logit between onnxruntime and PyTorch, over batches of many shapes.

    NaN where one of them gives no number.
    """
    weights = {name: value.numpy() for name, value in network.state_dict().items()}
    embeddings, bias, length = weights[ITEM_EMBEDDINGS], weights[ITEM_BIAS], network.config.max_length
    scorer = (
        OnnxScorer(model, embeddings, bias, length, threads=1, repeats=Repeats.of(weights))
        if network.PRODUCTS
        else TigerScorer(model, weights, length, threads=1)
    )
    worst = 0.0
    for batch in _probes(network.n_items, network.config.max_length):
        with torch.inference_mode():
            expected = network(torch.from_numpy(batch)).numpy()  # [batch, n_items + 1]
        scores = scorer.score(list(batch))  # [batch, n_items + 1]
        difference = np.max(np.abs(scores[:, 1:] - expected[:, 1:]))
        worst = float(np.maximum(worst, difference))  # Python's max would pass over NaN
    return worst


def _probes(n_items: int, max_length: int) -> Iterator[NDArray[np.int64]]:
    """Batches of one row and of many, short, as long as allowed, ragged, and with a row of padding alone."""
    rng = np.random.default_rng(0)
    for rows in (1, 2, 7):
        for length in sorted({1, min(2, max_length), max_length}):
            batch = rng.integers(1, n_items + 1, size=(rows, length))
            yield batch
            lengths = rng.integers(0, length + 1, size=rows)
            lengths[0] = 0
            yield np.where(np.arange(length) < lengths[:, None], batch, PADDING)


def _strip(model: onnx.ModelProto) -> None:
    """Take out what says where and from which source lines the model was exported."""
    _strip_message(model)
    _strip_graph(model.graph)
    for function in model.functions:
        _strip_message(function)
        _strip_nodes(function.node)


def _strip_graph(graph: onnx.GraphProto) -> None:
    for message in (graph, *graph.input, *graph.output, *graph.value_info, *graph.initializer):
        _strip_message(message)
    _strip_nodes(graph.node)


def _strip_nodes(nodes: Sequence[onnx.NodeProto]) -> None:
    for node in nodes:
        _strip_message(node)
        for attribute in node.attribute:
            attribute.doc_string = ""
            for graph in (*attribute.graphs, *([attribute.g] if attribute.HasField("g") else [])):
                _strip_graph(graph)


def _strip_message(message: onnx.ModelProto | onnx.GraphProto | onnx.FunctionProto | onnx.NodeProto) -> None:
    message.doc_string = ""
    del message.metadata_props[:]


@contextmanager
def _silence() -> Iterator[None]:
    """Keep the exporter's progress and hints off the terminal; errors are raised all the same."""
    before = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
