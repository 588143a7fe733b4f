"""Where a network trains, and what makes the numbers of a training come out the same again."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

from models.config import ConfigError

CUBLAS_WORKSPACE = ":4096:8"  # without one cuBLAS adds up in an order of its own


def find_device(name: str) -> torch.device:
    """The device of `TrainConfig.device`. Raises ConfigError where there is no such one."""
    if name == "cuda" and not torch.cuda.is_available():
        raise ConfigError("device='cuda' is not allowed here: there is no GPU; with 'auto' the CPU trains.")
    if name == "cpu" or not torch.cuda.is_available():
        return torch.device("cpu")
    return torch.device("cuda", torch.cuda.current_device())


def seed(*key: int) -> None:
    """Seed torch, on every device, from `key` alone."""
    state = np.random.SeedSequence(key).generate_state(1, np.uint64)[0]
    torch.manual_seed(int(state >> np.uint64(1)))


@contextmanager
def reproducible(threads: int, device: torch.device | None = None) -> Iterator[None]:
    """Deterministic kernels, a thread count and a random state of its own; all as before afterwards.

    On a GPU, an operation without a deterministic kernel only warns.
    """
    gpu = [device] if device is not None and device.type == "cuda" else []
    if gpu:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", CUBLAS_WORKSPACE)
    before_threads, before = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    before_fill = torch.utils.deterministic.fill_uninitialized_memory  # type: ignore[attr-defined]
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True, warn_only=bool(gpu))
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    try:
        with torch.random.fork_rng(devices=gpu):
            yield
    finally:
        torch.set_num_threads(before_threads)
        torch.use_deterministic_algorithms(before)
        torch.utils.deterministic.fill_uninitialized_memory = before_fill  # type: ignore[attr-defined]
