"""What a training shows on a terminal: a bar whose total is what is likely, not the most there may be."""

from collections.abc import Callable
from dataclasses import dataclass
from math import isnan
from time import monotonic
from types import TracebackType
from typing import Self

from tqdm import tqdm

PAUSE_S = 0.1  # between two looks


def likely_epochs(epochs: int, patience: int, done: int, best: int, usual: int | None = None) -> int:
    """How many epochs a training will probably take: as many as the last one took, once known.

    It cannot end before `patience` epochs after the `best` one, nor go beyond `epochs`. So where nothing is
    known of an earlier training, this is the least that is left, and it moves on while validation rises.
    """
    return min(epochs, max(done, best + patience, usual or 0))


@dataclass(frozen=True)
class Look:
    """How far a training is at a moment."""

    name: str
    done: int  # steps
    total: int  # steps, as it is likely
    words: str  # epoch, loss, validation


class Bars:
    """A bar for each training that is shown, one below the other; the pace is the mean since its start.

    One process draws for all: bars of several would write over each other.
    """

    def __init__(self) -> None:
        self._bars: dict[str, tqdm[None]] = {}

    def show(self, look: Look) -> None:
        if look.name not in self._bars:
            place = len(self._bars)
            self._bars[look.name] = tqdm(
                desc=look.name, unit="step", position=place, dynamic_ncols=True, smoothing=0
            )
        bar = self._bars[look.name]
        bar.n, bar.total = look.done, look.total
        bar.set_postfix_str(look.words, refresh=False)
        bar.refresh()

    def close(self) -> None:
        for bar in self._bars.values():
            bar.close()


class Progress:
    """Counts the steps of a training and tells of them now and then.

    `shown` is who is told: nobody, a bar of its own, or what is called with a `Look`.
    """

    def __init__(self, name: str, shown: bool | Callable[[Look], None]) -> None:
        self._bars = Bars() if shown is True else None
        self._show = self._bars.show if self._bars else None if isinstance(shown, bool) else shown
        self._name, self._done, self._total = name, 0, 0
        self._epoch, self._loss, self._ndcg = "-", float("nan"), "-"
        self._next = 0.0  # of the monotonic clock

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._total = self._done  # it may have stopped before what was likely
            self._tell()
        if self._bars:
            self._bars.close()

    def begin(self, epoch: int, likely: int, steps: int, ndcg: float | None) -> None:
        """An epoch of so many steps begins; `ndcg` is what the one before it reached on validation."""
        self._total = self._done + steps * (likely - epoch + 1)
        self._epoch = f"{epoch} of about {likely}"
        self._ndcg = "-" if ndcg is None or isnan(ndcg) else f"{ndcg:.4f}"

    def step(self, loss: float) -> None:
        """One step is done; `loss` is the mean of the epoch so far."""
        self._done, self._loss = self._done + 1, loss
        if self._show and monotonic() >= self._next:
            self._next = monotonic() + PAUSE_S
            self._tell()

    def _tell(self) -> None:
        if self._show:
            words = f"epoch={self._epoch}, loss={self._loss:.3f}, ndcg={self._ndcg}"
            self._show(Look(self._name, self._done, self._total, words))
