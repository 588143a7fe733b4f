"""The bar that a training shows on a terminal: its total is what is likely, not the most there may be."""

from math import isnan
from types import TracebackType
from typing import Self

from tqdm import tqdm


def likely_epochs(epochs: int, patience: int, done: int, best: int, usual: int | None = None) -> int:
    """How many epochs a training will probably take: as many as the last one took, once known.

    It cannot end before `patience` epochs after the `best` one, nor go beyond `epochs`. So where nothing is
    known of an earlier training, this is the least that is left, and it moves on while validation rises.
    """
    return min(epochs, max(done, best + patience, usual or 0))


class Progress:
    """A bar over the steps of a training; the pace is the mean since its start, with validation counted."""

    def __init__(self, name: str, shown: bool) -> None:
        self._bar = tqdm(desc=name, unit="step", disable=not shown, dynamic_ncols=True, smoothing=0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._bar.total = self._bar.n  # it may have stopped before what was likely
            self._bar.refresh()
        self._bar.close()

    def begin(self, epoch: int, likely: int, steps: int, ndcg: float | None) -> None:
        """An epoch of so many steps begins; `ndcg` is what the one before it reached on validation."""
        self._bar.total = self._bar.n + steps * (likely - epoch + 1)
        self._epoch = f"{epoch} of about {likely}"
        self._ndcg = "-" if ndcg is None or isnan(ndcg) else f"{ndcg:.4f}"

    def step(self, loss: float) -> None:
        """One step is done; `loss` is the mean of the epoch so far."""
        self._bar.set_postfix(epoch=self._epoch, loss=f"{loss:.3f}", ndcg=self._ndcg, refresh=False)
        self._bar.update()
