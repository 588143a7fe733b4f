"""When items were played: gaps by hand, states by loops, and a process in which the gap alone decides."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from models.config import ConfigError, NetworkConfig, TrainConfig
from models.data import Sequences, Split, leave_one_out
from models.evaluation.metrics import rank_targets, summary
from models.moment import Moment
from models.networks import NETWORKS
from models.networks.hstu import HSTU
from models.networks.times import Times
from models.training.scoring import NetworkScorer
from models.training.train import train
from tests.models.networks.test_loops import array, embedded, norm, silu

COUNT = 6
CONFIG = NetworkConfig(width=8, layers=1, heads=2, dropout=0.0, max_length=7, time_buckets=COUNT)
SINCE = torch.tensor([[40, 9, 3, 0], [5, 5, 0, 0], [-1, -1, -1, -1]])  # the second has two items


def test_gaps_are_from_the_next_play_and_from_the_asking_in_buckets_twice_as_wide() -> None:
    found = Times.since(SINCE).buckets(COUNT)
    gaps = [[31, 0], [37, 6], [40, 9, 3]]  # of the first: to its items, asked when the next was played
    assert [row[: i + 1] for i, row in enumerate(found[0, :1].tolist())] == [[5]]
    assert found[0, 1, :2].tolist() == [5, 3] and gaps[1] == [37, 6]
    assert found[0, 2, :3].tolist() == [5, 4, 2], "40, 9 and 3 seconds"
    assert found[1, 1, :2].tolist() == [3, 3], "two at once, 5 seconds ago"
    assert (found[2] == COUNT).all(), "not known"
    newest = torch.tensor([[3], [1], [0]])
    assert torch.equal(Times.since(SINCE).buckets(COUNT, newest)[:, 0], found[torch.arange(3), newest[:, 0]])


def timed_network() -> HSTU:
    torch.manual_seed(0)
    network = NETWORKS["hstu"].build(CONFIG, 9)
    assert isinstance(network, HSTU)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.4 * torch.randn_like(parameter))
    return network.eval()


def test_states_with_times_are_those_of_plain_loops() -> None:
    network, history = timed_network(), [3, 9, 2]
    times = Times.since(torch.tensor([[40, 9, 3]]))
    with torch.inference_mode():
        found = network.encode(torch.tensor([history]), times)[0]
        newest = network.state(torch.tensor([history]), network.item_embeddings.weight, times)[0]
    block, size = network.blocks[0], CONFIG.width // CONFIG.heads
    attention = block.attention
    distance = array(attention.distance).reshape(CONFIG.heads, -1)
    since = array(attention.since.bias).reshape(-1, CONFIG.heads)
    played, asked = [-40, -9, -3], [-9, -3, 0]
    rows = embedded(network, history)
    mapped = [silu(array(attention.inputs.weight) @ norm(block.norm, row)) for row in rows]
    gates, queries, keys, values = zip(*(np.split(one, 4) for one in mapped), strict=True)
    for i, row in enumerate(rows):
        gathered = np.zeros(CONFIG.width)
        for head in range(CONFIG.heads):
            part = slice(head * size, (head + 1) * size)
            for j in range(i + 1):
                bucket = min(int(np.log2(asked[i] - played[j])) + 1, COUNT - 1)
                bias = distance[head, i - j] + since[bucket, head]
                gathered[part] += silu(queries[i][part] @ keys[j][part] + bias) * values[j][part]
        added = array(attention.output.weight) @ (norm(attention.norm, gathered) * gates[i])
        np.testing.assert_allclose(found[i], norm(network.norm, row + added), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(newest, found[2], rtol=1e-4, atol=1e-5)


def test_what_is_not_known_is_alike_whoever_does_not_know_it() -> None:
    network, history = timed_network(), torch.tensor([[3, 9, 2]])
    with torch.inference_mode():
        unknown = network.encode(history, Times.since(torch.full((1, 3), -1)))
        torch.testing.assert_close(network.encode(history), unknown)
        known = network.encode(history, Times.since(torch.tensor([[40, 9, 3]])))
    assert (known - unknown).abs().max() > 1e-3


def gaps_decide(users: int) -> tuple[Split, Split]:
    """After a gap of a minute the next item on the ring is played, after a day the one behind it."""
    rng = np.random.default_rng(0)
    long = rng.random((users, 8)) < 0.5
    steps = np.concatenate([rng.integers(0, 19, (users, 1)), np.where(long, 2, 1)], axis=1)
    seconds = np.concatenate([np.zeros((users, 1), np.int64), np.where(long, 86_400, 60)], axis=1)
    sequences = Sequences.from_lists(1 + np.cumsum(steps, axis=1) % 19, 19)
    played_ms = 1_500_000_000_000 + 1000 * np.cumsum(seconds, axis=1)
    split = leave_one_out(sequences)
    held = {
        name: getattr(split, name).asked_at(played_ms.ravel(), sequences) for name in ("validation", "test")
    }
    return split, replace(split, **held, played_ms=played_ms[:, :7].ravel())


def test_what_the_gap_alone_decides_is_learned_with_times_and_not_without() -> None:
    untimed, timed = gaps_decide(300)
    config = TrainConfig(
        network=replace(CONFIG, width=16, max_length=16, time_buckets=20),
        epochs=15, patience=15, batch_positions=128, learning_rate=1e-2, embedding_learning_rate=0.05,
    )  # fmt: skip
    reached = {
        name: summary(rank_targets(NetworkScorer(train("hstu", split, config).network), split.test))["ndcg@1"]
        for name, split in (("with", timed), ("without", untimed))
    }
    assert reached["with"] > 0.9
    assert reached["without"] < 0.7


def test_a_moment_knows_the_plays_of_its_histories() -> None:
    _, timed = gaps_decide(5)
    moment, rows = timed.test.moment, np.array([3, 1])
    assert moment is not None
    histories = [timed.test.histories.user(row) for row in rows]
    since = timed.test.rows(rows).moment.since(histories)
    assert since is not None and [len(one) for one in since] == [8, 8]
    for one, other in zip(since, moment.rows(rows).since(histories), strict=True):
        np.testing.assert_array_equal(one, other)
        assert one[-1] in (60, 86_400) and (np.diff(one) < 0).all()
    assert Moment.all_at(5, 2).since(histories) is None


@pytest.mark.parametrize("name", [name for name in NETWORKS if name != "hstu"])
def test_who_asks_another_network_for_times_is_told(name: str) -> None:
    _, timed = gaps_decide(5)
    config = TrainConfig(network=replace(CONFIG, width=16))
    with pytest.raises(ConfigError, match=f"time_buckets has no effect on {name}"):
        train(name, timed, config)
