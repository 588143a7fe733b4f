"""Evidence for tests of the gate: a few models on the same 2,000 users, and what a verdict says."""

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from models.evaluation.gate import Evidence, Policy, Verdict

USERS = 2_000
POLICY = Policy(resamples=500)
IDS = np.array([f"user-{i:05}" for i in range(USERS)])


def ranks_like(
    spread: float, seed: int, of: NDArray[np.int32] | None = None, share: float = 1.0
) -> NDArray[np.int32]:
    """Log-normal ranks; or those `of` another model, with a `share` of the users drawn anew."""
    rng = np.random.default_rng(seed)
    drawn = np.ceil(np.exp(np.abs(rng.normal(0, spread, size=USERS)))).astype(np.int32)
    return drawn if of is None else np.where(rng.random(USERS) < share, drawn, of).astype(np.int32)


GOOD = ranks_like(4, seed=1)
SAME_BUT_NOISE = ranks_like(4, seed=2, of=GOOD, share=0.02)
MUCH_WORSE = np.where(np.arange(USERS) % 5 == 0, 1000, GOOD).astype(np.int32)
BAD = np.where(np.arange(USERS) % 3 == 0, GOOD, 1000).astype(np.int32)


def evidence(name: str = "sasrec", ranks: NDArray[np.int32] = GOOD, **values: object) -> Evidence:
    known = {"users": IDS[: len(ranks)], "coverage": 0.4, "export_error": 2e-5, "bundle_hash": f"hash {name}"}
    return Evidence(name, ranks, **{**known, **values})  # type: ignore[arg-type]


POPULARITY = evidence("popularity", BAD)
MARKOV = evidence("markov", np.where(np.arange(USERS) % 2 == 0, GOOD, 1000).astype(np.int32))
BASELINES = [POPULARITY, MARKOV]
CHAMPION = evidence("champion-sasrec", GOOD, age_days=3.0)


def told(verdict: Verdict) -> str:
    return "\n".join(verdict.reasons)


def ranks_of(
    quality: float, taste: NDArray[np.float64], shared: float, rng: np.random.Generator
) -> NDArray[np.int32]:
    """Ranks [users] with mean NDCG@10 `quality`; `shared` of a user's luck comes from `taste` [users]."""
    places = np.arange(1, 11)
    weight = 1 / places / (1 / places).sum()
    hit = quality / float((weight / np.log2(1 + places)).sum())
    luck = ndtr(shared * taste + np.sqrt(1 - shared**2) * rng.normal(size=len(taste)))  # small is lucky
    ranks = np.searchsorted(hit * np.cumsum(weight), luck) + 1
    missed = ranks > 10
    ranks[missed] = rng.integers(11, 1_011, size=missed.sum())
    return ranks.astype(np.int32)


class Night:
    """Models of one night: the same users, with a taste that all models share."""

    def __init__(self, users: int, seed: int, shared: float = 0.97) -> None:
        self.rng, self.shared = np.random.default_rng(seed), shared
        self.ids, self.taste = np.arange(users), self.rng.normal(size=users)

    def ranks(self, quality: float) -> NDArray[np.int32]:
        return ranks_of(quality, self.taste, self.shared, self.rng)

    def model(self, name: str, quality: float, **values: object) -> Evidence:
        """Evidence of a model whose NDCG@10 is `quality`; its ranks may be given."""
        known = {"coverage": 0.5, "export_error": 0.0, "bundle_hash": name, **values}
        ranks = known.pop("ranks", None)
        ranks = self.ranks(quality) if ranks is None else ranks
        return Evidence(name, ranks, self.ids, **known)  # type: ignore[arg-type]
