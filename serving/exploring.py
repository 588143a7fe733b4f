"""A share of answers gives its last place to a new item: without being shown nothing is learned of it."""

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Exploration:
    """In which share of the answers, and what names this answer: the same name draws the same."""

    share: float
    name: str

    def drawn(self, best: NDArray[np.int64], new: NDArray[np.int64]) -> tuple[NDArray[np.int64], float]:
        """The best items with the last place given to one of the new ones, or as they are.

        And the chance with which the item in that place came there: 1 where nothing could be drawn. Each of
        `new`, which are not among `best`, is as likely.
        """
        if not len(best) or not len(new):
            return best, 1.0
        digest = hashlib.blake2b(self.name.encode(), digest_size=16).digest()
        chance, place = (_from_0_to_1(digest[start : start + 8]) for start in (0, 8))
        if chance >= self.share:
            return best, 1 - self.share
        return np.append(best[:-1], new[int(place * len(new))]), self.share / len(new)


def _from_0_to_1(drawn: bytes) -> float:
    """Below 1."""
    return (int.from_bytes(drawn, "big") >> 11) / 2**53
