import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from models.config import NetworkConfig, TrainConfig
from models.networks import NETWORKS
from models.training.optimizer import Distinct, Optimizer, RowAdam, learning_rate_share

ROWS, WIDTH = 11, 3


def gradients(step: int) -> Tensor:
    return torch.randn(ROWS, WIDTH, generator=torch.Generator().manual_seed(step))


def test_touching_every_row_is_adam() -> None:
    mine, theirs = torch.ones(ROWS, WIDTH), torch.nn.Parameter(torch.ones(ROWS, WIDTH))
    rows, adam = RowAdam([mine]), torch.optim.Adam([theirs], lr=0.1)
    for step in range(1, 6):
        rows.step(torch.arange(ROWS), [gradients(step)], 0.1, step)
        theirs.grad = gradients(step)
        adam.step()
    torch.testing.assert_close(mine, theirs.detach(), rtol=1e-5, atol=1e-6)


def test_untouched_rows_stay_and_touched_ones_do_as_if_alone() -> None:
    table, alone = torch.ones(ROWS, WIDTH), torch.ones(2, WIDTH)
    touched = torch.tensor([7, 2])
    some, two = RowAdam([table]), RowAdam([alone])
    for step in range(1, 4):
        some.step(touched, [gradients(step)[:2]], 0.1, step)
        two.step(torch.arange(2), [gradients(step)[:2]], 0.1, step)
    assert torch.equal(table[touched], alone)
    rest = torch.ones(ROWS, dtype=torch.bool)
    rest[touched] = False
    assert torch.equal(table[rest], torch.ones(ROWS - 2, WIDTH))


def test_a_step_by_rows_is_a_step_of_the_whole_table() -> None:
    """One step from fresh moments: the rows that a loss reads move as under AdamW on everything."""
    config = TrainConfig(network=NetworkConfig(width=8, layers=1, max_length=4, dropout=0.0), warmup_steps=0)
    moved = []
    for by_rows in (True, False):
        torch.manual_seed(0)
        network = NETWORKS["sasrec"].build(config.network, 20)
        optimizer = Optimizer(network, config, by_rows)
        history = torch.tensor([[3, 9, 0], [4, 3, 12]])
        if by_rows:
            touched = optimizer.touch(history.flatten())
            states = network.states(touched.places.view_as(history), touched.items)
            loss = (states @ touched.items.T).square().sum() + touched.bias.sum()
            optimizer.step(loss, touched, progress=0.0)
        else:
            touched_rows = torch.tensor([0, 3, 4, 9, 12])
            table = network.item_embeddings.weight
            states = network.states(history, table)
            loss = (states @ table[touched_rows].T).square().sum() + network.item_bias[touched_rows[1:]].sum()
            optimizer.step(loss, None, progress=0.0)
        moved.append(network)
    for name, parameter in moved[0].state_dict().items():
        torch.testing.assert_close(parameter, moved[1].state_dict()[name], rtol=1e-4, atol=1e-5, msg=name)
    assert not moved[0].item_embeddings.weight[0].any()


def test_moments_survive_a_restart() -> None:
    config = TrainConfig(network=NetworkConfig(width=8, layers=1, max_length=4, dropout=0.0))
    torch.manual_seed(0)
    network = NETWORKS["gru4rec"].build(config.network, 20)
    optimizer = Optimizer(network, config, by_rows=True)
    history = torch.tensor([[3, 9, 2]])

    def step(optimizer: Optimizer) -> None:
        touched = optimizer.touch(history.flatten())
        states = network.states(touched.places.view(1, 3), touched.items)
        optimizer.step(states.square().sum() + touched.bias.sum(), touched, 0.1)

    step(optimizer)
    moments = {name: value.clone() for name, value in optimizer.moments().items()}
    weights = {name: value.clone() for name, value in network.state_dict().items()}
    step(optimizer)
    expected = {name: value.clone() for name, value in network.state_dict().items()}
    network.load_state_dict(weights)
    again = Optimizer(network, config, by_rows=True)
    again.restore(moments, step_number=1)
    step(again)
    for name, value in network.state_dict().items():
        assert torch.equal(value, expected[name]), name


@given(st.lists(st.lists(st.integers(0, ROWS - 1), min_size=1), min_size=1))
def test_distinct_is_torchs_unique_however_often_it_is_asked(calls: list[list[int]]) -> None:
    distinct = Distinct(ROWS, torch.device("cpu"))
    for numbers in map(torch.tensor, calls):
        for mine, theirs in zip(distinct(numbers), numbers.unique(return_inverse=True), strict=True):
            assert torch.equal(mine, theirs)


@pytest.mark.parametrize("schedule", ["cosine", "constant"])
def test_the_learning_rate_warms_up_and_follows_its_schedule(schedule: str) -> None:
    config = TrainConfig(schedule=schedule, warmup_steps=10)
    assert learning_rate_share(config, 0, 0.0) == pytest.approx(0.1)
    assert learning_rate_share(config, 500, 0.5) == pytest.approx(0.5 if schedule == "cosine" else 1.0)
    assert learning_rate_share(config, 500, 1.0) == pytest.approx(0.0 if schedule == "cosine" else 1.0)
