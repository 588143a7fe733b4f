"""Recent plays weigh more in training."""

import hashlib
from dataclasses import replace

import numpy as np
import pytest
from safetensors.torch import save

from models.config import NetworkConfig, TrainConfig
from models.data import (
    Holdout,
    Sequences,
    Split,
    answers,
    gather,
    gather_masked,
    plan_epoch,
    recency_weights,
)
from models.evaluation.metrics import rank_targets, summary
from models.training.scoring import NetworkScorer
from models.training.train import Trained, Training, train

N_ITEMS, OLD_DAYS = 30, 200.0
SMALL = TrainConfig(
    network=NetworkConfig(width=16, layers=1, dropout=0.0, max_length=16),
    epochs=15,
    patience=15,
    batch_positions=64,
    learning_rate=1e-2,
    embedding_learning_rate=5e-2,
)


def drifting() -> Split:
    """Of two plays the second is the next one in a ring, of recent plays the seventh; those are asked for."""
    rng = np.random.default_rng(0)
    first, recent = rng.integers(0, N_ITEMS, 600), np.arange(600) % 6 == 0
    second = (first + np.where(recent, 7, 1)) % N_ITEMS
    train = Sequences.from_lists(1 + np.stack([first, second], axis=1), N_ITEMS)
    asked = np.arange(N_ITEMS, dtype=np.int64)
    targets = (1 + (asked + 7) % N_ITEMS).astype(np.int32)
    held = Holdout(asked, targets, Sequences.from_lists(1 + asked[:, None], N_ITEMS))
    return Split(train, held, held, ages=np.repeat(np.where(recent, 0, OLD_DAYS), 2).astype(np.float32))


@pytest.fixture(scope="module")
def split() -> Split:
    return drifting()


def quality(trained: Trained, split: Split) -> float:
    return summary(rank_targets(NetworkScorer(trained.network), split.test))["ndcg@10"]


def digest(trained: Trained) -> str:
    return hashlib.sha256(save(trained.network.state_dict())).hexdigest()


@pytest.mark.parametrize(("name", "loss"), [("gru4rec", "full"), ("sasrec", "sampled")])
def test_where_habits_have_moved_recent_plays_teach_the_new_ones(name: str, loss: str, split: Split) -> None:
    config = replace(SMALL, loss=loss, negatives=16)
    alike = quality(train(name, split, config), split)
    weighed = quality(train(name, split, replace(config, half_life=30.0)), split)
    assert weighed > 0.9
    assert weighed > alike + 0.1


@pytest.mark.parametrize("name", ["gru4rec", "bert4rec"])
def test_without_a_clock_a_half_life_changes_nothing(name: str, split: Split) -> None:
    undated, config = replace(split, ages=None), replace(SMALL, epochs=1)
    assert digest(train(name, undated, replace(config, half_life=30.0))) == digest(
        train(name, undated, config)
    )
    assert digest(train(name, split, replace(config, half_life=30.0))) != digest(train(name, split, config))


def test_a_weight_halves_with_each_half_life_and_those_wanted_count_1_on_average() -> None:
    ages = np.array([0, 10, 20, 40, 1e6], dtype=np.float32)
    wanted = np.array([True, True, False, True, True])
    weights = recency_weights(ages, 10.0, wanted)
    assert weights[0] / weights[1] == weights[1] / weights[2] == pytest.approx(2)
    assert weights[2] / weights[3] == pytest.approx(4)
    assert weights[wanted].mean() == pytest.approx(1)
    assert weights[4] == 0
    assert recency_weights(ages, 10.0, None).mean() == pytest.approx(1)


@pytest.mark.parametrize("masked", [False, True])
def test_a_batch_says_where_each_target_stands(masked: bool) -> None:
    rng = np.random.default_rng(0)
    sequences = Sequences.from_lists([rng.integers(1, 9, n) for n in rng.integers(1, 30, 40)], 8)
    wanted = answers(sequences, exclude_seen=True)
    for windows in plan_epoch(sequences, 8, 64, 0, 0, wanted):
        one = (
            gather_masked(sequences, windows, 0.3, rng, wanted)
            if masked
            else gather(sequences, windows, wanted)
        )
        there = one.targets != 0
        assert there.any()
        np.testing.assert_array_equal(sequences.items[one.places[there]], one.targets[there])


def test_each_target_has_the_weight_of_its_own_play(split: Split) -> None:
    training = Training("gru4rec", split, replace(SMALL, half_life=30.0))
    assert training.weights is not None
    (windows,) = plan_epoch(split.train, 16, 10**6, 0, 1)
    batch = training.gather(windows, np.random.default_rng(0))
    found = training._weigh(batch)
    assert found is not None
    play = {(user, item): weight for user, of, weight in _plays(split, training.weights) for item in [of]}
    starts = dict(zip(split.train.offsets[:-1].tolist(), range(len(split.train)), strict=True))
    rows, _ = np.nonzero(batch.targets)
    expected = [
        play[starts[int(windows.starts[row])], int(item)]
        for row, item in zip(rows, batch.targets[batch.targets != 0], strict=True)
    ]
    np.testing.assert_allclose(found.numpy(), expected)


def _plays(split: Split, weights: np.ndarray) -> list[tuple[int, int, float]]:
    owner = np.repeat(np.arange(len(split.train)), split.train.lengths)
    return list(zip(owner.tolist(), split.train.items.tolist(), weights.tolist(), strict=True))
