"""TIGER: the next item's codes are generated one after the other (Rajput et al., NeurIPS 2023).

In the paper a T5 reads each item of the history as so many tokens as it has codes, sees one target a
history, and decodes with attention to all of them. Here an item is one position, the sum of the embeddings
of its id's beginnings (or of its codes), in a causal transformer that is trained at every position; and the
decoder is a residual block for each level, on the state of the position plus the codes so far: the
arrangement of the RQ-Transformer (Lee et al., CVPR 2022) with the smallest of decoders. The softmax at each
level is over the codes that go on to a real item, so that the probabilities of all items sum to 1 and ranks
over the full catalogue are exact.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from models.bundle.bundle import PADDING
from models.codes.decoder import TrieDecoder
from models.codes.trie import Trie
from models.config import NetworkConfig
from models.losses import Again, Negatives
from models.networks.base import EMBEDDING_SCALE
from models.networks.dropout import Dropout
from models.networks.sasrec import SASRec
from models.networks.times import Times

INNER = 2  # width of a decoder's block over that of a state


class Decoder(nn.Module):
    """Logits of the code at each level, of a state and the codes before it."""

    codes: Tensor

    def __init__(self, codes: Tensor, config: NetworkConfig) -> None:
        """`codes` int64 [n_items + 1, levels] are all different but for row 0, padding's."""
        super().__init__()
        width, inner = config.width, INNER * config.width
        self.register_buffer("codes", codes)
        sizes = [int(column.max()) + 1 for column in codes.T]
        self.tables = nn.ModuleList(nn.Embedding(size, width) for size in sizes)
        self.biases = nn.ParameterList(torch.zeros(size) for size in sizes)
        self.inner = nn.ModuleList(nn.Linear(width, inner, bias=False) for _ in sizes)
        self.outer = nn.ModuleList(nn.Linear(inner, width, bias=False) for _ in sizes)
        self.dropout = Dropout(config.dropout)
        for table in self.tables:
            assert isinstance(table, nn.Embedding)
            nn.init.normal_(table.weight, std=EMBEDDING_SCALE)

    def forward(self, level: int, states: Tensor, codes: Tensor) -> Tensor:
        """states [n, width], codes [n, levels], of which those before `level` count -> [n, codes]."""
        x = states
        for before in range(level):
            x = x + self.tables[before](codes[:, before])
        x = x + self.dropout(self.outer[level](torch.relu(self.inner[level](x))))
        table = self.tables[level]
        assert isinstance(table, nn.Embedding)
        return F.linear(x, table.weight, self.biases[level])


class CodeLoss:
    """Cross-entropy of the target's codes, level by level, among those that go on to an item."""

    def __init__(self, decoder: Decoder, items: Tensor | None) -> None:
        """`items` are those to tell apart, padding first; None for all. Targets are rows of them."""
        self._decoder = decoder
        self._codes = decoder.codes if items is None else decoder.codes.index_select(0, items)
        device = self._codes.device
        self._choice, self._allowed = [], []
        for level, table in zip(Trie.of(self._codes.cpu().numpy()).levels, decoder.tables, strict=True):
            assert isinstance(table, nn.Embedding)
            choices, place = np.unique(level.parent[level.siblings], return_inverse=True)
            allowed = np.zeros((len(choices), table.num_embeddings), dtype=np.bool_)
            allowed[place, level.codes[level.siblings, -1]] = True
            of_child = np.full(len(level.parent) + 1, -1, dtype=np.int64)  # the last for padding
            of_child[level.siblings] = place
            self._choice.append(torch.from_numpy(of_child[level.of_item]).to(device))  # [items]
            self._allowed.append(torch.from_numpy(allowed).to(device))  # [choices, codes]

    def draw(self, positions: int) -> None:
        """Nothing: all codes are scored."""

    def __call__(
        self,
        states: Tensor,
        targets: Tensor,
        items: Tensor,
        bias: Tensor,
        negatives: Negatives | None = None,
        again: Again | None = None,
        weights: Tensor | None = None,
    ) -> Tensor:
        """As `models.losses.Loss`; the item table takes no part but in the states."""
        total = states.new_zeros(())
        for level, (choice, allowed) in enumerate(zip(self._choice, self._allowed, strict=True)):
            of_target = choice[targets]  # [n], -1 where there is nothing to choose
            rows = (of_target >= 0).nonzero().squeeze(1)  # [m]
            if not len(rows):
                continue
            codes = self._codes[targets[rows]]  # [m, levels]
            logits = self._decoder(level, states[rows], codes)  # [m, codes]
            logits = logits.masked_fill(~allowed[of_target[rows]], -torch.inf)
            loss = F.cross_entropy(logits, codes[:, level], reduction="none")  # [m]
            total = total + (loss if weights is None else loss * weights[rows]).sum()
        return total / len(targets)


class TIGER(SASRec):
    """SASRec whose items are their codes, and that scores an item by generating its code."""

    PRODUCTS = False

    def __init__(self, config: NetworkConfig, n_items: int) -> None:
        super().__init__(config, n_items)
        self.decoder = Decoder(torch.from_numpy(counted(n_items)), config)

    def encode_items(self, codes: Tensor, prefixes: bool = False) -> None:
        """Until then items have a row each, as they do elsewhere, and codes that mean nothing."""
        super().encode_items(codes, prefixes)
        self.decoder = Decoder(codes, self.config)

    def own_loss(self, items: Tensor | None) -> CodeLoss:
        return CodeLoss(self.decoder, items)

    def forward(self, history: Tensor, times: Times | None = None) -> Tensor:
        state = self.state(history, self.item_table()[0], times)
        weights = {f"decoder.{name}": value for name, value in self.decoder.state_dict().items()}
        decoder = TrieDecoder.of({name: value.detach().cpu().numpy() for name, value in weights.items()})
        scores = torch.from_numpy(decoder.score(state.detach().cpu().numpy()))
        scores[:, PADDING] = 0
        return scores.to(state.device)


def counted(n_items: int, levels: int = 3) -> NDArray[np.int64]:
    """Codes that mean nothing: the digits of the items' indexes."""
    base = int(np.ceil((n_items + 1) ** (1 / levels)))
    digits: Sequence[NDArray[np.int64]] = np.unravel_index(np.arange(n_items + 1), (base,) * levels)
    return np.stack(digits, axis=1)
