"""SASRec: causal self-attention over the history (Kang and McAuley, ICDM 2018), with pre-norm blocks.

As in the paper, positions count back from the newest item of a history. Counted from the oldest, with random
offsets, or left out, they gave a lower NDCG@10 on Steam.
"""

from torch import Tensor, nn

from models.config import NetworkConfig
from models.networks.attention import Block
from models.networks.base import SequenceNetwork
from models.networks.dropout import Dropout
from models.networks.layout import Padded


class SASRec(SequenceNetwork):
    """Embeddings, causal blocks, a final norm; each position predicts the item after it."""

    def __init__(self, config: NetworkConfig, n_items: int) -> None:
        super().__init__(config, n_items)
        self.dropout = Dropout(config.dropout)
        self.blocks = nn.ModuleList(Block(config, causal=True) for _ in range(config.layers))
        self.norm = nn.LayerNorm(config.width)

    def mix(self, embedded: Tensor, layout: Padded) -> Tensor:
        x = self.dropout(embedded)
        for block in self.blocks:
            x = block(x, layout)
        states: Tensor = self.norm(x)
        return states

    def state(self, history: Tensor) -> Tensor:
        layout = Padded(history)
        x = self.dropout(self._embed(history, self.item_embeddings.weight, layout))
        for block in self.blocks[:-1]:
            x = block(x, layout)
        last = self.blocks[-1]
        assert isinstance(last, Block)
        states: Tensor = self.norm(last.newest(x, layout)).squeeze(1)  # [batch, width], all that is asked
        return states
