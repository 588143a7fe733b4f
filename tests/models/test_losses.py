import pytest
import torch
from torch import Tensor

from models import losses
from models.config import LOSSES, TrainConfig
from models.losses import SampledSoftmax, build_loss, full_cross_entropy, sampled_cross_entropy

N, WIDTH, N_ITEMS = 23, 5, 17


def problem(scale: float = 1.0, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    g = torch.Generator().manual_seed(0)
    states = (scale * torch.randn(N, WIDTH, generator=g, dtype=torch.float64)).to(dtype)
    embeddings = torch.randn(N_ITEMS + 1, WIDTH, generator=g, dtype=torch.float64).to(dtype)
    bias = torch.randn(N_ITEMS + 1, generator=g, dtype=torch.float64).to(dtype)
    targets = torch.randint(1, N_ITEMS + 1, (N,), generator=g)
    return states.requires_grad_(), targets, embeddings.requires_grad_(), bias.requires_grad_()


def brute_full(states: Tensor, targets: Tensor, embeddings: Tensor, bias: Tensor) -> Tensor:
    """The definition, one position at a time."""
    losses = []
    for state, target in zip(states, targets, strict=True):
        weights = torch.stack([torch.exp(state @ embeddings[i] + bias[i]) for i in range(1, N_ITEMS + 1)])
        losses.append(-torch.log(weights[target - 1] / weights.sum()))
    return torch.stack(losses).mean()


def brute_sampled(
    states: Tensor, targets: Tensor, embeddings: Tensor, bias: Tensor, items: Tensor, log_expected: Tensor
) -> Tensor:
    losses = []
    for state, target in zip(states, targets, strict=True):
        own = torch.exp(state @ embeddings[target] + bias[target])
        total = own
        for item, expected in zip(items, log_expected.exp(), strict=True):
            if item != target:
                total = total + torch.exp(state @ embeddings[item] + bias[item]) / expected
        losses.append(-torch.log(own / total))
    return torch.stack(losses).mean()


def gradients(loss: Tensor, *inputs: Tensor) -> list[Tensor]:
    return list(torch.autograd.grad(loss * 3, inputs))  # a factor, so that a lost one shows


@pytest.mark.parametrize("chunk_rows", [1, 7, 23, 100])
def test_full_cross_entropy_is_the_definition(chunk_rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(losses, "LOGITS_AT_ONCE", chunk_rows * N_ITEMS)
    states, targets, embeddings, bias = problem()
    mine, brute = (f(states, targets, embeddings, bias) for f in (full_cross_entropy, brute_full))
    torch.testing.assert_close(mine, brute)
    for a, b in zip(
        gradients(mine, states, embeddings, bias), gradients(brute, states, embeddings, bias), strict=True
    ):
        torch.testing.assert_close(a, b)


def test_full_cross_entropy_in_float32_is_near_float64() -> None:
    single, double = problem(dtype=torch.float32), problem()
    a, b = full_cross_entropy(*single), brute_full(*double)
    torch.testing.assert_close(a.double(), b, rtol=1e-5, atol=1e-6)


def test_full_cross_entropy_does_not_overflow() -> None:
    states, targets, embeddings, bias = problem(scale=1e4, dtype=torch.float32)
    loss = full_cross_entropy(states, targets, embeddings, bias)
    assert torch.isfinite(loss)
    assert all(torch.isfinite(g).all() for g in gradients(loss, states, embeddings, bias))


def test_padding_is_no_candidate_and_gets_no_gradient() -> None:
    states, targets, embeddings, bias = problem()
    loss = full_cross_entropy(states, targets, embeddings, bias)
    assert not gradients(loss, embeddings)[0][0].any()
    with torch.no_grad():
        bias[0] = 1e6
    torch.testing.assert_close(full_cross_entropy(states, targets, embeddings, bias), loss)


def test_sampled_cross_entropy_is_the_definition() -> None:
    states, targets, embeddings, bias = problem()
    items = torch.tensor([3, 9, 9, 1, 17, int(targets[0])])
    log_expected = torch.linspace(-2, 1, 6, dtype=torch.float64)
    arguments = (states, targets, embeddings, bias, items, log_expected)
    mine, brute = sampled_cross_entropy(*arguments), brute_sampled(*arguments)
    torch.testing.assert_close(mine, brute)
    for a, b in zip(
        gradients(mine, states, embeddings, bias), gradients(brute, states, embeddings, bias), strict=True
    ):
        torch.testing.assert_close(a, b)


def test_sampling_every_item_once_is_the_full_loss() -> None:
    states, targets, embeddings, bias = problem()
    everything, expected_once = torch.arange(1, N_ITEMS + 1), torch.zeros(N_ITEMS, dtype=torch.float64)
    sampled = sampled_cross_entropy(states, targets, embeddings, bias, everything, expected_once)
    torch.testing.assert_close(sampled, brute_full(states, targets, embeddings, bias))


@pytest.mark.parametrize("power", [0.0, 0.5, 1.0])
def test_the_draw_is_corrected_for_popularity(power: float) -> None:
    """With many negatives the corrected loss comes near the full one, however skewed the draw is."""
    states, targets, embeddings, bias = problem()
    counts = torch.tensor([0, *(2**i for i in range(12)), 1, 0, 5, 5, 300])
    torch.manual_seed(0)
    loss = SampledSoftmax(counts, negatives=200_000, power=power)
    sampled = loss(states, targets, embeddings, bias)
    torch.testing.assert_close(sampled, brute_full(states, targets, embeddings, bias), rtol=0.03, atol=0)


def test_draws_follow_the_counts_and_the_seed() -> None:
    counts = torch.tensor([99, 1, 0, 8])
    loss = SampledSoftmax(counts, negatives=40_000, power=1.0)
    torch.manual_seed(1)
    items = loss.draw()
    share = torch.bincount(items, minlength=4) / len(items)
    torch.testing.assert_close(share, torch.tensor([0, 0.1, 0.1, 0.8]), atol=0.01, rtol=0)
    torch.manual_seed(1)
    assert torch.equal(items, loss.draw())


@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_that_a_config_may_name_is_built(name: str) -> None:
    loss = build_loss(TrainConfig(loss=name, negatives=8), torch.ones(N_ITEMS + 1))
    assert torch.isfinite(loss(*problem(dtype=torch.float32)))
