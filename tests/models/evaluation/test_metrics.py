"""Ranks and metrics against hand-computed examples and a brute-force oracle."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from models.data import Holdout, Sequences
from models.evaluation import metrics
from models.evaluation.metrics import MISSED, coverage, evaluate, per_user, rank_targets, summary, top_k

INF, NAN = float("inf"), float("nan")


class TableScorer:
    """The user whose history ends with item `i` is scored by row `i` of a table."""

    def __init__(self, table: Sequence[Sequence[float]]) -> None:
        self.table = np.array(table, dtype=np.float32)

    def score(self, histories: Sequence[NDArray[np.integer]]) -> NDArray[np.float32]:
        return self.table[[int(h[-1]) if len(h) else 0 for h in histories]]


@dataclass(frozen=True)
class HashedScorer:
    """Scores follow from the history alone; few distinct values, so ties abound, and some NaN and -inf."""

    n_items: int
    salt: int
    values: tuple[float, ...] = (-INF, -1.0, 0.0, 0.5, 2.0, INF, NAN)

    def score(self, histories: Sequence[NDArray[np.integer]]) -> NDArray[np.float32]:
        rows = [self._row(h) for h in histories]
        return np.array(rows, dtype=np.float32).reshape(len(rows), self.n_items + 1)

    def _row(self, history: NDArray[np.integer]) -> NDArray[np.float64]:
        rng = np.random.default_rng([self.salt, *map(int, history)])
        row = rng.choice(self.values, size=self.n_items + 1)
        row[0] = -INF
        return row


def holdout(histories: Sequence[Sequence[int]], targets: Sequence[int], n_items: int) -> Holdout:
    return Holdout(
        np.arange(len(targets)), np.array(targets, dtype=np.int32), Sequences.from_lists(histories, n_items)
    )


def oracle_rank(scores: Sequence[float], history: set[int], target: int, n_items: int, exclude: bool) -> int:
    """One item after the other, as the definition reads."""
    known = {i: s for i, s in enumerate(scores) if i > 0}
    others = [i for i in range(1, n_items + 1) if i != target and not (exclude and i in history)]
    own = known.get(target, -INF)
    if (exclude and target in history) or not own > -INF:
        return MISSED
    return 1 + sum(not known.get(i, -INF) < own for i in others)


@st.composite
def cases(draw: st.DrawFn) -> tuple[HashedScorer, Holdout]:
    catalogue = draw(st.integers(1, 12))
    known = draw(st.integers(1, catalogue))  # the model may know fewer items than there are
    item = st.integers(1, catalogue)
    users = draw(st.lists(st.tuples(st.lists(item, max_size=8), item), max_size=9))
    scorer = HashedScorer(known, draw(st.integers(0, 1000)))
    return scorer, holdout([h for h, _ in users], [t for _, t in users], catalogue)


@pytest.mark.parametrize(
    ("scores", "history", "target", "rank", "why"),
    [
        ([-INF, 9, 7, 5, 3, 1], [5], 1, 1, "the best"),
        ([-INF, 9, 7, 5, 3, 1], [5], 4, 4, "three above it"),
        ([-INF, 9, 7, 5, 3, 1], [1, 5], 4, 3, "a seen item above it does not count"),
        ([-INF, 5, 5, 5, 3, 1], [5], 2, 3, "a tie counts against the target"),
        ([-INF, 9, NAN, 5, 3, 1], [5], 3, 3, "an item scored NaN counts against the target"),
        ([-INF, 9, 7, NAN, 3, 1], [5], 3, MISSED, "a target scored NaN is missed"),
        ([-INF, 9, 7, -INF, 3, -INF], [2], 3, MISSED, "a target scored -inf is missed"),
        ([-INF, 9, 7, 5, 3, 8], [1, 5], 5, MISSED, "a target left out as seen is missed"),
        ([INF, 9, 7, 5, 3, 1], [5], 1, 1, "padding is no item"),
        ([-INF, 9, 7], [2], 5, MISSED, "a target beyond the model's vocabulary is missed"),
        (
            [-INF, 9, 7, 5, 3, 8],
            [1, 2, 3, 4, 5],
            5,
            MISSED,
            "a target left out as seen, though nothing is left",
        ),
        ([-INF, 9, NAN, NAN, 3, -INF], [2], 5, MISSED, "a target scored -inf among fewer items than k"),
    ],
)
def test_rank_of_one_user(scores: list[float], history: list[int], target: int, rank: int, why: str) -> None:
    scorer = TableScorer([scores] * 6)
    assert rank_targets(scorer, holdout([history], [target], 5)).tolist() == [rank], why


def test_seen_items_compete_when_asked_for() -> None:
    scorer = TableScorer([[-INF, 9, 7, 5]] * 4)
    case = holdout([[1, 2]], [3], 3)
    assert rank_targets(scorer, case).tolist() == [1]
    assert rank_targets(scorer, replace(case, exclude_seen=False)).tolist() == [3]


@given(cases(), st.booleans(), st.integers(1, 4))
def test_ranks_agree_with_the_definition(
    case: tuple[HashedScorer, Holdout], exclude: bool, block: int
) -> None:
    scorer, held = case
    expected = [
        oracle_rank(
            scorer.score([held.histories.user(u)])[0].tolist(),
            set(held.histories.user(u).tolist()),
            int(held.targets[u]),
            held.histories.n_items,
            exclude,
        )
        for u in range(len(held))
    ]
    ranks = rank_targets(scorer, replace(held, exclude_seen=exclude), block=block)
    assert ranks.dtype == np.int32
    assert ranks.tolist() == expected


@given(cases(), st.randoms(use_true_random=False))
def test_the_order_of_users_does_not_matter(case: tuple[HashedScorer, Holdout], random) -> None:  # type: ignore[no-untyped-def]
    scorer, held = case
    order = list(range(len(held)))
    random.shuffle(order)
    rows = np.array(order, dtype=np.int64)
    np.testing.assert_array_equal(rank_targets(scorer, held.rows(rows)), rank_targets(scorer, held)[rows])


@given(
    st.lists(st.integers(0, 5), min_size=2, max_size=10), st.integers(0, 9), st.floats(0, 6, allow_nan=False)
)
def test_a_worse_score_never_improves_a_rank(scores: list[int], at: int, loss: float) -> None:
    target = at % len(scores) + 1
    before = [-INF, *map(float, scores)]
    after = list(before)
    after[target] -= loss
    case = holdout([[]], [target], len(scores))
    assert rank_targets(TableScorer([after]), case)[0] >= rank_targets(TableScorer([before]), case)[0]


@given(cases(), st.integers(1, 14), st.booleans(), st.integers(1, 4))
def test_top_k_agrees_with_sorting(
    case: tuple[HashedScorer, Holdout], k: int, exclude: bool, block: int
) -> None:
    scorer, held = case
    items, scores = top_k(scorer, held.histories, k, exclude_seen=exclude, block=block)
    assert items.shape == scores.shape == (len(held), k)
    for u in range(len(held)):
        history = held.histories.user(u)
        row = scorer.score([history])[0]
        left = [i for i in range(1, len(row)) if row[i] > -INF and not (exclude and i in history)]
        best = sorted(left, key=lambda i: (-row[i], i))[:k]
        short = k - len(best)
        assert items[u].tolist() == best + [0] * short
        assert scores[u].tolist() == [row[i] for i in best] + [-INF] * short


@given(cases(), st.integers(1, 14), st.booleans())
def test_a_hit_is_an_item_that_is_shown(case: tuple[HashedScorer, Holdout], k: int, exclude: bool) -> None:
    scorer, held = case
    items, _ = top_k(scorer, held.histories, k, exclude_seen=exclude)
    hit = rank_targets(scorer, replace(held, exclude_seen=exclude)) <= k
    assert not hit[~(items == held.targets[:, None]).any(axis=1)].any()


def test_hits_are_what_top_k_shows() -> None:
    rng = np.random.default_rng(3)
    scorer = TableScorer(rng.normal(size=(31, 31)))  # no ties
    histories = rng.integers(1, 31, size=(200, 4)).tolist()
    held = holdout(histories, rng.integers(1, 31, size=200).tolist(), 30)  # some targets are seen ones
    items, _ = top_k(scorer, held.histories, 7)
    shown = (items == held.targets[:, None]).any(axis=1)
    np.testing.assert_array_equal(rank_targets(scorer, held) <= 7, shown)
    assert 0 < shown.mean() < 1


def test_metrics_by_hand() -> None:
    ranks = np.array([1, 3, 10, 11, 50], dtype=np.int32)
    assert per_user("hr@10", ranks).tolist() == [1, 1, 1, 0, 0]
    assert per_user("ndcg@10", ranks) == pytest.approx([1, 0.5, 1 / math.log2(11), 0, 0])
    assert per_user("mrr@10", ranks) == pytest.approx([1, 1 / 3, 1 / 10, 0, 0])
    values = summary(ranks)
    assert len(values) == 12
    assert values["hr@1"] == values["ndcg@1"] == values["mrr@1"] == pytest.approx(1 / 5)
    assert values["hr@5"] == pytest.approx(2 / 5)
    assert values["hr@20"] == pytest.approx(4 / 5)
    assert values["ndcg@5"] == pytest.approx((1 + 0.5) / 5)
    assert values["mrr@20"] == pytest.approx((1 + 1 / 3 + 1 / 10 + 1 / 11) / 5)


@given(st.lists(st.integers(1, 40), min_size=1, max_size=30))
def test_metrics_lie_in_order(ranks: list[int]) -> None:
    values = summary(np.array(ranks, dtype=np.int32))
    for k in (1, 5, 10, 20):
        assert 0 <= values[f"mrr@{k}"] <= values[f"ndcg@{k}"] + 1e-12
        assert values[f"ndcg@{k}"] <= values[f"hr@{k}"] + 1e-12 <= 1 + 2e-12


@pytest.mark.parametrize("metric", ["auc", "ndcg", "ndcg@", "ndcg@0", "ndcg@-1", "recall@10", "ndcg@ten"])
def test_an_unknown_metric_is_refused_by_name(metric: str) -> None:
    with pytest.raises(ValueError, match="such as ndcg@10"):
        per_user(metric, np.array([1]))


def test_no_users_have_no_summary() -> None:
    with pytest.raises(ValueError, match="no user"):
        summary(np.empty(0, dtype=np.int32))


def test_evaluate_tells_ranks_items_and_trouble_in_one_pass() -> None:
    scorer = TableScorer(
        [
            [-INF, 4, 3, 2, 1],
            [-INF, 4, 3, 2, 1],  # after item 1: shows 2
            [-INF, 4, 3, 2, 1],  # after item 2: shows 1
            [-INF, 9, NAN, 2, 1],  # after item 3: shows 1
        ]
    )
    held = holdout([[1], [2], [3]], [2, 5, 1], 5)
    result = evaluate(scorer, held, k=1, block=2)
    assert result.ranks.tolist() == [1, MISSED, 2]
    assert result.items.tolist() == [[2], [1], [1]]
    assert result.scores.tolist() == [[3], [4], [9]]
    assert result.nan_users == 1
    assert result.unknown_targets == 1


@settings(max_examples=50)
@given(cases(), st.integers(1, 5))
def test_evaluate_agrees_with_its_parts(case: tuple[HashedScorer, Holdout], k: int) -> None:
    scorer, held = case
    result = evaluate(scorer, held, k=k, block=2)
    np.testing.assert_array_equal(result.ranks, rank_targets(scorer, held))
    items, scores = top_k(scorer, held.histories, k)
    np.testing.assert_array_equal(result.items, items)
    np.testing.assert_array_equal(result.scores, scores)


def test_fewer_users_are_scored_at_once_where_the_catalogue_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    class Recording(TableScorer):
        def score(self, histories: Sequence[NDArray[np.integer]]) -> NDArray[np.float32]:
            asked.append(len(histories))
            return super().score(histories)

    scorer = Recording([[-INF, 4, 3, 2, 1]] * 4)
    held = holdout([[1], [2], [3]], [2, 3, 4], 4)
    whole = rank_targets(scorer, held).tolist()
    monkeypatch.setattr(metrics, "BLOCK_BYTES", 2 * (4 + 1) * np.dtype(np.float32).itemsize)
    assert rank_targets(scorer, held).tolist() == whole == [1, 2, 3]
    assert asked == [3, 2, 1]


def test_coverage_by_hand() -> None:
    assert coverage(np.array([[1, 2], [2, 0]]), 4) == pytest.approx(0.5)  # 0 fills a short list
    assert coverage(np.empty((0, 10), dtype=np.int32), 4) == 0


@pytest.mark.parametrize("shape", [(1, 6), (2, 7), (2,)])
def test_scores_of_a_wrong_shape_are_refused(shape: tuple[int, ...]) -> None:
    class Wrong:
        def score(self, histories: Sequence[NDArray[np.integer]]) -> NDArray[np.float32]:
            return np.zeros(shape, dtype=np.float32)

    with pytest.raises(ValueError, match="2 users and 5 items"):
        rank_targets(Wrong(), holdout([[1], [2]], [3, 4], 5))


def test_an_empty_holdout_has_no_ranks() -> None:
    held = holdout([], [], 5)
    scorer = HashedScorer(5, 0)
    assert rank_targets(scorer, held).shape == (0,)
    assert top_k(scorer, held.histories, 3)[0].shape == (0, 3)
    assert evaluate(scorer, held).ranks.shape == (0,)


def test_scores_of_the_scorer_are_left_as_they_are() -> None:
    scorer = TableScorer([[-INF, 3, 2, 1]] * 4)
    before = scorer.table.copy()
    evaluate(lending(scorer), holdout([[1], [2]], [2, 3], 3))
    np.testing.assert_array_equal(scorer.table, before)


def lending(scorer: TableScorer) -> TableScorer:
    """A scorer that hands out its own memory, as one with a cache may."""

    class Same(TableScorer):
        def score(self, histories: Sequence[NDArray[np.integer]]) -> NDArray[np.float32]:
            return scorer.table[: len(histories)]

    return Same(scorer.table)


def test_what_a_user_refused_is_not_among_their_best_and_the_others_move_up() -> None:
    class ByIndex:
        def score(self, histories: Sequence[NDArray[np.integer]]) -> NDArray[np.float32]:
            return np.tile(-np.arange(7, dtype=np.float32), (len(histories), 1))

    histories = Sequences.from_lists([[1], [2], [3]], 6)
    refused = np.array([[0, 2], [0, 3], [2, 1]])
    items, _ = top_k(ByIndex(), histories, 3, refused=refused, block=2)
    assert items.tolist() == [[4, 5, 6], [1, 3, 4], [2, 4, 5]]
    without, _ = top_k(ByIndex(), histories, 3, refused=refused[:0], block=2)
    assert without.tolist() == top_k(ByIndex(), histories, 3)[0].tolist() == [[2, 3, 4], [1, 3, 4], [1, 2, 4]]
