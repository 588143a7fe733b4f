"""SASRec: causal self-attention over the history (Kang and McAuley, ICDM 2018), with pre-norm blocks.

As in the paper, positions count back from the newest item of a history. Counted from the oldest, with random
offsets, or left out, they gave a lower NDCG@10 on Steam.
"""

from models.networks.transformer import Causal


class SASRec(Causal):
    """The causal transformer."""
