"""SASRec: causal self-attention over the history (Kang and McAuley, ICDM 2018), with pre-norm blocks.

As in the paper, positions count back from the newest item of a history. Counted from the oldest, with random
offsets, or left out, they gave a lower NDCG@10 on Steam.
"""

from torch import Tensor

from models.config import NetworkConfig
from models.networks.attention import Block
from models.networks.layout import Padded
from models.networks.transformer import Transformer


class SASRec(Transformer):
    """The causal transformer; each position predicts the item after it."""

    def __init__(self, config: NetworkConfig, n_items: int) -> None:
        super().__init__(config, n_items, causal=True)

    def state(self, history: Tensor, items: Tensor) -> Tensor:
        layout = Padded(history)
        x = self.dropout(self._embed(history, items, layout))
        for block in self.blocks[:-1]:
            x = block(x, layout)
        last = self.blocks[-1]
        assert isinstance(last, Block)
        states: Tensor = self.norm(last.newest(x, layout)).squeeze(1)  # [batch, width], all that is asked
        return states
