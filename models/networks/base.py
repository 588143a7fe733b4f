"""What every network shares: item embeddings tied to the output, positions, scoring at the last item."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.bundle.bundle import PADDING
from models.config import NetworkConfig
from models.losses import Loss
from models.networks.codes import CodedItems
from models.networks.content import Content
from models.networks.dropout import ItemDropout
from models.networks.layout import Packed, Padded
from models.networks.repeats import Repeats
from models.networks.times import Times

EMBEDDING_SCALE = 0.02  # standard deviation of fresh embeddings, of items and of positions alike


class SequenceNetwork(nn.Module):
    """Maps histories, right-padded with 0, to one state a position; scores are products with item embeddings.

    Padding is on the right, so a state that depends on no later item needs no mask.
    """

    EXTRA_POSITIONS = 0  # beyond those of the longest history
    PRODUCTS = True  # scores are products of states with item embeddings
    TIMED = False  # whether `time_buckets` has an effect

    def __init__(self, config: NetworkConfig, n_items: int) -> None:
        super().__init__()
        self.config, self.n_items = config, n_items
        self.repeats: Repeats | None = None  # set where seen items are answers
        self.content: Content | CodedItems | None = None  # set in training where items are known by more
        self.item_dropout = ItemDropout(config.item_dropout)
        self.item_embeddings = nn.Embedding(n_items + 1, config.width, padding_idx=PADDING)
        self.item_bias = nn.Parameter(torch.zeros(n_items + 1))
        self.position_embeddings = nn.Embedding(config.max_length + self.EXTRA_POSITIONS, config.width)
        nn.init.normal_(self.position_embeddings.weight, std=EMBEDDING_SCALE)
        with torch.no_grad():
            nn.init.normal_(self.item_embeddings.weight, std=EMBEDDING_SCALE)[PADDING] = 0

    def describe(self, content: Content) -> None:
        """Make content a part of the embeddings; what items have of their own begins at 0."""
        self.content = content
        nn.init.zeros_(self.item_embeddings.weight)

    def encode_items(self, codes: Tensor, prefixes: bool = False) -> None:
        """Make items the sums of the embeddings of their codes, or of their ids' beginnings.

        `codes` int64 [n_items + 1, levels].
        """
        self.content = CodedItems(codes, self.config.width, prefixes)
        nn.init.zeros_(self.item_embeddings.weight)
        self.item_embeddings.requires_grad_(False)
        self.item_bias.requires_grad_(False)

    def own_loss(self, items: Tensor | None) -> Loss | None:
        """What the network is trained by where that is no loss over items; None where it is.

        `items` are those to tell apart, padding first; None for all.
        """
        return None

    def item_table(self) -> tuple[Tensor, Tensor]:
        """The embedding of each item, [n_items + 1, width], and its bias, [n_items + 1]."""
        own = self.item_embeddings.weight, self.item_bias
        if self.content is None:
            return own
        described: tuple[Tensor, Tensor] = self.content(*own)
        return described

    @torch.no_grad()
    def settle(self) -> None:
        """Make content and what items have of their own one table, as it is served."""
        if self.content:
            items, bias = self.item_table()
            self.item_embeddings.weight.copy_(items)
            self.item_bias.copy_(bias)
            self.content = None

    def mix(self, embedded: Tensor, layout: Padded) -> Tensor:
        """Embedded positions in a layout -> states in the same layout: what makes a network what it is."""
        raise NotImplementedError

    def states(self, history: Tensor, items: Tensor, times: Times | None = None) -> Tensor:
        """history [batch, length], rows of `items` [rows, width] -> states of the real positions [n, width].

        `items` are the item embeddings: all of them, or in training the few that a step touches.
        """
        layout = Packed(history, times)
        return self.mix(self._embed(history, items, layout), layout)

    def encode(self, history: Tensor, times: Times | None = None) -> Tensor:
        """history int64 [batch, length] -> states [batch, length, width]."""
        layout = Padded(history, times)
        return self.mix(self._embed(history, self.item_table()[0], layout), layout)

    def embed_items(self, history: Tensor, items: Tensor) -> Tensor:
        """history of any shape, rows of `items` -> [..., width]."""
        return F.embedding(history, items, padding_idx=PADDING)  # which masks have too, and keep at 0

    def _embed(self, history: Tensor, items: Tensor, layout: Padded) -> Tensor:
        """Items plus positions, in the layout.

        Positions count back from the newest item, which always has the last one. So a history longer than
        those of training has unseen positions at its oldest items alone, and the network knows which targets
        lie near a user's end, as all do that it is asked for.
        """
        newest = self.position_embeddings.num_embeddings - 1
        length = layout.real.sum(dim=1, keepdim=True)  # [batch, 1]
        position = newest - length + 1 + torch.arange(history.shape[1], device=history.device)
        positions = self.position_embeddings(layout.collect(position.clamp(max=newest)))
        embedded = self.embed_items(layout.collect(history), items) + positions
        shown: Tensor = self.item_dropout(embedded)
        return shown

    def state(self, history: Tensor, items: Tensor, times: Times | None = None) -> Tensor:
        """The state at each history's newest item, [batch, width]: all that serving asks of the network."""
        layout = Padded(history, times)
        states = self.mix(self._embed(history, items, layout), layout)
        place = layout.newest[:, :, None].expand(-1, -1, states.shape[2])  # [batch, 1, width]
        return states.gather(1, place).squeeze(1)  # [batch, width]

    def forward(self, history: Tensor, times: Times | None = None) -> Tensor:
        """Scores of every item as the next one, [batch, n_items + 1]; column 0 means nothing."""
        items, bias = self.item_table()
        state = self.state(history, items, times)
        scores = state @ items.T + bias
        return self.repeats.added(scores, history, state) if self.repeats else scores


def is_timed(network: SequenceNetwork) -> bool:
    """Whether what it says depends on when the items were played."""
    return network.TIMED and network.config.time_buckets > 0
