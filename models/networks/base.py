"""What every network shares: item embeddings tied to the output, positions, scoring at the last item."""

import torch
from torch import Tensor, nn

from models.bundle import PADDING
from models.config import NetworkConfig

EMBEDDING_SCALE = 0.02  # standard deviation of fresh embeddings, of items and of positions alike


class SequenceNetwork(nn.Module):
    """Maps histories, right-padded with 0, to one state a position; scores are products with item embeddings.

    The state at a position depends on no later item, so padding on the right needs no mask.
    """

    def __init__(self, config: NetworkConfig, n_items: int) -> None:
        super().__init__()
        self.config, self.n_items = config, n_items
        self.item_embeddings = nn.Embedding(n_items + 1, config.width, padding_idx=PADDING)
        self.item_bias = nn.Parameter(torch.zeros(n_items + 1))
        self.position_embeddings = nn.Embedding(config.max_length, config.width)
        nn.init.normal_(self.position_embeddings.weight, std=EMBEDDING_SCALE)
        with torch.no_grad():
            nn.init.normal_(self.item_embeddings.weight, std=EMBEDDING_SCALE)[PADDING] = 0

    def embed(self, history: Tensor) -> Tensor:
        """Items plus positions, [batch, length, width].

        Positions count back from the newest item, which always has the last one. So a history longer than
        those of training has unseen positions at its oldest items alone, and the network knows which targets
        lie near a user's end, as all do that it is asked for.
        """
        newest = self.config.max_length - 1
        length = (history != PADDING).sum(dim=1, keepdim=True)  # [batch, 1]
        position = newest - length + 1 + torch.arange(history.shape[1])  # [batch, length]
        positions = self.position_embeddings(position.clamp(max=newest))  # [batch, length, width]
        embedded: Tensor = self.item_embeddings(history) + positions
        return embedded

    def encode(self, history: Tensor) -> Tensor:
        """history int64 [batch, length] -> states [batch, length, width]."""
        raise NotImplementedError

    def state(self, history: Tensor) -> Tensor:
        """The state at each history's newest item, [batch, width]: all that serving asks of the network."""
        states = self.encode(history)  # [batch, length, width]
        last = (history != PADDING).sum(dim=1).clamp(min=1) - 1  # [batch]
        place = last[:, None, None].expand(-1, 1, states.shape[2])  # [batch, 1, width]
        return states.gather(1, place).squeeze(1)  # [batch, width]

    def forward(self, history: Tensor) -> Tensor:
        """Scores of every item as the next one, [batch, n_items + 1]; column 0 means nothing."""
        return self.state(history) @ self.item_embeddings.weight.T + self.item_bias  # [batch, n_items + 1]
