"""A network and baselines as one scorer. Free of torch and SciPy: evaluation and serving run the same code.

A network sees the order of a history; counting sees rare transitions, co-occurrence and the trend of the last
days. The score is log-linear: the network's score times its weight, plus, for each baseline, its weight times
the logarithm of its smoothed shares. So exp(score) is proportional to a product of powers of probabilities, a
logarithmic opinion pool (Genest and Zidek, Statistical Science 1986).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from models.baselines import BASELINES, RecentPopularity
from models.blend.prior import Prior
from models.bundle.bundle import PADDING, BundleError, read_manifest
from models.scorer import OnnxScorer, Scorer

BLEND = "blend"  # the architecture
MEMBERS_FOLDER = "members"  # in its bundle: the bundle of each member, by its architecture
WEIGHTS = "weights"  # in its manifest's config: architecture -> weight


def log_shares(scores: NDArray[np.float32]) -> NDArray[np.float32]:
    """Scores of a baseline [users, n_items + 1] as logarithms of shares, smoothed by one more for each item.

    Scores below 0, and padding's, count as 0; a share of all that is positive is counted in items. So an item
    of which the baseline knows nothing has 0, and one with the share p has log(1 + p * n_items).
    """
    shares = np.maximum(scores, 0)
    total = shares.sum(axis=1, keepdims=True)  # [users, 1]
    shares *= np.divide(shares.shape[1] - 1, total, out=np.zeros_like(total), where=total != 0)
    logs: NDArray[np.float32] = np.log1p(shares, out=shares)
    return logs


@dataclass(frozen=True, eq=False)
class Blend:
    """At least one network, the one that leads first, and any number of baselines; a weight for each."""

    networks: Mapping[str, OnnxScorer]
    baselines: dict[str, Scorer]
    weights: Mapping[str, float]
    prior: Prior | None = None  # of recent popularity, where that is a member and its times are a clock
    learned: NDArray[np.float32] | None = None  # [n_items + 1], the shares of recent popularity as trained

    def score(self, histories: Sequence[NDArray[np.integer]]) -> NDArray[np.float32]:
        """Item indexes, oldest first, one array a user -> scores [users, n_items + 1]."""
        parts = [(name, network.score(histories)) for name, network in self.networks.items()]
        parts += [(name, log_shares(one.score(histories))) for name, one in self.baselines.items()]
        total: NDArray[np.float32] = np.zeros_like(parts[0][1])
        for name, scores in parts:
            total += np.multiply(scores, np.float32(self.weights[name]), out=scores)
        total[:, PADDING] = -np.inf
        return total

    def similarities(self, item: int) -> NDArray[np.float32]:
        """Those of the leading network; see `OnnxScorer`."""
        return self._leading.similarities(item)

    def score_items(
        self, histories: Sequence[NDArray[np.integer]], items: NDArray[np.integer]
    ) -> NDArray[np.float32]:
        """The leading network's scores of some items alone, [users, len(items)]."""
        return self._leading.score_items(histories, items)

    @property
    def n_items(self) -> int:
        """Items that recent popularity counts; 0 where it does not move."""
        return 0 if self.learned is None else len(self.learned) - 1

    def move(self, items: NDArray[np.int64], played_ms: NDArray[np.int64]) -> None:
        """From now on these plays, later than all that was learned from, count in recent popularity, too.

        Safe while others score: what is replaced is one member as a whole.
        """
        if self.prior is None or self.learned is None:
            raise ValueError("This blend has no recent popularity that moves.")
        recent = self.baselines[RecentPopularity.architecture]
        assert isinstance(recent, RecentPopularity)
        share = self.prior.moved(self.learned, items, played_ms)
        self.baselines[RecentPopularity.architecture] = replace(recent, share=share)

    @property
    def _leading(self) -> OnnxScorer:
        return next(iter(self.networks.values()))

    @classmethod
    def of(
        cls, members: Mapping[str, Scorer], weights: Mapping[str, float], prior: Prior | None = None
    ) -> Self:
        """From those members that have a weight, the greatest first. ValueError without a network."""
        ordered = sorted(weights, key=lambda name: (-weights[name], name))
        networks = {n: s for n in ordered if isinstance(s := members[n], OnnxScorer)}
        if not networks:
            raise ValueError("A blend needs a network.")
        baselines = {n: members[n] for n in ordered if n not in networks}
        recent = baselines.get(RecentPopularity.architecture)
        if prior is None or not isinstance(recent, RecentPopularity):
            return cls(networks, baselines, dict(weights))
        return cls(networks, baselines, dict(weights), prior, recent.share)

    @classmethod
    def load(cls, folder: Path, open_member: Callable[[Path], Scorer]) -> Self:
        """Raises BundleError where a member is missing, broken, or knows other items."""
        manifest = read_manifest(folder)
        weights = manifest.config.get(WEIGHTS)
        if not isinstance(weights, dict) or not weights or not all(map(_is_weight, weights.values())):
            raise BundleError(f"The manifest of the blend {folder} has no weights of its members.")
        members = {}
        for name in weights:
            try:
                member = folder / MEMBERS_FOLDER / name
                theirs = read_manifest(member)
                if (theirs.architecture, theirs.vocabulary_hash) != (name, manifest.vocabulary_hash):
                    raise BundleError(f"it is a {theirs.architecture} of other items than the blend's")
                members[name] = open_member(member)
            except BundleError as error:
                raise BundleError(
                    f"The member {name} of the blend {folder} cannot be used: {error}"
                ) from error
        try:
            return cls.of(members, weights, Prior.of(manifest.config))
        except ValueError as error:
            raise BundleError(f"{folder} cannot be used: {error}") from error


def member_names(config: Mapping[str, object]) -> tuple[list[str], list[str]]:
    """The networks and the baselines whose weights stand in a config, each as they stand there."""
    weights = config.get(WEIGHTS)
    names = list(weights) if isinstance(weights, dict) else []
    return [n for n in names if n not in BASELINES], [n for n in names if n in BASELINES]


def _is_weight(weight: object) -> bool:
    return isinstance(weight, float | int) and np.isfinite(weight) and weight > 0
