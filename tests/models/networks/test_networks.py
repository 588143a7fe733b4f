import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from models.config import NetworkConfig
from models.data import MASK, Sequences
from models.networks import NETWORKS, default_config
from models.networks.base import SequenceNetwork
from models.networks.dropout import Dropout, ItemDropout
from models.scorer import padded

N_ITEMS, MAX_LENGTH = 30, 12
CONFIG = NetworkConfig(width=16, layers=2, heads=2, dropout=0.3, max_length=MAX_LENGTH)
every_network = pytest.mark.parametrize("name", NETWORKS)
items = st.integers(1, N_ITEMS)
histories = st.lists(items, min_size=1, max_size=MAX_LENGTH)


def build(name: str, config: NetworkConfig = CONFIG) -> SequenceNetwork:
    """A network whose weights are large, so that a leak shows as a large difference."""
    torch.manual_seed(0)
    network = NETWORKS[name].build(config, N_ITEMS)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return network.eval()


NETWORKS_BUILT = {name: build(name) for name in NETWORKS}


def scores(network: SequenceNetwork, *users: list[int]) -> Tensor:
    with torch.inference_mode():
        return network(torch.from_numpy(padded([np.array(user) for user in users], MAX_LENGTH)))


@pytest.mark.parametrize("name", [name for name in NETWORKS if not NETWORKS[name].masked])
@given(st.lists(st.tuples(items, items), min_size=1, max_size=MAX_LENGTH), st.integers(0, MAX_LENGTH))
@settings(max_examples=20, deadline=None)
def test_later_items_do_not_change_earlier_states(name: str, pairs: list[tuple[int, int]], kept: int) -> None:
    network = NETWORKS_BUILT[name]
    history = [pair[0] for pair in pairs]
    changed = history[:kept] + [pair[1] for pair in pairs[kept:]]
    with torch.inference_mode():
        a, b = (network.encode(torch.tensor([row]))[0, :kept] for row in (history, changed))
    torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


@every_network
@given(st.lists(histories, min_size=1, max_size=6), st.randoms(use_true_random=False))
@settings(max_examples=15, deadline=None)
def test_neighbours_and_padding_do_not_change_scores(
    name: str, users: list[list[int]], random: object
) -> None:
    """Each user alone (no padding, no neighbour) and all together, in any order."""
    network = NETWORKS_BUILT[name]
    order = list(range(len(users)))
    random.shuffle(order)  # type: ignore[attr-defined]
    together = scores(network, *(users[row] for row in order))
    for place, row in enumerate(order):
        torch.testing.assert_close(together[place], scores(network, users[row])[0], rtol=1e-4, atol=1e-4)


@every_network
def test_earlier_items_and_their_order_matter(name: str) -> None:
    network = NETWORKS_BUILT[name]
    base, other, swapped = scores(network, [1, 2, 3], [4, 2, 3], [2, 1, 3])
    assert (base - other).abs().max() > 1e-3
    assert (base - swapped).abs().max() > 1e-3


@every_network
def test_no_state_is_left_between_calls(name: str) -> None:
    network = NETWORKS_BUILT[name]
    first = scores(network, [1, 2, 3])
    scores(network, [9, 8, 7, 6])
    assert torch.equal(scores(network, [1, 2, 3]), first)


@every_network
def test_an_empty_history_gets_finite_scores(name: str) -> None:
    assert torch.isfinite(scores(NETWORKS_BUILT[name], [], [3])).all()


@every_network
def test_a_long_history_is_scored_by_its_newest_items(name: str) -> None:
    network = NETWORKS_BUILT[name]
    long = [1 + i % N_ITEMS for i in range(3 * MAX_LENGTH)]
    assert torch.equal(scores(network, long), scores(network, long[-MAX_LENGTH:]))


@pytest.mark.parametrize("name", [name for name in NETWORKS if NETWORKS_BUILT[name].PRODUCTS])
def test_scores_are_products_with_the_item_embeddings(name: str) -> None:
    network = build(name)
    before = scores(network, [5, 6])[0]
    with torch.no_grad():
        network.item_embeddings.weight[9] = 0
        network.item_bias[9] = 4.25
    after = scores(network, [5, 6])[0]
    assert after[9] == 4.25
    unchanged = torch.arange(N_ITEMS + 1) != 9
    torch.testing.assert_close(after[unchanged], before[unchanged])


@every_network
def test_dropout_is_the_share_that_is_dropped(name: str) -> None:
    history = torch.randint(1, N_ITEMS + 1, (4, MAX_LENGTH))
    quiet = build(name, NetworkConfig(width=16, layers=2, heads=2, dropout=0.0, max_length=MAX_LENGTH))
    torch.testing.assert_close(quiet.train().encode(history), quiet.eval().encode(history))
    loud = build(name)
    shares = {module.share for module in loud.modules() if isinstance(module, Dropout)}
    assert shares == {77 / 256}  # 0.3, rounded
    assert not torch.equal(loud.train().encode(history), loud.train().encode(history))


def test_item_dropout_hides_whole_items_and_leaves_the_others_as_they_are() -> None:
    hide = ItemDropout(0.25).train()
    torch.manual_seed(0)
    ones = torch.ones(20_000, 3)
    shown = hide(ones)
    assert torch.equal(shown[:, :1].expand(-1, 3), shown)
    assert set(shown.unique().tolist()) == {0.0, 1.0}
    assert shown.mean().item() == pytest.approx(0.75, abs=0.01)
    assert torch.equal(hide.eval()(ones), ones)


@every_network
def test_item_dropout_changes_training_alone(name: str) -> None:
    history = torch.randint(1, N_ITEMS + 1, (4, MAX_LENGTH))
    shape = NetworkConfig(width=16, layers=2, heads=2, dropout=0.0, item_dropout=0.5, max_length=MAX_LENGTH)
    network = build(name, shape)
    assert not torch.equal(network.train().encode(history), network.train().encode(history))
    assert torch.equal(network.eval().encode(history), network.eval().encode(history))


@every_network
def test_states_without_padding_are_those_of_the_padded_block(name: str) -> None:
    network = NETWORKS_BUILT[name]
    history = torch.tensor([[3, 9, 2, 0, 0], [5, 0, 0, 0, 0], [1, 2, 3, 4, 5]])
    with torch.inference_mode():
        packed = network.states(history, network.item_embeddings.weight)
        torch.testing.assert_close(packed, network.encode(history)[history != 0], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", [name for name in NETWORKS if not NETWORKS[name].masked])
def test_the_state_is_that_of_the_newest_item(name: str) -> None:
    network = NETWORKS_BUILT[name]
    history = torch.tensor([[3, 9, 2, 0, 0], [5, 0, 0, 0, 0], [1, 2, 3, 4, 5], [0, 0, 0, 0, 0]])
    with torch.inference_mode():
        everywhere = network.encode(history)  # [batch, length, width]
        newest = everywhere[torch.arange(4), torch.tensor([2, 0, 4, 0])]
        torch.testing.assert_close(
            network.state(history, network.item_embeddings.weight), newest, rtol=1e-4, atol=1e-5
        )


def test_bert4rec_sees_both_sides_of_a_mask_and_no_item_behind_it() -> None:
    network = NETWORKS_BUILT["bert4rec"]
    with torch.inference_mode():
        base, before, after = (
            network.encode(torch.tensor([row]))[0, 1] for row in ([1, MASK, 2], [4, MASK, 2], [1, MASK, 4])
        )
    assert (base - before).abs().max() > 1e-3
    assert (base - after).abs().max() > 1e-3


def test_dropout_drops_its_share_and_keeps_the_mean() -> None:
    torch.manual_seed(0)
    dropped = Dropout(0.25)(torch.ones(1000, 64))
    assert (dropped == 0).float().mean() == pytest.approx(0.25, abs=0.01)
    assert dropped.mean() == pytest.approx(1.0, abs=0.01)
    assert dropped.max() == pytest.approx(4 / 3)
    assert torch.equal(Dropout(0.25).eval()(torch.ones(3)), torch.ones(3))


@every_network
def test_fresh_embeddings_are_small(name: str) -> None:
    """Position embeddings at torch's default scale drown those of the items."""
    network = NETWORKS[name].build(CONFIG, N_ITEMS)
    for module in network.modules():
        if isinstance(module, torch.nn.Embedding):
            assert 0.01 < module.weight.std() < 0.03
    assert not network.item_embeddings.weight[0].any()


@every_network
def test_default_settings_build(name: str) -> None:
    config = default_config(name, Sequences.from_lists([[1, 2, 80]] * 50, n_items=80))
    network = NETWORKS[name].build(config.network, 80)
    assert network(torch.tensor([[1, 2, 0]])).shape == (1, 81)
    assert NETWORKS[name].build.__doc__
