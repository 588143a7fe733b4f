"""Where a training keeps its checkpoints, and who hears how it goes."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from models.training.progress import Look
    from models.training.reports import EpochReport


@dataclass(frozen=True)
class Hooks:
    """What `models.training.train.train` is told beside data and settings; see there."""

    checkpoints: Path | None = None
    on_epoch: "Callable[[EpochReport], None] | None" = None
    progress: "bool | Callable[[Look], None]" = False
    usual_epochs: int | None = None

    def of(self, member: str) -> Self:
        """The same for a part of what is trained, with checkpoints of its own."""
        return replace(self, checkpoints=self.checkpoints / member if self.checkpoints else None)


NO_HOOKS = Hooks()
