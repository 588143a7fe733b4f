"""What of a history comes again: in training by positions, in NumPy by histories, one by one as defined."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.config import NetworkConfig
from models.data import MASK
from models.networks import NETWORKS
from models.networks.base import SequenceNetwork
from models.networks.repeats import Repeats as TrainedRepeats
from models.repeats import EXACT, Repeats, buckets
from models.scorer import OnnxScorer
from models.training.export import onnx_bytes
from models.training.scoring import NetworkScorer

N_ITEMS, MAX_LENGTH, WIDTH = 9, 24, 4
CONFIG = NetworkConfig(width=WIDTH, heads=2, layers=1, max_length=MAX_LENGTH)
WITH_REPEATS = [name for name, of in NETWORKS.items() if of.build(CONFIG, N_ITEMS).PRODUCTS]  # no codes


def large(module: torch.nn.Module) -> None:
    """Weights that differ from each other by much."""
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(torch.randn_like(parameter))


def build() -> TrainedRepeats:
    repeats = TrainedRepeats(CONFIG)
    large(repeats)
    return repeats


REPEATS = build()


def by_definition(history: list[int], state: list[float]) -> dict[int, float]:
    """The score of each item of a history as one that comes again, in plain Python."""
    weights = {name: value.double().flatten().tolist() for name, value in REPEATS.state_dict().items()}
    shares = {}
    for item in set(history):
        last = max(place for place, other in enumerate(history) if other == item)
        since, before = len(set(history[last + 1 :])), history.count(item) - 1
        shares[item] = weights["recency"][since] + weights["count"][before]
    all_shares = math.log(sum(math.exp(share) for share in shares.values()))
    repeats = len(history) - len(shares)
    total = sum(w * s for w, s in zip(weights["gate.weight"], state, strict=True)) + weights["gate.bias"][0]
    total += weights["habit"][0] * math.log((repeats + 1) / (len(shares) + 1))
    return {item: total + share - all_shares for item, share in shares.items()}


plays = st.lists(st.integers(1, N_ITEMS), min_size=1, max_size=EXACT)


@given(st.lists(plays, min_size=1, max_size=4), st.integers(0, 5))
@settings(deadline=None, max_examples=60)
def test_each_position_has_the_chances_of_what_came_before_it(users: list[list[int]], seed: int) -> None:
    length = max(map(len, users))
    histories = torch.tensor([user + [0] * (length - len(user)) for user in users])
    rows, places = (histories != 0).nonzero(as_tuple=True)
    states = torch.randn(len(rows), WIDTH, generator=torch.Generator().manual_seed(seed))
    with torch.no_grad():
        found = REPEATS(histories, rows, places, states)
        of_every_item = [found.of(torch.full((len(rows),), item)) for item in range(1, N_ITEMS + 1)]
    for n, (row, place) in enumerate(zip(rows.tolist(), places.tolist(), strict=True)):
        expected = by_definition(users[row][: place + 1], states[n].tolist())
        mine = {i: float(s[n]) for i, s in enumerate(of_every_item, start=1) if s[n] > -torch.inf}
        assert mine == pytest.approx(expected, rel=1e-4, abs=1e-4)
        assert float(found.total[n]) == pytest.approx(math.log(sum(map(math.exp, mine.values()))), abs=1e-4)


def test_a_mask_is_nothing_that_comes_again_and_before_the_first_play_there_is_nothing() -> None:
    histories = torch.tensor([[MASK, 3, MASK, 3, 0]])
    rows, places = (histories == MASK).nonzero(as_tuple=True)
    states = torch.zeros(2, WIDTH, requires_grad=True)
    found = REPEATS(histories, rows, places, states)
    assert found.total.tolist()[0] == -torch.inf
    assert found.items.tolist() == [[0, 0, 0, 0, 0], [0, 3, 0, 0, 0]]
    (gradient,) = torch.autograd.grad(found.total[1] + found.of(torch.tensor([3, 3]))[1], states)
    assert torch.isfinite(gradient).all()


def network(name: str) -> SequenceNetwork:
    torch.manual_seed(0)
    built = NETWORKS[name].build(CONFIG, N_ITEMS)
    built.repeats = TrainedRepeats(CONFIG)
    large(built)
    return built.eval()


@pytest.mark.parametrize(
    "name",
    [name if name == "sasrec" else pytest.param(name, marks=pytest.mark.slow) for name in WITH_REPEATS],
)
def test_the_endpoint_scores_as_the_trained_network_does(name: str) -> None:
    """Histories with and without repeats, longer than the network looks at, and empty ones."""
    trained, rng = network(name), np.random.default_rng(0)
    weights = {key: value.numpy() for key, value in trained.state_dict().items()}
    scorer = OnnxScorer(
        onnx_bytes(trained), weights["item_embeddings.weight"], weights["item_bias"], MAX_LENGTH, 1,
        Repeats.of(weights),
    )  # fmt: skip
    histories = [rng.integers(1, N_ITEMS + 1, size=n) for n in (1, 2, 5, MAX_LENGTH, 40)]
    histories += [rng.permutation(N_ITEMS)[:6] + 1, np.array([], dtype=np.int64)]
    expected = NetworkScorer(trained).score(histories)
    np.testing.assert_allclose(scorer.score(histories), expected, rtol=1e-4, atol=1e-4)
    some = np.array([4, 1, 4, 9])
    np.testing.assert_allclose(scorer.score_items(histories, some), expected[:, some], rtol=1e-4, atol=1e-4)
    trained.repeats = None
    plain = NetworkScorer(trained).score(histories)
    for row, before, history in zip(expected, plain, histories, strict=True):
        raised = np.flatnonzero(row[1:] > before[1:]) + 1
        assert set(raised) <= set(history[-MAX_LENGTH:].tolist()), "only what may come again gains"


def test_a_network_without_second_chances_has_no_such_weights() -> None:
    assert Repeats.of({"item_bias": np.zeros(3)}) is None
    with pytest.raises(KeyError):
        Repeats.of({"repeats.recency": np.zeros(3)})


def test_buckets_are_numbers_first_and_then_quarters_of_octaves() -> None:
    found = buckets(300)
    assert found[:EXACT].tolist() == list(range(EXACT))
    assert np.all(np.diff(found) >= 0) and np.all(np.diff(found) <= 1)
    assert [found[EXACT * 2**n] for n in range(4)] == [EXACT + 4 * n for n in range(4)]
