"""Where the positions of a batch of histories lie: in a padded block, or one after the other without padding.

All that looks at one position at a time (norms, dense layers, dropout) works on either; what mixes positions
asks for the padded block and gives it back.
"""

from torch import Tensor

from models.bundle import PADDING


class Padded:
    """Every position, padding included: [batch, length, width]. What is served and exported."""

    def __init__(self, history: Tensor) -> None:
        self.real = history != PADDING  # [batch, length]
        self.newest = self.real.sum(dim=1, keepdim=True).clamp(min=1) - 1  # [batch, 1]

    def collect(self, block: Tensor) -> Tensor:
        """[batch, length, ...] -> the positions in this layout."""
        return block

    def spread(self, positions: Tensor) -> Tensor:
        """The inverse of `collect`."""
        return positions


class Packed(Padded):
    """The real positions alone, [n, width], so that no work is done on padding. What training uses."""

    def __init__(self, history: Tensor) -> None:
        super().__init__(history)
        (self._places,) = self.real.flatten().nonzero(as_tuple=True)  # [n]

    def collect(self, block: Tensor) -> Tensor:
        return block.flatten(0, 1).index_select(0, self._places)  # [n, ...]

    def spread(self, positions: Tensor) -> Tensor:
        """[n, ...] -> [batch, length, ...], 0 at padding."""
        block = positions.new_zeros(self.real.numel(), *positions.shape[1:])
        filled = block.index_copy(0, self._places, positions)
        return filled.view(*self.real.shape, *positions.shape[1:])
