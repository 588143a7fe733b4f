"""Retrieval, ranking and re-ranking as one scorer. Free of torch, LightGBM and SciPy: serving runs this code.

The first stage scores every item; the ranker looks at the best of them and adds what its trees say to the
score that they have; the rules put the head of the list together. Items that were not retrieved follow in the
order of the first stage, so that every item has a place, and ranks over the full catalogue can be compared.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from models.bundle.attributes import TEXT
from models.bundle.bundle import PADDING, BundleError, ItemTable, read_items, read_manifest
from models.moment import Moment
from models.scorer import OnnxScorer, Scorer, scores_at
from models.stages.features import FEATURES, features, retrieve
from models.stages.item_facts import ItemFacts
from models.stages.names import (
    FIRST,
    MEMBERS_FOLDER,
    RANKER_FILE,
    RETRIEVED,
    RULES,
    SHARE,
    member_names,
)
from models.stages.reranking import DEPTH, Rules, rearranged
from models.stages.trees import Trees


@dataclass(frozen=True, eq=False)
class Stages:
    """What a ranker looks at, before there is one: the first stage, what counts beside it, and the facts."""

    first: Scorer
    counting: Mapping[str, Scorer]
    facts: ItemFacts
    retrieved: int
    exclude_seen: bool

    def look(
        self, histories: Sequence[NDArray[np.integer]], moment: Moment | None
    ) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.float32]]:
        """Scores of the first stage [users, n_items + 1], its best items [users, k], and their features."""
        scores = scores_at(self.first, histories, moment)
        best = retrieve(scores, histories, self.retrieved, self.exclude_seen)
        return scores, best, features(self.facts, self.counting, scores, best, histories, moment)


@dataclass(frozen=True, eq=False)
class Staged:
    """Stages with a ranker. `share` is how much the score of the first stage counts beside the trees."""

    stages: Stages
    trees: Trees
    share: float
    rules: Rules
    labels: Sequence[Sequence[tuple[str, str]]]  # [n_items + 1], what the rules count

    def score(self, histories: Sequence[NDArray[np.integer]]) -> NDArray[np.float32]:
        """Item indexes, oldest first, one array a user -> scores [users, n_items + 1]; as of the training."""
        return self._scored(histories, None)

    def score_at(self, histories: Sequence[NDArray[np.integer]], moment: Moment) -> NDArray[np.float32]:
        """As `score`, as of the moment of asking."""
        return self._scored(histories, moment)

    def _scored(self, histories: Sequence[NDArray[np.integer]], moment: Moment | None) -> NDArray[np.float32]:
        scores, best, seen = self.stages.look(histories, moment)
        said = self.trees.predict(seen.reshape(-1, len(FEATURES))).reshape(best.shape)
        ranked = said + self.share * seen[:, :, 0]
        for row, items, values in zip(scores, best, ranked, strict=True):
            self._put_first(row, items[items != PADDING], values[items != PADDING])
        scores[:, PADDING] = -np.inf
        return scores

    def _put_first(
        self, row: NDArray[np.float32], items: NDArray[np.int64], values: NDArray[np.float64]
    ) -> None:
        """Lift the ranked items above all others of a user's scores [n_items + 1]."""
        if not self.rules.off:
            values = self._rearranged(items, values)
        row[items] = -np.inf
        row[PADDING] = -np.inf
        others = float(row.max())
        lift = others + 1 - float(values.min(initial=np.inf)) if np.isfinite(others) and len(items) else 0.0
        row[items] = values + lift

    def _rearranged(self, items: NDArray[np.int64], values: NDArray[np.float64]) -> NDArray[np.float64]:
        """The values such that their order is that of the list."""
        head = np.argsort(-values, kind="stable")[:DEPTH]
        labels = [self.labels[item] for item in items[head]]
        order = rearranged(values[head], self.stages.facts.vectors[items[head]], labels, self.rules)
        made = values.copy()
        made[head[order]] = values[head]
        return made

    @property
    def first(self) -> OnnxScorer:
        """The network of the first stage."""
        assert isinstance(self.stages.first, OnnxScorer)
        return self.stages.first

    def similarities(self, item: int) -> NDArray[np.float32]:
        """Those of the first stage; see `OnnxScorer`."""
        return self.first.similarities(item)

    def score_items(
        self, histories: Sequence[NDArray[np.integer]], items: NDArray[np.integer]
    ) -> NDArray[np.float32]:
        """The first stage's scores of some items alone, [users, len(items)]."""
        return self.first.score_items(histories, items)

    @classmethod
    def load(cls, folder: Path, open_member: Callable[[Path], Scorer]) -> Self:
        """Raises BundleError where a part is missing, broken, or knows other items."""
        manifest = read_manifest(folder)
        try:
            config, rules = manifest.config, Rules.of(manifest.config[RULES])
            members = {
                name: _member(folder, name, manifest.vocabulary_hash, open_member)
                for name in member_names(config)
            }
            first = members.pop(config[FIRST])
            facts = ItemFacts.load(folder)
            if not isinstance(first, OnnxScorer) or facts.n_items != manifest.n_items:
                raise ValueError("its first stage or its facts are of something else")
            stages = Stages(first, members, facts, int(config[RETRIEVED]), manifest.exclude_seen)
            trees = Trees.parse((folder / RANKER_FILE).read_text(encoding="utf-8"), len(FEATURES))
            return cls(stages, trees, float(config[SHARE]), rules, labels_of(read_items(folder), rules))
        except (OSError, KeyError, TypeError, ValueError) as error:
            if isinstance(error, BundleError):
                raise
            raise BundleError(f"The stages in {folder} cannot be used: {error}") from error


def labels_of(items: ItemTable, rules: Rules) -> list[list[tuple[str, str]]]:
    """Of each item [n_items + 1] the values that the rules count, by attribute; none where not known."""
    columns = {name: items.attributes.get(name) for name in rules.at_most}
    known = {name: of for name, of in columns.items() if of is not None and of.kind == TEXT}
    return [
        [(name, value) for name, of in known.items() for value in of.values[i] or ()]
        for i in range(len(items.ids))
    ]


def _member(folder: Path, name: str, vocabulary: str, open_member: Callable[[Path], Scorer]) -> Scorer:
    member = folder / MEMBERS_FOLDER / name
    theirs = read_manifest(member)
    if (theirs.architecture, theirs.vocabulary_hash) != (name, vocabulary):
        raise ValueError(f"its part {name} is a {theirs.architecture} of other items")
    return open_member(member)
