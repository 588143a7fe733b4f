"""Stages as one scorer: what is ranked comes first, everything else in the order of the first stage."""

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from models.data import Holdout, Sequences
from models.evaluation.metrics import per_user, rank_targets
from models.moment import Moment
from models.stages.features import FEATURES
from models.stages.item_facts import ItemFacts
from models.stages.learning import RankerError, examples, learn, require_lightgbm
from models.stages.reranking import Rules
from models.stages.scorer import Staged, Stages
from models.stages.trees import Trees

N_ITEMS, DAY = 30, 1440


class Drawn:
    """A first stage whose scores are drawn anew for each history, always alike for the same one."""

    def score(self, histories: Sequence[NDArray[np.integer]]) -> NDArray[np.float32]:
        rows = [np.random.default_rng(int(h.sum())).normal(size=N_ITEMS + 1) for h in histories]
        scores = np.array(rows, dtype=np.float32).reshape(len(histories), N_ITEMS + 1)
        scores[:, 0] = -np.inf
        return scores


def facts() -> ItemFacts:
    """Item i is played on day 100 - i for the last time: the lower its index, the fresher."""
    counts = np.array([0, *[2] * N_ITEMS])
    minutes = np.concatenate([[0, DAY * (100 - i)] for i in range(1, N_ITEMS + 1)]).astype(np.int32)
    unknown = np.full(N_ITEMS + 1, np.nan, np.float32)
    vectors = np.zeros((N_ITEMS + 1, 2), np.float32)
    vectors[1:, 0] = 1
    return ItemFacts(counts, minutes, unknown, unknown, vectors)


def by(feature: str, threshold: float) -> Trees:
    """One tree: 5 where the feature is at most the threshold, and 0 above it."""
    feature_index, nodes = FEATURES.index(feature), np.array([0, 1, 2])
    left, right = np.array([1, 1, 2]), np.array([2, 1, 2])
    return Trees(
        nodes[:1], np.array([feature_index, 0, 0]), np.array([threshold, 0.0, 0.0]),
        np.zeros(3, np.bool_), left, right, np.array([0, 5.0, 0]), 1,
    )  # fmt: skip


STAGES = Stages(Drawn(), {}, facts(), retrieved=8, exclude_seen=True)
STAGED = Staged(STAGES, by("idle", np.log1p(10.5)), 0.01, Rules(), [[]] * (N_ITEMS + 1))
HISTORIES = [np.array([1, 2]), np.array([7]), np.array([30, 4, 9])]


def test_ranked_items_come_first_and_the_others_follow_in_the_order_of_the_first_stage() -> None:
    scores, first = STAGED.score(HISTORIES), STAGES.first.score(HISTORIES)
    assert scores.dtype == np.float32 and np.isneginf(scores[:, 0]).all()
    for row, drawn, history in zip(scores, first, HISTORIES, strict=True):
        drawn[history] -= 100  # what was seen is not retrieved
        order, alone = np.argsort(-row[1:]) + 1, np.argsort(-drawn[1:]) + 1
        fresh = [i for i in alone[:8] if i <= 11]  # idle for 10 days at most on day 100, of day 99 the newest
        expected = [*fresh, *(i for i in alone[:8] if i not in fresh)]
        assert order[:8].tolist() == expected
        unseen = [i for i in alone[8:] if i not in history]
        assert [i for i in order[8:] if i not in history] == unseen
        assert np.isfinite(row[1:]).all() and len(set(row[1:].tolist())) == N_ITEMS


def test_neighbours_change_no_byte() -> None:
    together = STAGED.score(HISTORIES)
    alone = np.concatenate([STAGED.score([history]) for history in HISTORIES])
    assert together.tobytes() == alone.tobytes()
    assert STAGED.score([]).shape == (0, N_ITEMS + 1)


def test_it_is_asked_as_of_a_moment() -> None:
    """On day 75 item 30 was last played five days ago, and nobody had played item 20 a second time."""
    moment = Moment.all_at(75 * DAY * 60_000, 1)
    _, best, seen = STAGES.look([np.array([5])], moment)
    idle = dict(zip(best[0].tolist(), seen[0, :, FEATURES.index("idle")], strict=True))
    for item, found in idle.items():
        last = 100 - item if 100 - item < 75 else 0
        assert found == pytest.approx(np.log1p(75 - last), rel=1e-5)
    assert (STAGED.score_at([np.array([5])], moment) != STAGED.score([np.array([5])])).any()


def test_a_small_catalogue_is_ranked_as_a_whole() -> None:
    whole = replace(STAGED, stages=replace(STAGES, retrieved=200))
    scores = whole.score([np.array([1, 2])])[0]
    assert np.argsort(-scores)[0] in range(3, 12) and np.isfinite(scores[1:]).all()
    everything = whole.score([np.arange(1, N_ITEMS + 1)])[0]  # nothing is left to retrieve
    assert everything.tobytes() == STAGES.first.score([np.arange(1, N_ITEMS + 1)])[0].tobytes()


def test_rules_put_the_head_in_another_order_and_nothing_else() -> None:
    kinds = [[("developer", "one" if i % 2 else "two")] for i in range(N_ITEMS + 1)]
    ruled = replace(STAGED, rules=Rules(at_most={"developer": 1}), labels=kinds)
    plain, found = STAGED.score(HISTORIES), ruled.score(HISTORIES)
    for before, after, history in zip(plain, found, HISTORIES, strict=True):
        order = np.argsort(-after)
        assert {order[0] % 2, order[1] % 2} == {0, 1}, "one of each before the others"
        assert set(order[:8]) == set(np.argsort(-before)[:8])
        assert sorted(before.tolist()) == pytest.approx(sorted(after.tolist()))
        assert not set(order[:8]) & set(history.tolist())


def test_a_ranker_learns_what_the_first_stage_cannot_see() -> None:
    """The freshest of what is retrieved is played, and the first stage's order is by chance."""
    pytest.importorskip("lightgbm", reason="the extra stages is not installed")

    def plays(seed: int, n: int) -> Holdout:
        rng = np.random.default_rng(seed)
        histories = [rng.choice(N_ITEMS, 3, replace=False) + 1 for _ in range(n)]
        _, best, _ = STAGES.look(histories, None)
        rows = Sequences.from_lists([h.tolist() for h in histories], N_ITEMS)
        return Holdout(np.arange(n), best.min(axis=1).astype(np.int32), rows)

    text, share = learn(examples(STAGES, plays(0, 400)), examples(STAGES, plays(1, 100)), seed=0)
    assert text == learn(examples(STAGES, plays(0, 400)), examples(STAGES, plays(1, 100)), seed=0)[0]
    ranker = replace(STAGED, trees=Trees.parse(text, len(FEATURES)), share=share)
    test = plays(2, 200)
    assert per_user("ndcg@10", rank_targets(STAGES.first, test)).mean() < 0.6
    assert per_user("ndcg@10", rank_targets(ranker, test)).mean() > 0.95


def test_where_nothing_was_retrieved_a_ranker_says_so() -> None:
    pytest.importorskip("lightgbm", reason="the extra stages is not installed")
    none = Holdout(np.arange(1), np.array([3], np.int32), Sequences.from_lists([[3]], N_ITEMS))
    taught = examples(STAGES, none)  # what was seen is not retrieved
    assert len(taught.sizes) == len(taught.features) == 0
    with pytest.raises(RankerError, match="none of the plays kept for it"):
        learn(taught, taught, seed=0)


def test_without_lightgbm_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "lightgbm", None)
    with pytest.raises(RankerError, match=r"pip install -e '\.\[stages\]'"):
        require_lightgbm()


def test_without_a_library_of_the_system_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a slim image."""
    (tmp_path / "lightgbm.py").write_text("raise OSError('libgomp.so.1: cannot open shared object file')")
    monkeypatch.delitem(sys.modules, "lightgbm", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(RankerError, match=r"libgomp\.so\.1.*apt-get install libgomp1"):
        require_lightgbm()
