"""Items as the sums of their codes' embeddings, in place of a table with a row for each of them.

So items with a code in common share what their plays teach, and an item without plays has what the items
with its codes have taught (Singh et al., "Better Generalization with Semantic IDs", RecSys 2024). A code of
a later level means little without those before it. So the embeddings may be of the beginnings of ids instead,
the whole id among them, which is an item's own: what is learned of it then grows with what it is played.
"""

import numpy as np
import torch
from torch import Tensor, nn

from models.bundle.bundle import PADDING
from models.codes.trie import Trie
from models.networks.content import CONTENT_SCALE


def beginnings(codes: Tensor) -> Tensor:
    """Numbers of the beginnings of each item's id, by their length, int64 [n_items + 1, levels]."""
    numbers = np.stack([level.of_item for level in Trie.of(codes.numpy()).levels], axis=1)
    numbers[PADDING] = 0  # is no item's: its embedding never counts
    return torch.from_numpy(numbers)


class CodedItems(nn.Module):
    """A table of embeddings and one of biases for each level of codes, or of beginnings."""

    codes: Tensor

    def __init__(self, codes: Tensor, width: int, prefixes: bool = False) -> None:
        """`codes` int64 [n_items + 1, levels]; row 0 is padding and is no item's."""
        super().__init__()
        codes = beginnings(codes) if prefixes else codes
        self.register_buffer("codes", codes, persistent=False)
        sizes = [int(column.max()) + 1 for column in codes.T]
        self.tables = nn.ModuleList(nn.Embedding(size, width) for size in sizes)
        self.biases = nn.ParameterList(torch.zeros(size) for size in sizes)
        for table in self.tables:
            assert isinstance(table, nn.Embedding)
            nn.init.normal_(table.weight, std=CONTENT_SCALE / len(sizes) ** 0.5)
        for table in self.tables[1:] if prefixes else ():
            assert isinstance(table, nn.Embedding)
            nn.init.zeros_(table.weight)  # of a beginning that nobody has played nothing is known

    def forward(self, own: Tensor, own_bias: Tensor, rows: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Embeddings [k, width] and biases [k] of the items `rows` [k], all where there are none.

        What items have of their own is nothing here; it stands for the form that content has, too.
        """
        codes = self.codes if rows is None else self.codes.index_select(0, rows)  # [k, levels]
        items = sum(table(column) for table, column in zip(self.tables, codes.T, strict=True))
        bias = sum(bias[column] for bias, column in zip(self.biases, codes.T, strict=True))
        real = torch.ones_like(own_bias) if rows is None else (rows != 0).to(own_bias)
        if rows is None:
            real[0] = 0
        return items * real[:, None], bias * real
