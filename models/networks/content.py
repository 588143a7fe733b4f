"""What the catalogue says of items as a part of their embeddings, so that items without plays have one too.

An item's embedding is a linear map of its frozen content vector plus what its own plays teach, whose norm is
bounded (let-it-go, RecSys 2025); so is its bias, without the bound.
"""

from torch import Tensor, nn

CONTENT_SCALE = 0.02  # standard deviation of a fresh map, of vectors of length 1


class Content(nn.Module):
    """The map from content vectors to embeddings and biases."""

    vectors: Tensor

    def __init__(self, vectors: Tensor, width: int, largest: float) -> None:
        """`vectors` [n_items + 1, content]; `largest` is the norm of what an item adds of its own."""
        super().__init__()
        self.register_buffer("vectors", vectors, persistent=False)
        self.embedding = nn.Linear(vectors.shape[1], width, bias=False)
        self.bias = nn.Linear(vectors.shape[1], 1, bias=False)
        self._largest = largest
        nn.init.normal_(self.embedding.weight, std=CONTENT_SCALE)
        nn.init.zeros_(self.bias.weight)

    def forward(self, own: Tensor, own_bias: Tensor, rows: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """What items have of their own, [k, width] and [k] -> their embeddings and biases.

        `rows` [k] are the items, all where there are none.
        """
        vectors = self.vectors if rows is None else self.vectors.index_select(0, rows)  # [k, content]
        norm = own.norm(dim=1, keepdim=True).clamp(min=self._largest)  # [k, 1]
        bounded = own * (self._largest / norm)
        return self.embedding(vectors) + bounded, self.bias(vectors).squeeze(1) + own_bias
