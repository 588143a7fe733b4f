"""Training on several devices: each rank works on its share of a batch, and gradients are added up.

All ranks plan the same batches and draw the same negatives. Of each batch a rank runs the network on every
`world`-th window; the gradient of its part of the loss, added up over the ranks, is that of the whole batch.
So the curve is the one of a single process with the same batches, but for the order of sums and for dropout.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.training.device import seed


class Ranks:
    """One process alone: it has every share."""

    rank = 0
    world = 1

    def __init__(self, device: torch.device) -> None:
        self.device = device  # of this rank

    def add_up(self, tensors: Iterable[Tensor]) -> None:
        """Replace each tensor by its sum over the ranks."""

    def wait(self) -> None:
        """Until every rank is here."""

    def share(self, n: int) -> NDArray[np.bool_]:
        """Which of `n` things are this rank's, [n]."""
        mine: NDArray[np.bool_] = np.arange(n) % self.world == self.rank
        return mine

    def begin(self) -> None:
        """Remember torch's random state, which is the same on every rank now, for what is drawn alike."""
        self._alike = torch.get_rng_state()

    @contextmanager
    def alike(self) -> Iterator[None]:
        """Within, torch draws the same on every rank, and what it would have drawn in one process."""
        torch.set_rng_state(self._alike)
        yield
        self._alike = torch.get_rng_state()

    def seed_apart(self, *key: int) -> None:
        """Seed torch differently on every rank."""
        seed(*key, self.rank)

    def gather(self, mine: NDArray[np.int32], n: int) -> NDArray[np.int32]:
        """Put the shares of all ranks together, [n], on every rank; `mine` is this rank's share, in order."""
        whole = torch.zeros(n, dtype=torch.int32)
        whole[torch.from_numpy(self.share(n))] = torch.from_numpy(mine)
        self.add_up([whole])
        return whole.numpy()


class FabricRanks(Ranks):
    """The processes that torchrun has started, found by Lightning Fabric: gloo on CPUs, NCCL on GPUs."""

    def __init__(self, device: torch.device) -> None:
        from lightning_fabric import Fabric

        local, world = int(os.environ["LOCAL_WORLD_SIZE"]), int(os.environ["WORLD_SIZE"])
        nodes = world // local
        self._fabric: Any = Fabric(accelerator=device.type, strategy="ddp", devices=local, num_nodes=nodes)
        self._fabric.launch()
        super().__init__(self._fabric.device)
        self.rank, self.world = int(self._fabric.global_rank), int(self._fabric.world_size)

    def add_up(self, tensors: Iterable[Tensor]) -> None:
        """One exchange for tensors of one dtype: small ones cost their latency once."""
        these = list(tensors)
        if not these:
            return
        flat = self._fabric.all_reduce(torch.cat([one.flatten() for one in these]), reduce_op="sum")
        _fill(these, flat)

    def wait(self) -> None:
        self._fabric.barrier()


def _fill(tensors: Sequence[Tensor], flat: Tensor) -> None:
    start = 0
    for tensor in tensors:
        tensor.copy_(flat[start : start + tensor.numel()].view_as(tensor))
        start += tensor.numel()
