"""Every loss against its definition in float64, one position at a time, gradients included."""

import pytest
import torch
from torch import Tensor

from models.config import LOSSES, TrainConfig
from models.losses import Again, Negatives, build_loss, softmax
from models.losses.binary import BinaryCrossEntropy
from models.losses.softmax import CatalogueSoftmax, SampledSoftmax

N, WIDTH, N_ITEMS = 23, 5, 17
Problem = tuple[Tensor, Tensor, Tensor, Tensor]


def problem(scale: float = 1.0, dtype: torch.dtype = torch.float64) -> Problem:
    g = torch.Generator().manual_seed(0)
    states = (scale * torch.randn(N, WIDTH, generator=g, dtype=torch.float64)).to(dtype)
    items = torch.randn(N_ITEMS + 1, WIDTH, generator=g, dtype=torch.float64).to(dtype)
    bias = torch.randn(N_ITEMS + 1, generator=g, dtype=torch.float64).to(dtype)
    targets = torch.randint(1, N_ITEMS + 1, (N,), generator=g)
    return states.requires_grad_(), targets, items.requires_grad_(), bias.requires_grad_()


def brute_full(states: Tensor, targets: Tensor, items: Tensor, bias: Tensor) -> Tensor:
    losses = []
    for state, target in zip(states, targets, strict=True):
        weights = torch.stack([torch.exp(state @ items[i] + bias[i]) for i in range(1, N_ITEMS + 1)])
        losses.append(-torch.log(weights[target - 1] / weights.sum()))
    return torch.stack(losses).mean()


def brute_sampled(states: Tensor, targets: Tensor, items: Tensor, bias: Tensor, drawn: Negatives) -> Tensor:
    assert drawn.correction is not None
    losses = []
    for state, target in zip(states, targets, strict=True):
        own = torch.exp(state @ items[target] + bias[target])
        total = own
        for item, correction in zip(drawn.items, drawn.correction, strict=True):
            if item != target:
                total = total + torch.exp(state @ items[item] + bias[item] + correction)
        losses.append(-torch.log(own / total))
    return torch.stack(losses).mean()


def gradients(loss: Tensor, *inputs: Tensor) -> list[Tensor]:
    return list(
        torch.autograd.grad(loss * 3, inputs, retain_graph=True)
    )  # a factor, so that a lost one shows


def assert_same(
    mine: Tensor, brute: Tensor, inputs: tuple[Tensor, ...], mine_inputs: tuple[Tensor, ...]
) -> None:
    exact = mine_inputs[0].dtype == torch.float64
    near = {"rtol": 1e-7, "atol": 1e-9} if exact else {"rtol": 1e-5, "atol": 1e-6}
    torch.testing.assert_close(mine.double(), brute, **near)
    for a, b in zip(gradients(mine, *mine_inputs), gradients(brute, *inputs), strict=True):
        torch.testing.assert_close(a.double(), b, **near)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("rows", [1, 7, 23, 100])
def test_catalogue_softmax_is_the_definition(
    rows: int, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(softmax, "CHUNK_BYTES", rows * N_ITEMS * dtype.itemsize)
    monkeypatch.setattr(softmax, "STEP", 4)
    states, targets, items, bias = problem(dtype=dtype)
    exact = problem()
    mine = CatalogueSoftmax(dtype)(states, targets, items, bias)
    assert_same(mine, brute_full(*exact), (exact[0], *exact[2:]), (states, items, bias))


def test_a_catalogue_of_any_size_adds_less_than_a_chunk_of_padding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(softmax, "STEP", 4)
    for chunk_bytes in (1, 5 * N_ITEMS * 4, 1 << 23):  # less than a row, five rows, all
        monkeypatch.setattr(softmax, "CHUNK_BYTES", chunk_bytes)
        kept = softmax._Gradients(torch.ones(N, WIDTH), torch.ones(N_ITEMS, WIDTH), torch.float32)
        chunk = len(kept.empty_chunk(N_ITEMS)[0])
        assert N <= len(kept.states) < N + chunk and chunk % 4 == 0
        assert len(list(kept.chunks())) * chunk == len(kept.states)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("rows", [1, 7, 100])
def test_sampled_softmax_is_the_definition(
    rows: int, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(softmax, "CHUNK_BYTES", rows * (5 + 1) * dtype.itemsize)
    monkeypatch.setattr(softmax, "STEP", 4)
    states, targets, items, bias = problem(dtype=dtype)
    exact = problem()
    drawn = Negatives(torch.tensor([9, 3, 1, 17, int(targets[0])]), torch.linspace(-2, 1, 5))
    mine = SampledSoftmax(torch.ones(N_ITEMS + 1), 5, 0.0, dtype)(states, targets, items, bias, drawn)
    brute = brute_sampled(*exact, Negatives(drawn.items, drawn.correction))
    assert_same(mine, brute, (exact[0], *exact[2:]), (states, items, bias))


def second_chances(dtype: torch.dtype) -> Again:
    """Some targets have one and some have not, and one position has no history."""
    g = torch.Generator().manual_seed(3)
    own = torch.randn(N, generator=g, dtype=torch.float64)
    total = torch.logaddexp(own, torch.randn(N, generator=g, dtype=torch.float64))
    own[::3], own[4], total[4] = -torch.inf, -torch.inf, -torch.inf
    return Again(own.to(dtype).requires_grad_(), total.to(dtype).requires_grad_())


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("rows", [1, 7, 100])
@pytest.mark.parametrize("full", [True, False])
def test_with_second_chances_a_target_has_what_both_give_it(
    full: bool, rows: int, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(softmax, "CHUNK_BYTES", rows * N_ITEMS * dtype.itemsize)
    monkeypatch.setattr(softmax, "STEP", 4)
    (states, targets, items, bias), again = problem(dtype=dtype), second_chances(dtype)
    exact, exact_again = problem(), second_chances(torch.float64)
    drawn = Negatives(torch.tensor([9, 3, 1, 17, int(targets[0])]), torch.linspace(-2, 1, 5))
    sampled = SampledSoftmax(torch.ones(N_ITEMS + 1), 5, 0.0, dtype)
    mine = (
        CatalogueSoftmax(dtype)(states, targets, items, bias, None, again)
        if full
        else sampled(states, targets, items, bias, drawn, again)
    )
    losses = []
    for n, target in enumerate(targets):
        one = (exact[0][n : n + 1], targets[n : n + 1], exact[2], exact[3])
        share = torch.exp(-(brute_full(*one) if full else brute_sampled(*one, drawn)))
        as_any = torch.exp(exact[0][n] @ exact[2][target] + exact[3][target])
        own, total = exact_again.own[n].exp(), exact_again.total[n].exp()
        losses.append(-torch.log((as_any + own) / (as_any / share + total)))
    inputs = (exact[0], *exact[2:], exact_again.own, exact_again.total)
    finite = torch.isfinite(again.own)
    brute = torch.stack(losses).mean()
    torch.testing.assert_close(mine.double(), brute, rtol=1e-5, atol=1e-6)
    found = gradients(mine, states, items, bias, again.own, again.total)
    for a, b in zip(found[:3], gradients(brute, *inputs)[:3], strict=True):
        torch.testing.assert_close(a.double(), b, rtol=1e-5, atol=1e-6)
    for a, b in zip(found[3:], gradients(brute, *inputs)[3:], strict=True):
        torch.testing.assert_close(a.double()[finite], b[finite], rtol=1e-5, atol=1e-6)
    assert not found[3][~finite].any(), "a target that is not in the history"
    assert found[4][4] == 0, "a position without history"


@pytest.mark.parametrize("rows", [1, 7, 100])
@pytest.mark.parametrize("name", ["full", "sampled", "full again", "sampled again", "gbce"])
def test_weighted_positions_count_as_often_as_they_are_weighed(
    name: str, rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Weight 2 is the position twice, and weight 0 is without it; the mean is over all positions."""
    monkeypatch.setattr(softmax, "CHUNK_BYTES", rows * N_ITEMS * 8)
    monkeypatch.setattr(softmax, "STEP", 4)
    states, targets, items, bias = problem()
    counts = torch.ones(N_ITEMS + 1)
    loss = build_loss(TrainConfig(loss=name.split(maxsplit=1)[0], negatives=4), counts)
    if name.startswith("full"):
        loss = CatalogueSoftmax(torch.float64)
    if name.startswith("sampled"):
        loss = SampledSoftmax(counts, 4, 0.0, torch.float64)
    torch.manual_seed(0)
    drawn, again = loss.draw(N), second_chances(torch.float64)
    weights = torch.arange(N) % 3
    twice = torch.repeat_interleave(torch.arange(N), weights)  # [n], each position as often as it counts
    each = drawn
    if drawn is not None and drawn.items.ndim > 1:
        each = Negatives(drawn.items[twice])
    mine_again = again if "again" in name else None
    each_again = Again(again.own[twice], again.total[twice]) if "again" in name else None
    mine = loss(states, targets, items, bias, drawn, mine_again, weights.double())
    brute = loss(states[twice], targets[twice], items, bias, each, each_again) * (len(twice) / N)
    inputs = [states, items, bias, *([again.total] if "again" in name else [])]
    torch.testing.assert_close(mine, brute)
    for a, b in zip(gradients(mine, *inputs), gradients(brute, *inputs), strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("calibration", [0.0, 0.4, 1.0])
def test_gbce_is_the_definition(calibration: float) -> None:
    states, targets, items, bias = problem()
    loss = BinaryCrossEntropy(N_ITEMS, negatives=4, calibration=calibration)
    torch.manual_seed(0)
    drawn = loss.draw(N)
    alpha = 4 / (N_ITEMS - 1)
    beta = alpha * (calibration * (1 - 1 / alpha) + 1 / alpha)
    total = states.new_zeros(())
    for state, target, negatives in zip(states, targets, drawn.items, strict=True):
        total = total - beta * torch.log(torch.sigmoid(state @ items[target] + bias[target]))
        for item in negatives:
            if item != target:
                total = total - torch.log(1 - torch.sigmoid(state @ items[item] + bias[item]))
    inputs = (states, items, bias)
    assert_same(loss(states, targets, items, bias, drawn), total / N, inputs, inputs)


def test_bce_is_gbce_without_calibration_and_one_negative() -> None:
    states, targets, items, bias = problem()
    loss = build_loss(TrainConfig(loss="bce"), torch.ones(N_ITEMS + 1))
    drawn = Negatives(1 + targets[:, None] % N_ITEMS)  # never the target
    positive = (states * items[targets]).sum(1) + bias[targets]
    negative = (states * items[drawn.items[:, 0]]).sum(1) + bias[drawn.items[:, 0]]
    expected = -(torch.sigmoid(positive).log() + (1 - torch.sigmoid(negative)).log()).mean()
    torch.testing.assert_close(loss(states, targets, items, bias, drawn), expected)


def test_bfloat16_products_change_the_loss_and_its_gradients_little() -> None:
    for full in (True, False):
        single, low = problem(dtype=torch.float32), problem(dtype=torch.float32)
        torch.manual_seed(0)
        drawn = None if full else SampledSoftmax(torch.ones(N_ITEMS + 1), 12, 0.0).draw()
        losses = []
        for inputs, dtype in ((single, torch.float32), (low, torch.bfloat16)):
            counts = torch.ones(N_ITEMS + 1)
            loss = CatalogueSoftmax(dtype) if full else SampledSoftmax(counts, 12, 0.0, dtype)
            losses.append(loss(*inputs, drawn))
        torch.testing.assert_close(*losses, rtol=0.01, atol=0)
        for i in (0, 2, 3):
            a, b = (gradients(x, inputs[i])[0] for x, inputs in zip(losses, (single, low), strict=True))
            assert (a - b).norm() < 0.02 * a.norm()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_huge_logits_do_not_overflow(dtype: torch.dtype) -> None:
    states, targets, items, bias = problem(scale=1e4, dtype=torch.float32)
    torch.manual_seed(0)
    sampled = SampledSoftmax(torch.ones(N_ITEMS + 1), 8, 0.0, dtype)
    for loss in (
        CatalogueSoftmax(dtype)(states, targets, items, bias),
        sampled(states, targets, items, bias, sampled.draw()),
    ):
        assert torch.isfinite(loss)
        assert all(torch.isfinite(g).all() for g in gradients(loss, states, items, bias))


def test_padding_is_no_candidate_and_gets_no_gradient() -> None:
    states, targets, items, bias = problem()
    loss = CatalogueSoftmax(torch.float64)(states, targets, items, bias)
    assert not gradients(loss, items)[0][0].any()
    with torch.no_grad():
        bias[0] = 1e6
    torch.testing.assert_close(CatalogueSoftmax(torch.float64)(states, targets, items, bias), loss)
    sampled = SampledSoftmax(torch.ones(N_ITEMS + 1), negatives=200, power=0.0, dtype=torch.float64)
    drawn = sampled.draw()
    assert len(drawn.items) == softmax.STEP - 1 and (drawn.items == 0).sum() >= len(drawn.items) - N_ITEMS
    assert not gradients(sampled(states, targets, items, bias, drawn), items)[0][0].any()


def test_sampling_every_item_once_is_the_full_loss() -> None:
    states, targets, items, bias = problem()
    everything = Negatives(torch.arange(1, N_ITEMS + 1), torch.zeros(N_ITEMS, dtype=torch.float64))
    loss = SampledSoftmax(torch.ones(N_ITEMS + 1), N_ITEMS, 0.0, torch.float64)
    torch.testing.assert_close(
        loss(states, targets, items, bias, everything), brute_full(states, targets, items, bias)
    )


@pytest.mark.parametrize("power", [0.0, 0.5, 1.0])
def test_the_draw_is_corrected_for_popularity(power: float) -> None:
    """With many negatives the corrected loss comes near the full one, however skewed the draw is."""
    states, targets, items, bias = problem()
    counts = torch.tensor([0, *(2**i for i in range(12)), 1, 0, 5, 5, 300])
    torch.manual_seed(0)
    loss = SampledSoftmax(counts, negatives=200_000, power=power, dtype=torch.float64)
    drawn = loss.draw()
    assert drawn.correction is not None
    kept = Negatives(drawn.items[:N_ITEMS], drawn.correction[:N_ITEMS])  # what follows is filling
    sampled = loss(states, targets, items, bias, kept)
    torch.testing.assert_close(sampled, brute_full(states, targets, items, bias), rtol=0.03, atol=0)


def test_draws_follow_the_counts_and_the_seed() -> None:
    loss = SampledSoftmax(torch.tensor([99, 1, 0, 8]), negatives=40_000, power=1.0)
    torch.manual_seed(1)
    drawn = loss.draw()
    assert drawn.items[:3].tolist() == [1, 2, 3] and not drawn.items[3:].any()
    assert drawn.correction is not None and torch.isneginf(drawn.correction[3:]).all()
    # log(times drawn / times expected) of each: near 0, as the draw follows the counts
    torch.testing.assert_close(drawn.correction[:3], torch.zeros(3), atol=0.1, rtol=0)
    torch.manual_seed(1)
    assert torch.equal(drawn.items, loss.draw().items)


@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_that_a_config_may_name_is_built(name: str) -> None:
    loss = build_loss(TrainConfig(loss=name, negatives=8), torch.ones(N_ITEMS + 1))
    assert torch.isfinite(loss(*problem(dtype=torch.float32), loss.draw(N)))
