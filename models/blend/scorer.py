"""A network and baselines as one scorer. Free of torch and SciPy: evaluation and serving run the same code.

A network sees the order of a history; counting sees rare transitions, co-occurrence and the trend of the last
days. The score is log-linear: the network's score times its weight, plus, for each baseline, its weight times
the logarithm of its smoothed shares. So exp(score) is proportional to a product of powers of probabilities, a
logarithmic opinion pool (Genest and Zidek, Statistical Science 1986).

Items that nobody has played stand beside those that have been: each has its score in `new_releases` times
that member's weight where all that has been played has 1 together. So the weight is a rate, and the more has
come out, the more room it takes.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from models.baselines import BASELINES, NewReleases, Popularity, RecentPopularity
from models.baselines.base import log_shares
from models.bundle.bundle import PADDING, BundleError, read_manifest
from models.moment import Moment
from models.prior import Prior
from models.scorer import MovingScorer, OnnxScorer, Scorer, scores_at

BLEND = "blend"  # the architecture
MEMBERS_FOLDER = "members"  # in its bundle: the bundle of each member, by its architecture
NEW = NewReleases.architecture
WEIGHTS = "weights"  # in its manifest's config: architecture -> weight


def logarithms(
    scorer: Scorer, scores: NDArray[np.float32], new: NDArray[np.bool_] | None
) -> NDArray[np.float32]:
    """What a member adds, before its weight, of its scores [users, n_items + 1], which are changed.

    Of a network these are the scores, of a baseline the logarithms of its shares. Of the items that are `new`
    [n_items + 1] a network has learned nothing, unless it knows their content: each gets its least score.
    """
    if not isinstance(scorer, OnnxScorer):
        return log_shares(scores)
    if new is not None and not scorer.knows_content:
        learned = ~new
        learned[PADDING] = False
        scores[:, new] = scores[:, learned].min(axis=1, keepdims=True)
    return scores


def new_items(members: Mapping[str, Scorer]) -> NDArray[np.bool_] | None:
    """The items without plays, [n_items + 1], where one of the members ranks them; None where none does."""
    found = members.get(NEW)
    return found.new if isinstance(found, NewReleases) and found.new.any() else None


@dataclass(frozen=True, eq=False)
class Blend:
    """At least one network, the one that leads first, and any number of baselines; a weight for each."""

    networks: Mapping[str, OnnxScorer]
    baselines: Mapping[str, Scorer]
    weights: Mapping[str, float]

    def score(self, histories: Sequence[NDArray[np.integer]]) -> NDArray[np.float32]:
        """Item indexes, oldest first, one array a user -> scores [users, n_items + 1]."""
        return self._scored(histories, None)

    def score_at(self, histories: Sequence[NDArray[np.integer]], moment: Moment) -> NDArray[np.float32]:
        """As `score`, each member as of the moment that it is asked."""
        return self._scored(histories, moment)

    def _scored(self, histories: Sequence[NDArray[np.integer]], moment: Moment | None) -> NDArray[np.float32]:
        members = {**self.networks, **self.baselines}
        asked = {name: one for name, one in members.items() if name not in self._alike}
        parts = {name: scores_at(one, histories, moment) for name, one in asked.items()}
        total: NDArray[np.float32] = np.zeros_like(next(iter(parts.values())))
        beside = parts.pop(NEW) if self._rate else None
        new = self._new if beside is None else None  # whose scores are put beside those of the others, else
        for name, one in members.items():
            if name in self._alike:
                total += self._alike[name]
            elif name in parts:
                scores = logarithms(one, parts[name], new)
                total += np.multiply(scores, np.float32(self.weights[name]), out=scores)
        total[:, PADDING] = -np.inf
        if beside is not None:
            self._put_beside(total, beside)
        return total

    @cached_property
    def _alike(self) -> dict[str, NDArray[np.float32]]:
        """What the members add that say the same of whatever history, [1, n_items + 1] each."""
        nobody: list[NDArray[np.integer]] = [np.empty(0, dtype=np.int64)]
        rows = {n: one.score(nobody) for n, one in self.baselines.items() if isinstance(one, Popularity)}
        return {name: log_shares(row) * np.float32(self.weights[name]) for name, row in rows.items()}

    def _put_beside(self, total: NDArray[np.float32], scores: NDArray[np.float32]) -> None:
        """New items beside the others in `total`, both [users, n_items + 1], as logarithms of chances."""
        new = self._new_at
        total[:, new] = -np.inf
        highest = total.max(axis=1, keepdims=True)  # [users, 1]
        total -= highest + np.log(np.exp(total - highest).sum(axis=1, keepdims=True))
        with np.errstate(divide="ignore"):
            total[:, new] = np.log(np.float32(self._rate) * np.maximum(scores[:, new], 0))

    @cached_property
    def _rate(self) -> float:
        """How likely a new item of score 1 is played; 0 without any, or where scores are no chances."""
        member = self.baselines.get(NEW)
        if self._new is None or not (isinstance(member, NewReleases) and member.of_chances):
            return 0.0
        return self.weights[NEW]

    @cached_property
    def _new_at(self) -> NDArray[np.int64]:
        """The indexes of the new items."""
        assert self._new is not None
        return np.flatnonzero(self._new)

    @cached_property
    def _new(self) -> NDArray[np.bool_] | None:
        return new_items(self.baselines)

    def similarities(self, item: int) -> NDArray[np.float32]:
        """Those of the leading network; see `OnnxScorer`."""
        return self._leading.similarities(item)

    def score_items(
        self, histories: Sequence[NDArray[np.integer]], items: NDArray[np.integer]
    ) -> NDArray[np.float32]:
        """The leading network's scores of some items alone, [users, len(items)]."""
        return self._leading.score_items(histories, items)

    @property
    def prior(self) -> Prior | None:
        """That of the members that move; None where none does. All have learned from the same plays."""
        moving = (one for one in self.baselines.values() if isinstance(one, MovingScorer))
        return next((one.prior for one in moving if one.prior), None)

    def moved(self, items: NDArray[np.int64], played_ms: NDArray[np.int64]) -> Self:
        """With later plays of these items [plays] at these times [plays] in every member that moves."""
        baselines = {
            name: one.moved(items, played_ms) if isinstance(one, MovingScorer) and one.prior else one
            for name, one in self.baselines.items()
        }
        return replace(self, baselines=baselines)

    @property
    def _leading(self) -> OnnxScorer:
        return next(iter(self.networks.values()))

    @classmethod
    def of(
        cls, members: Mapping[str, Scorer], weights: Mapping[str, float], prior: Prior | None = None
    ) -> Self:
        """From those members that have a weight, the greatest first. ValueError without a network.

        `prior` is that of recent popularity where its own bundle is of before it held one.
        """
        ordered = sorted(weights, key=lambda name: (-weights[name], name))
        networks = {n: s for n in ordered if isinstance(s := members[n], OnnxScorer)}
        if not networks:
            raise ValueError("A blend needs a network.")
        baselines = {n: members[n] for n in ordered if n not in networks}
        recent = baselines.get(RecentPopularity.architecture)
        if prior is not None and isinstance(recent, RecentPopularity) and recent.prior is None:
            baselines[RecentPopularity.architecture] = replace(recent, prior=prior)
        return cls(networks, baselines, dict(weights))

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
