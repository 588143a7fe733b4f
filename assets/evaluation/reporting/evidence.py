"""What the report is made from: tables of the lake and learning curves, read once and aligned by play."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import duckdb
import numpy as np
from numpy.typing import NDArray

from assets.evaluation.as_served import latest
from assets.evaluation.cohorts import read_cohorts
from assets.evaluation.earlier_ranks import play_ids
from assets.evaluation.fairness import first_of_each, read_test
from assets.evaluation.gate import read_verdict
from assets.evaluation.leaderboard import by_validation, leaderboard_rows
from assets.evaluation.leaderboard_tables import TEST_COHORTS
from assets.evaluation.other_splits import OTHER_SPLITS, read_other_splits
from assets.evaluation.sequence_audit import read_figures
from assets.resources import Home
from assets.sequences.loading import load_items, load_sequences, load_split, load_times, split_reason
from assets.sequences.why_split import why_split
from models.bundle.bundle import PADDING, ItemTable
from models.data import Sequences
from models.evaluation.audit import Figure
from models.evaluation.evidence import Evidence, Verdict
from models.evaluation.metrics import MISSED, per_user

LISTED = 10  # items of a list
INCUMBENTS = ("champion", "anchor")
TABLES = (
    "leaderboard", "test_ranks", "test_recommendations", "gate", "sequences", "items", "sequence_audit",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Model:
    """A model on the leaderboard: its row, and what it did before each test play."""

    name: str
    role: str  # candidate, champion, anchor, baseline or optimum
    row: Mapping[str, Any]
    ranks: NDArray[np.int32]  # [plays], of the item taken next
    lists: NDArray[np.int32]  # [plays, LISTED] item indexes, best first, 0 where a list is short; none but of
    # each user's first play

    @property
    def ndcg(self) -> NDArray[np.float64]:
        """NDCG@10 of each play, [plays]."""
        return per_user("ndcg@10", self.ranks)

    @property
    def label(self) -> str:
        """Its name with, for a champion or anchor, what it is."""
        return f"{self.role} ({self.row['architecture']})" if self.role in INCUMBENTS else self.name

    def evidence(self, plays: NDArray[np.str_], people: NDArray[np.str_] | None) -> Evidence:
        """What the gate reads of it, as far as figures of the report are the gate's."""
        return Evidence(
            self.name,
            self.ranks,
            plays,
            self.row["coverage_at_10"],
            validation=self.row["validation_ndcg_at_10"],
            people=people,
        )


@dataclass(frozen=True, eq=False)
class RunEvidence:
    """Everything that the report says is computed from this."""

    verdict: Verdict
    models: Sequence[Model]  # best on test first
    users: NDArray[np.str_]  # [plays], whose each test play is
    histories: Sequences  # [plays], what came before the test item
    targets: NDArray[np.int32]  # [plays], the test item
    trained: NDArray[np.int64]  # [plays], items of the test user in training
    train: Sequences
    items: ItemTable
    audit: Sequence[Figure]
    gaps: NDArray[np.int64] | None = None  # [plays], from the play before to the test item; None: no times
    units_a_second: float | None = None  # of the gaps
    curves: Mapping[str, Sequence[Mapping[str, float]]] = field(default_factory=dict)  # a candidate's epochs
    origin: Mapping[str, str] = field(default_factory=dict)  # what the run was made from, name to value
    exclude_seen: bool = True  # what a user has played before is no answer
    stamp: Mapping[str, str] = field(default_factory=dict)  # when, which run, which versions, name to value
    served: Sequence[Mapping[str, Any]] = ()  # the newest measurement of what is served, best first
    split: str = ""  # how the plays are split, and why
    cohorts: Sequence[Mapping[str, Any]] = ()  # rows of `test_cohorts`
    other_splits: Sequence[Mapping[str, Any]] = ()  # rows of the table, split after split, best first

    @cached_property
    def n_users(self) -> int:
        return len(np.unique(self.users))

    @property
    def people(self) -> NDArray[np.str_] | None:
        """Whose each play is, where somebody has several; else None."""
        return self.users if self.n_users < len(self.users) else None

    @property
    def plays(self) -> NDArray[np.str_]:
        """A name of each test play, [plays]."""
        return play_ids(self.users, self.histories.lengths)

    @property
    def first_plays(self) -> NDArray[np.int64]:
        """Which of the plays are the first of their users: of these there are lists, [users]."""
        _, first = np.unique(self.users, return_index=True)
        return first.astype(np.int64)

    @property
    def submitted(self) -> Model | None:
        """The candidate that the gate judged: the one it compared, else the best on validation."""
        compared = {estimate.candidate for estimate in self.verdict.estimates}
        return min(
            self.with_role("candidate"),
            key=lambda m: (m.name not in compared, by_validation(m.row)),
            default=None,
        )

    @property
    def champion(self) -> Model | None:
        return next(iter(self.with_role("champion")), None)

    @property
    def best_baseline(self) -> Model | None:
        return next(iter(self.with_role("baseline")), None)

    @property
    def coverable(self) -> float:
        """Share of the catalogue that lists of so many plays have room for."""
        n_items = self.items.n_items
        return min(1.0, LISTED * len(self.users) / n_items) if n_items else 1.0

    @property
    def references(self) -> list[Model]:
        """Whom to judge the candidate against: the champion, and the best baseline if it is another."""
        champion, baseline = self.champion, self.best_baseline
        if champion and baseline and champion.row["bundle_hash"] == baseline.row["bundle_hash"]:
            baseline = None
        return [model for model in (champion, baseline) if model is not None]

    def with_role(self, role: str) -> list[Model]:
        """The models of a role, best on test first."""
        return [model for model in self.models if model.role == role]

    def named(self, name: str) -> Model | None:
        return next((model for model in self.models if model.name == name), None)


def read_evidence(
    home: Home,
    curves: Mapping[str, Sequence[Mapping[str, float]]] | None = None,
    origin: Mapping[str, str] | None = None,
    stamp: Mapping[str, str] | None = None,
) -> RunEvidence:
    """The evidence of the last run; raises LakeError where a table is missing."""
    lake, items = home.lake(), load_items(home.lake())
    sequences, user_ids = load_sequences(lake)
    split, test, times = load_split(lake), read_test(lake), load_times(lake)
    users = user_ids[test.users]
    place = {play: row for row, play in enumerate(play_ids(users, test.histories.lengths).tolist())}
    first = {users[row]: row for row in first_of_each(test).tolist()}
    index = items.index()
    with lake.connect("test_ranks", "test_recommendations") as connection:
        models = [
            Model(
                row["model"],
                row["role"],
                row,
                _ranks(connection, row["model"], place),
                _lists(connection, row["model"], len(test), first, index),
            )
            for row in leaderboard_rows(lake)
        ]
    return RunEvidence(
        verdict=read_verdict(home),
        models=models,
        users=users,
        histories=test.histories,
        targets=test.targets,
        trained=split.train.lengths[test.users],
        train=split.train,
        items=items,
        audit=read_figures(lake),
        gaps=times.gaps(sequences, test) if times else None,
        units_a_second=times.units_a_second if times else None,
        curves=curves or {},
        origin=origin or {},
        exclude_seen=test.exclude_seen,
        stamp=stamp or {},
        served=latest(lake),
        split=why_split({"name": split.name, "reason": split_reason(lake)}),
        cohorts=read_cohorts(lake) if lake.has(TEST_COHORTS.name) else [],
        other_splits=read_other_splits(lake) if lake.has(OTHER_SPLITS.name) else [],
    )


def _ranks(connection: duckdb.DuckDBPyConnection, model: str, place: Mapping[str, int]) -> NDArray[np.int32]:
    found = connection.execute(
        "SELECT user_id, position, rank FROM test_ranks WHERE model = ?", [model]
    ).fetchnumpy()
    ranks = np.full(len(place), MISSED, dtype=np.int32)  # a play without a rank is a miss
    plays = play_ids(found["user_id"].astype(np.str_), found["position"])
    ranks[_places(plays.tolist(), place)] = found["rank"]
    return ranks


def _lists(
    connection: duckdb.DuckDBPyConnection,
    model: str,
    plays: int,
    first: Mapping[str, int],
    index: Mapping[str, int],
) -> NDArray[np.int32]:
    found = connection.execute(
        "SELECT user_id, item_id, rank FROM test_recommendations WHERE model = ? AND rank <= ?",
        [model, LISTED],
    ).fetchnumpy()
    lists = np.full((plays, LISTED), PADDING, dtype=np.int32)
    lists[_places(found["user_id"], first), found["rank"] - 1] = _places(found["item_id"], index)
    return lists


def _places(names: Iterable[str], place: Mapping[str, int]) -> NDArray[np.int64]:
    return np.fromiter((place[name] for name in names), dtype=np.int64)
