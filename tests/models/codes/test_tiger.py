"""TIGER: exact scores, beam search, what is trained, what is served."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from models.bundle.bundle import WEIGHTS_FILE, BundleError, ItemTable
from models.codes.decoder import TrieDecoder
from models.codes.scorer import TigerScorer
from models.config import NetworkConfig, TrainConfig
from models.data import Sequences, Split, leave_one_out
from models.evaluation.metrics import rank_targets, summary
from models.networks import NETWORKS, default_config
from models.networks.tiger import TIGER, CodeLoss
from models.opening import knows_content, open_scorer
from models.training.export import export_network
from models.training.scoring import NetworkScorer
from models.training.steps import TrainingError
from models.training.train import Trained, train
from models.writing import Origin

N, WIDTH = 40, 8
SHAPE = NetworkConfig(width=WIDTH, layers=1, heads=2, dropout=0.0, max_length=12)
CONFIG = TrainConfig(network=SHAPE, epochs=2, batch_positions=128, learning_rate=1e-2, threads=1, codes=True)


def some_codes(seed: int = 0, n: int = N) -> NDArray[np.int32]:
    """All different, with beginnings that have one child and such that have many; row 0 is padding."""
    rng = np.random.default_rng(seed)
    every = np.stack(np.unravel_index(rng.permutation(5 * 5 * 4)[:n], (5, 5, 4)), axis=1)
    return np.concatenate([np.zeros((1, 3)), every]).astype(np.int32)


def network(seed: int = 0, n: int = N) -> TIGER:
    """With large weights, so that scores differ."""
    torch.manual_seed(seed)
    made = NETWORKS["tiger"].build(SHAPE, n)
    assert isinstance(made, TIGER)
    made.encode_items(torch.from_numpy(some_codes(seed, n).astype(np.int64)))
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(0.4 * torch.randn_like(parameter))
    return made.eval()


def decoder_of(made: TIGER) -> TrieDecoder:
    return TrieDecoder.of({f"decoder.{n}": v.numpy() for n, v in made.decoder.state_dict().items()})


def by_hand(made: TIGER, state: NDArray[np.float32]) -> NDArray[np.float64]:
    """Log-probabilities of all items, one item and one code at a time."""
    codes = made.decoder.codes.numpy()
    found = np.full(len(codes), -np.inf)
    for item in range(1, len(codes)):
        total = 0.0
        for level in range(codes.shape[1]):
            alike = (codes[1:, :level] == codes[item, :level]).all(axis=1)
            there = sorted(set(codes[1:][alike][:, level].tolist()))
            with torch.inference_mode():
                one = torch.from_numpy(state[None]), torch.from_numpy(codes[item][None])
                logits = made.decoder(level, *one)[0, there].double().numpy()
            logits -= logits.max()
            total += logits[there.index(codes[item, level])] - np.log(np.exp(logits).sum())
        found[item] = total
    return found


def test_scores_of_all_items_are_those_of_their_codes_one_by_one() -> None:
    made = network()
    states = np.random.default_rng(0).normal(size=(3, WIDTH)).astype(np.float32)
    scores = decoder_of(made).score(states)
    for row, state in zip(scores, states, strict=True):
        np.testing.assert_allclose(row[1:], by_hand(made, state)[1:], atol=1e-4)
        assert row[0] == -np.inf and np.exp(row[1:]).sum() == pytest.approx(1, abs=1e-5)


def test_the_loss_is_what_the_scores_say_of_the_targets() -> None:
    """Two ways to the same number: masked softmaxes in torch, the walk through the trie in NumPy."""
    made = network()
    states = torch.randn(20, WIDTH)
    targets = torch.randint(1, N + 1, (20,))
    scores = decoder_of(made).score(states.numpy())
    expected = -scores[np.arange(20), targets.numpy()]
    loss, nothing = CodeLoss(made.decoder, None), torch.empty(0)
    assert loss(states, targets, nothing, nothing).item() == pytest.approx(expected.mean(), abs=1e-5)
    weights = torch.rand(20)
    weighed = loss(states, targets, nothing, nothing, weights=weights).item()
    assert weighed == pytest.approx((expected * weights.numpy()).mean(), abs=1e-5)


seeds = st.integers(0, 20)


@given(seeds, st.integers(1, 12), st.sets(st.integers(1, N), max_size=N))
@settings(max_examples=40, deadline=None)
def test_a_beam_of_full_width_finds_the_best_of_all_items(seed: int, k: int, excluded: set[int]) -> None:
    decoder = decoder_of(network(seed))
    state = np.random.default_rng(seed).normal(size=WIDTH).astype(np.float32)
    allowed = np.ones(N + 1, dtype=np.bool_)
    allowed[[0, *excluded]] = False
    scores = np.where(allowed, decoder.score(state[None])[0], -np.inf)
    items, found = decoder.best(state, k, beam=N, allowed=allowed)
    expected = [item for item in np.argsort(-scores, kind="stable")[:k] if allowed[item]]
    np.testing.assert_allclose(found, scores[expected], atol=1e-5)
    assert set(items.tolist()).isdisjoint(excluded) and len(set(items.tolist())) == len(expected)
    np.testing.assert_allclose(scores[items], found, atol=1e-5)


@given(seeds, st.integers(1, 6), st.sets(st.integers(1, N), min_size=N - 8, max_size=N - 1))
@settings(max_examples=30, deadline=None)
def test_a_narrow_beam_gives_allowed_items_alone_and_fills_its_places(
    seed: int, beam: int, excluded: set[int]
) -> None:
    decoder = decoder_of(network(seed))
    allowed = np.ones(N + 1, dtype=np.bool_)
    allowed[[0, *excluded]] = False
    state = np.random.default_rng(seed).normal(size=WIDTH).astype(np.float32)
    items, scores = decoder.best(state, k=beam, beam=beam, allowed=allowed)
    assert allowed[items].all() and len(items) == len(set(items.tolist()))
    assert len(items) >= 1 and list(scores) == sorted(scores, reverse=True)
    np.testing.assert_allclose(scores, decoder.score(state[None])[0][items], atol=1e-5)


def test_where_nothing_is_allowed_nothing_comes() -> None:
    items, scores = decoder_of(network()).best(np.zeros(WIDTH, np.float32), 5, 5, np.zeros(N + 1, np.bool_))
    assert len(items) == len(scores) == 0


GROUPS, EACH = 6, 4


def group_walk(cold: tuple[int, ...] = ()) -> Split:
    """Who played an item of one group plays one of the next group; any of it is as likely.

    Item 1 + g * EACH + i is of group g; those that are `cold` are played by nobody but the last user.
    """
    rng = np.random.default_rng(0)
    users = []
    for _ in range(300):
        groups = (rng.integers(GROUPS) + np.arange(5)) % GROUPS
        users.append([int(1 + g * EACH + rng.integers(EACH)) for g in groups])
    users = [[i - 1 if i in cold else i for i in user] for user in users]
    codes = np.array([[0, 0], *([g, i] for g in range(GROUPS) for i in range(EACH))], dtype=np.int32)
    return replace(leave_one_out(Sequences.from_lists(users, GROUPS * EACH)), codes=codes)


@pytest.fixture(scope="module")
def walk() -> Trained:
    config = CONFIG.with_changes(epochs=12, width=16, embedding_learning_rate=3e-2)
    return train("tiger", group_walk(cold=(4,)), config)


def test_the_group_that_is_next_is_learned_and_its_unplayed_item_is_one_of_it(walk: Trained) -> None:
    """The best that can be known of the next item is its group, whose four items come first."""
    split, scorer = group_walk(cold=(4,)), NetworkScorer(walk.network)
    ndcg = summary(rank_targets(scorer, split.test))["ndcg@10"]
    best = np.mean(1 / np.log2(1 + np.arange(1, EACH + 1)))
    assert ndcg == pytest.approx(best, abs=0.06)
    scores = scorer.score([np.array([21])])[0]  # of the last group, behind which the first begins again
    assert set(np.argsort(-scores)[:EACH].tolist()) == {1, 2, 3, 4}


def test_without_ids_it_says_so() -> None:
    with pytest.raises(TrainingError, match="tiger needs semantic ids"):
        train("tiger", replace(group_walk(), codes=None), CONFIG)
    assert default_config("tiger", group_walk().train).codes


@pytest.mark.parametrize(
    ("name", "loss", "prefixes"),
    [
        ("sasrec", "full", False),
        ("gru4rec", "sampled", False),
        ("sasrec", "full", True),
        ("tiger", "full", True),
    ],
)
def test_codes_as_inputs_take_the_place_of_the_item_table(name: str, loss: str, prefixes: bool) -> None:
    split = group_walk(cold=(4,))
    config = CONFIG.with_changes(
        epochs=14, width=16, loss=loss, negatives=16, embedding_learning_rate=3e-2, content=1.0
    ).with_changes(code_prefixes=prefixes)
    trained = train(name, split, config)
    scores = NetworkScorer(trained.network).score([np.array([21])])[0]
    assert set(np.argsort(-scores)[:EACH].tolist()) == {1, 2, 3, 4}, "4 is played by nobody"
    assert trained.network.content is None and not trained.network.item_embeddings.weight[0].any()


@pytest.fixture(scope="module")
def bundle(walk: Trained, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiger")
    ids = ["", *(f"i{i}" for i in range(1, GROUPS * EACH + 1))]
    table = ItemTable(ids, ids, np.ones(len(ids), np.int64))
    export_network(folder, walk, table, Origin("data", "code", "toy", "leave-one-out"))
    return folder


def test_what_is_served_is_what_was_trained(bundle: Path, walk: Trained) -> None:
    scorer = open_scorer(bundle)
    assert isinstance(scorer, TigerScorer) and knows_content(scorer)
    histories = [np.array([3, 7]), np.array([9]), np.array([], dtype=np.int64)]
    expected = NetworkScorer(walk.network).score(histories)
    scores = scorer.score(histories)
    np.testing.assert_allclose(scores[:, 1:], expected[:, 1:], atol=1e-4)
    np.testing.assert_array_equal(scorer.score_items(histories, np.array([2, 5])), scores[:, [2, 5]])
    assert scorer.similarities(5)[5] == pytest.approx(1, abs=1e-5)


def test_weights_that_do_not_fit_are_refused(bundle: Path, tmp_path: Path) -> None:
    for path in bundle.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    weights = load_file(bundle / WEIGHTS_FILE)
    save_file({n: v for n, v in weights.items() if n != "decoder.codes"}, tmp_path / WEIGHTS_FILE)
    with pytest.raises(BundleError, match="cannot be loaded"):
        open_scorer(tmp_path)
    save_file({**weights, "decoder.codes": weights["decoder.codes"][:-1]}, tmp_path / WEIGHTS_FILE)
    with pytest.raises(BundleError, match="23 items, not 24"):
        open_scorer(tmp_path)
