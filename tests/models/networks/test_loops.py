"""HSTU and LiGR against plain loops over positions, written from the papers."""

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.config import NetworkConfig
from models.networks import NETWORKS
from models.networks.base import SequenceNetwork
from models.networks.hstu import PointwiseBlock
from models.networks.layout import Padded
from models.networks.ligr import GatedBlock

Array = NDArray[np.float64]
CONFIG = NetworkConfig(width=8, layers=2, heads=2, dropout=0.3, max_length=7)
HISTORIES = [[3, 9, 2, 5, 5], [7], [1, 2, 3, 4, 5, 6, 7]]


def built(name: str) -> SequenceNetwork:
    torch.manual_seed(0)
    network = NETWORKS[name].build(CONFIG, 9)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.4 * torch.randn_like(parameter))
    return network.eval()


def array(tensor: Tensor) -> Array:
    return tensor.detach().double().numpy()


def norm(layer: torch.nn.LayerNorm, x: Array) -> Array:
    return (x - x.mean()) / math.sqrt(x.var() + layer.eps) * array(layer.weight) + array(layer.bias)


def sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def silu(x: Array) -> Array:
    return x * sigmoid(x)


def embedded(network: SequenceNetwork, history: list[int]) -> list[Array]:
    items, positions = array(network.item_embeddings.weight), array(network.position_embeddings.weight)
    return [items[item] + positions[i - len(history)] for i, item in enumerate(history)]


def hstu_block(block: PointwiseBlock, rows: list[Array]) -> list[Array]:
    attention, size = block.attention, CONFIG.width // CONFIG.heads
    mapped = [silu(array(attention.inputs.weight) @ norm(block.norm, row)) for row in rows]
    gates, queries, keys, values = zip(*(np.split(one, 4) for one in mapped), strict=True)
    bias, found = array(attention.distance).reshape(CONFIG.heads, -1), []
    for i, row in enumerate(rows):
        gathered = np.zeros(CONFIG.width)
        for head in range(CONFIG.heads):
            part = slice(head * size, (head + 1) * size)
            for j in range(i + 1):
                gathered[part] += silu(queries[i][part] @ keys[j][part] + bias[head, i - j]) * values[j][part]
        gated = norm(attention.norm, gathered) * gates[i]
        found.append(row + array(attention.output.weight) @ gated)
    return found


def ligr_block(block: GatedBlock, rows: list[Array]) -> list[Array]:
    attention, size = block.attention, CONFIG.width // CONFIG.heads
    mapped = [array(attention.inputs.weight) @ norm(block.norm_attention, row) for row in rows]
    queries, keys, values = zip(*(np.split(one, 3) for one in mapped), strict=True)
    found = []
    for i, row in enumerate(rows):
        mixed = np.zeros(CONFIG.width)
        for head in range(CONFIG.heads):
            part = slice(head * size, (head + 1) * size)
            likes = np.array([queries[i][part] @ keys[j][part] / math.sqrt(size) for j in range(i + 1)])
            shares = np.exp(likes) / np.exp(likes).sum()
            mixed[part] = sum(share * values[j][part] for j, share in enumerate(shares))
        gate = sigmoid(array(block.gate_attention.weight) @ row + array(block.gate_attention.bias))
        inner = row + gate * (array(attention.output.weight) @ mixed)
        gating, value = np.split(array(block.feed.inputs.weight) @ norm(block.norm_feed, inner), 2)
        fed = array(block.feed.output.weight) @ (silu(gating) * value)
        gate = sigmoid(array(block.gate_feed.weight) @ inner + array(block.gate_feed.bias))
        found.append(inner + gate * fed)
    return found


def states_by_loops(network: SequenceNetwork, history: list[int]) -> Array:
    rows = embedded(network, history)
    for block in network.blocks:
        if isinstance(block, PointwiseBlock):
            rows = hstu_block(block, rows)
        elif isinstance(block, GatedBlock):
            rows = ligr_block(block, rows)
    return np.stack([norm(network.norm, row) for row in rows])


def test_states_are_those_of_plain_loops() -> None:
    for name in ("hstu", "ligr"):
        network = built(name)
        assert len(network.blocks) == 2
        for history in HISTORIES:
            with torch.inference_mode():
                found = network.encode(torch.tensor([history]))[0]
                newest = network.state(torch.tensor([history]), network.item_embeddings.weight)[0]
            expected = states_by_loops(network, history)
            np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
            np.testing.assert_allclose(newest, expected[-1], rtol=1e-4, atol=1e-5)


def test_how_much_there_is_shows_in_the_sums_of_hstu_before_their_norm() -> None:
    """What a softmax cannot tell: the same item once or four times."""
    block = built("hstu").blocks[0]
    x = torch.randn(1, 1, CONFIG.width)
    with torch.no_grad():
        block.attention.distance.zero_()
        gathered = []
        block.attention.norm.register_forward_hook(lambda _, given, __: gathered.append(given[0]))
        block(x.expand(1, 4, -1), Padded(torch.ones(1, 4, dtype=torch.int64)))
    once, four = gathered[0][0, 0], gathered[0][0, 3]
    torch.testing.assert_close(four, 4 * once)
