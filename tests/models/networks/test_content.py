"""Content as a part of the embeddings: items that nobody has played can be recommended by it."""

import hashlib
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import save

from models.bundle.bundle import PADDING
from models.config import LOSSES, NetworkConfig, TrainConfig
from models.data import Sequences, Split, leave_one_out, plan_epoch
from models.evaluation.metrics import rank_targets, summary
from models.networks import NETWORKS
from models.networks.content import Content
from models.training.scoring import NetworkScorer
from models.training.train import Trained, Training, train

KINDS, EACH = 8, 5  # the last item of each kind is played by nobody in the training part
N_ITEMS = KINDS * EACH
SMALL = TrainConfig(
    network=NetworkConfig(width=16, layers=1, dropout=0.0, max_length=16),
    epochs=20,
    patience=20,
    batch_positions=128,
    learning_rate=1e-2,
    content=1.0,
)


def kinds_in_a_row() -> Split:
    """Each play is of the next kind in a ring; what nobody has played is the last play of all."""
    rng = np.random.default_rng(0)
    walks = []
    for _ in range(200):
        kinds = (rng.integers(0, KINDS) + np.arange(7)) % KINDS
        items = 1 + kinds * EACH + rng.integers(0, EACH - 1, 7)
        items[-1] = 1 + kinds[-1] * EACH + EACH - 1
        walks.append(items)
    content = np.zeros((N_ITEMS + 1, KINDS + 3), dtype=np.float32)
    content[np.arange(1, N_ITEMS + 1), np.repeat(np.arange(KINDS), EACH)] = 1
    content[1:, KINDS:] = 0.3 * rng.standard_normal((N_ITEMS, 3))
    content[1:] /= np.linalg.norm(content[1:], axis=1, keepdims=True)
    return replace(leave_one_out(Sequences.from_lists(walks, N_ITEMS)), content=content)


@pytest.fixture(scope="module")
def split() -> Split:
    return kinds_in_a_row()


def digest(trained: Trained) -> str:
    return hashlib.sha256(save(trained.network.state_dict())).hexdigest()


def one_epoch(training: Training, split: Split) -> None:
    training.ranks.begin()
    for windows in plan_epoch(split.train, 16, 256, 0, 1):
        training.step(training.gather(windows, np.random.default_rng(0)), 0.0)


def quality(trained: Trained, split: Split) -> float:
    return summary(rank_targets(NetworkScorer(trained.network), split.test))["ndcg@10"]


@pytest.mark.parametrize(("name", "loss"), [("gru4rec", "full"), ("sasrec", "sampled"), ("bert4rec", "full")])
def test_what_nobody_has_played_is_recommended_by_its_content(name: str, loss: str, split: Split) -> None:
    """It comes right behind the four known items of the kind that is next: 1 / log2(1 + 5) is 0.39."""
    config = replace(SMALL, loss=loss, negatives=16)
    assert quality(train(name, split, config), split) > 0.33
    assert quality(train(name, replace(split, content=None), config), split) < 0.1


@pytest.mark.parametrize("name", NETWORKS)
def test_without_content_the_option_changes_nothing(name: str, split: Split) -> None:
    bare, config = replace(split, content=None), replace(SMALL, epochs=1)
    off = replace(config, content=0.0)
    assert (
        digest(train(name, bare, config)) == digest(train(name, bare, off)) == digest(train(name, split, off))
    )
    assert digest(train(name, split, config)) != digest(train(name, split, off))


@pytest.mark.parametrize("name", NETWORKS)
def test_what_is_trained_is_one_table_in_the_end(name: str, split: Split) -> None:
    """Then the network is like any other, and so are its export and its bundle."""
    training = Training(name, split, SMALL)
    one_epoch(training, split)
    network, histories = training.network, [split.test.histories.user(row) for row in range(9)]
    before = NetworkScorer(network).score(histories)
    network.settle()
    np.testing.assert_allclose(NetworkScorer(network).score(histories), before, atol=1e-5)
    plain = Training(name, replace(split, content=None), SMALL).network
    assert list(network.state_dict()) == list(plain.state_dict())
    assert not network.item_embeddings.weight[PADDING].any()


@pytest.mark.parametrize("loss", LOSSES)
def test_what_nobody_has_played_has_nothing_of_its_own_and_is_no_candidate(loss: str, split: Split) -> None:
    unplayed = torch.from_numpy(split.train.counts() == 0)
    training = Training("sasrec", split, replace(SMALL, loss=loss, negatives=16))
    one_epoch(training, split)
    own = training.network.item_embeddings.weight
    assert not own[unplayed].any() and not training.network.item_bias[unplayed].any()
    assert own[~unplayed].any()


def test_what_an_item_has_of_its_own_is_bounded() -> None:
    torch.manual_seed(0)
    vectors = torch.nn.functional.normalize(torch.randn(6, 4), dim=1)
    content = Content(vectors, 3, largest=0.5)
    own, bias = 10 * torch.randn(6, 3), torch.randn(6)
    own[2] = torch.tensor([0.1, 0.2, 0.1])
    items, biases = content(own, bias)
    added = items - content.embedding(vectors)
    torch.testing.assert_close(added.norm(dim=1)[[0, 1, 3]], torch.full((3,), 0.5))
    torch.testing.assert_close(added[2], own[2])
    torch.testing.assert_close(biases, bias + content.bias(vectors)[:, 0])
    rows = torch.tensor([4, 1])
    some, some_biases = content(own[rows], bias[rows], rows)
    torch.testing.assert_close(some, items[rows])
    torch.testing.assert_close(some_biases, biases[rows])
