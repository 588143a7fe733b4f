"""Packed and padded positions: one is the other without the padding, gradients included."""

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from models.networks.layout import Packed, Padded

WIDTH = 3
lengths = st.lists(st.integers(0, 5), min_size=1, max_size=6).filter(any)


def histories(of: list[int]) -> Tensor:
    """Histories of these lengths, [batch, length], padded on the right."""
    step = torch.arange(max(of))[None, :]
    return (step < torch.tensor(of)[:, None]).long()


def random(*shape: int) -> Tensor:
    generator = torch.Generator().manual_seed(sum(shape))
    return torch.randn(*shape, generator=generator, dtype=torch.float64).requires_grad_()


@given(lengths)
def test_collecting_takes_the_real_positions_in_order_and_padding_gets_no_gradient(of: list[int]) -> None:
    history = histories(of)
    real, block = history != 0, random(*history.shape, WIDTH)
    collected = Packed(history).collect(block)
    torch.testing.assert_close(collected, block[real], rtol=0, atol=0)
    weight = torch.randn_like(collected)
    (gradient,) = torch.autograd.grad((collected * weight).sum(), block)
    torch.testing.assert_close(gradient[real], weight, rtol=0, atol=0)
    assert not gradient[~real].any()


@given(lengths, st.integers(1, 3))
def test_spreading_puts_every_position_in_its_place_and_hands_its_gradient_back(
    of: list[int], parts: int
) -> None:
    history = histories(of)
    real, positions = history != 0, random(sum(of), parts * WIDTH)
    blocks = Packed(history).spread_parts(positions, parts)
    assert [block.shape for block in blocks] == [(*history.shape, WIDTH)] * parts
    spread = torch.cat([block[real] for block in blocks], dim=-1)  # what looks at no padding
    torch.testing.assert_close(spread, positions, rtol=0, atol=0)
    weight = torch.randn_like(spread)
    (gradient,) = torch.autograd.grad((spread * weight).sum(), positions)
    torch.testing.assert_close(gradient, weight, rtol=0, atol=0)


@given(lengths)
def test_what_lies_at_padding_is_finite_and_collecting_undoes_spreading(of: list[int]) -> None:
    layout, positions = Packed(histories(of)), random(sum(of), WIDTH)
    block = layout.spread(positions)
    assert torch.isfinite(block).all()
    torch.testing.assert_close(layout.collect(block), positions, rtol=0, atol=0)


def test_a_padded_layout_leaves_its_block_as_it_is() -> None:
    block = random(2, 4, 2 * WIDTH)
    layout = Padded(histories([4, 2]))
    assert layout.collect(block) is block
    torch.testing.assert_close(torch.cat(layout.spread_parts(block, 2), dim=-1), block, rtol=0, atol=0)
