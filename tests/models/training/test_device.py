"""Where a network trains: the CPU where there is no GPU, and on a GPU the same training as on the CPU."""

import os

import numpy as np
import pytest
import torch

from models.config import ConfigError, NetworkConfig, TrainConfig
from models.data import Sequences, leave_one_out
from models.training.device import find_device, reproducible
from models.training.train import train

GPU = torch.cuda.is_available()
SMALL = TrainConfig(
    network=NetworkConfig(width=16, dropout=0.0, max_length=8), epochs=2, batch_positions=64, negatives=8
)


@pytest.mark.parametrize("name", ["auto", "cpu"])
@pytest.mark.skipif(GPU, reason="there is a GPU")
def test_without_a_gpu_the_cpu_trains(name: str) -> None:
    assert find_device(name).type == "cpu"


@pytest.mark.skipif(GPU, reason="there is a GPU")
def test_a_gpu_that_is_asked_for_and_missing_is_an_error_that_says_what_to_change() -> None:
    users = [[1 + (start + step) % 6 for step in range(5)] for start in range(12)]
    split = leave_one_out(Sequences.from_lists(users, n_items=6))
    with pytest.raises(ConfigError, match="no GPU; with 'auto'"):
        train("sasrec", split, SMALL.with_changes(device="cuda"))


def test_an_unknown_device_is_refused() -> None:
    with pytest.raises(ConfigError, match="one of auto, cpu, cuda"):
        TrainConfig(device="tpu")


def test_a_training_leaves_threads_random_state_and_kernels_as_they_were() -> None:
    before = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled(), torch.get_rng_state()
    with reproducible(1, find_device("cpu")):
        torch.manual_seed(7)
        assert (torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()) == (1, True)
    after = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled(), torch.get_rng_state()
    assert after[:2] == before[:2] and torch.equal(after[2], before[2])


@pytest.mark.skipif(not GPU, reason="there is no GPU")
@pytest.mark.parametrize("loss", ["full", "sampled", "gbce"])
@pytest.mark.parametrize("name", ["gru4rec", "sasrec", "bert4rec"])
def test_a_gpu_learns_what_the_cpu_learns(name: str, loss: str) -> None:
    rng = np.random.default_rng(0)
    users = [[1 + (int(start) + step) % 40 for step in range(12)] for start in rng.integers(0, 40, 200)]
    split = leave_one_out(Sequences.from_lists(users, n_items=40))
    curves = [
        train(name, split, SMALL.with_changes(loss=loss, device=device)).curve for device in ("cpu", "cuda")
    ]
    losses = [[epoch.loss for epoch in curve] for curve in curves]
    assert losses[0] == pytest.approx(losses[1], rel=0.02)
    assert os.environ["CUBLAS_WORKSPACE_CONFIG"]
