import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.baselines import Popularity
from models.bundle.bundle import (
    GOLDEN_FILE,
    ITEMS_FILE,
    MANIFEST_FILE,
    ONNX_FILE,
    BundleError,
    ItemTable,
    Manifest,
    write_bundle,
)
from models.data import Sequences
from serving.examples import example_histories
from serving.ranking import top_k
from serving.recommender import Recommender


@given(st.lists(st.sampled_from([-np.inf, -1.0, 0.0, 0.5, 0.5000001, 3.0])), st.integers(1, 12))
def test_top_k_is_the_full_sort_cut_off(scores: list[float], k: int) -> None:
    expected = sorted((i for i, s in enumerate(scores) if s > -np.inf), key=lambda i: (-scores[i], i))[:k]
    assert top_k(np.array(scores), k).tolist() == expected


@pytest.fixture(scope="module")
def recommender(bundles: dict[str, Path]) -> Recommender:
    return Recommender(bundles["a"])


def test_scores_are_the_networks_and_ordered(
    recommender: Recommender, make_table: Callable[..., Any]
) -> None:
    scores = make_table(1)[[3, 7]].sum(axis=0)
    found = recommender.recommend(["3", "7"], k=100)
    assert [item.rank for item in found.items] == list(range(1, 101))
    assert [item.score for item in found.items] == pytest.approx(
        [scores[int(item.item_id)] for item in found.items]
    )
    left = np.delete(scores, [0, 3, 7])
    assert [item.score for item in found.items] == pytest.approx(np.sort(left)[::-1][:100].tolist())
    assert found.items[0].title == f"Game {found.items[0].item_id}"


def test_seen_items_are_left_out_also_those_beyond_the_networks_window(recommender: Recommender) -> None:
    history = [str(i) for i in range(1, 101)]  # the network looks at the last 5 only
    unseen = recommender.recommend(history, k=100)
    assert {item.item_id for item in unseen.items} == {str(i) for i in range(101, 151)}
    every = recommender.recommend(history, k=100, exclude_seen=False)
    assert {item.item_id for item in every.items} & set(history)


@pytest.mark.parametrize("excluded", [True, False])
def test_whether_seen_items_are_left_out_is_the_models_unless_it_is_asked_for(
    excluded: bool, bundles: dict[str, Path], tmp_path: Path
) -> None:
    folder = shutil.copytree(bundles["a"], tmp_path / "bundle")
    manifest = json.loads((folder / MANIFEST_FILE).read_text())
    (folder / MANIFEST_FILE).write_text(json.dumps(manifest | {"exclude_seen": excluded}))
    model, history = Recommender(folder), [str(i) for i in range(1, 101)]

    def seen(exclude_seen: bool | None) -> set[str]:
        found = model.recommend(history, k=100, exclude_seen=exclude_seen)
        return {item.item_id for item in found.items} & set(history)

    assert bool(seen(None)) is not excluded
    assert not seen(True) and seen(False)
    assert all(len(set(example)) == len(example) for example in example_histories(model))


def test_only_the_newest_items_count(recommender: Recommender) -> None:
    newest = ["5", "4", "3", "2", "1"]
    older = recommender.recommend(["9", *newest], k=10, exclude_seen=False)
    assert older.items == recommender.recommend(newest, k=10, exclude_seen=False).items


def test_unknown_ids_are_named_once_and_change_nothing(recommender: Recommender) -> None:
    found = recommender.recommend(["x", "3", "", "x", "7"], k=5)
    assert found.unknown_ids == ["x", ""]
    assert found.items == recommender.recommend(["3", "7"], k=5).items
    assert not found.fallback


@pytest.mark.parametrize("history", [[], ["x", "y"]])
def test_without_a_known_item_the_most_played_ones_answer(
    recommender: Recommender, history: list[str]
) -> None:
    found = recommender.recommend(history, k=3)
    assert [(item.item_id, item.score) for item in found.items] == [("150", 150), ("149", 149), ("148", 148)]
    assert found.fallback and found.unknown_ids == history


def test_a_history_of_everything_leaves_nothing(recommender: Recommender) -> None:
    assert recommender.recommend([str(i) for i in range(1, 151)], k=10).items == []


def test_scores_that_are_not_finite_are_never_recommended(
    tmp_path: Path, make_bundle: Callable[..., Any], make_table: Callable
) -> None:
    bias = np.zeros(151, dtype=np.float32)
    bias[[20, 21, 22]] = np.nan, np.inf, -np.inf
    bundle = make_bundle(tmp_path / "nan", make_table(1), bias=bias)
    (bundle / GOLDEN_FILE).write_text("[]")
    found = Recommender(bundle).recommend(["9"], k=150)
    assert len(found.items) == 150 - 1 - 3
    assert all(np.isfinite(item.score) for item in found.items)


def test_a_popularity_bundle_answers_also_an_empty_history(tmp_path: Path) -> None:
    counts = np.array([0, 5, 9, 9])
    items = ItemTable(["", "10", "20", "30"], ["", "A", "B", "C"], counts)
    manifest = Manifest("popularity", 3, 0, items.vocabulary_hash(), "d", "c", "sample", "leave-one-out")
    write_bundle(tmp_path, manifest, items, [])
    played = np.repeat([1, 2, 3], [5, 9, 9])
    Popularity.fit(Sequences.from_lists([played], n_items=3)).save(tmp_path)
    found = Recommender(tmp_path).recommend(["20"], k=5)
    assert [item.item_id for item in found.items] == ["30", "10"]


def golden(**changes: object) -> Callable[[Path], None]:
    def change(bundle: Path) -> None:
        path = bundle / GOLDEN_FILE
        path.write_text(json.dumps([request | changes for request in json.loads(path.read_text())]))

    return change


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda bundle: (bundle / MANIFEST_FILE).unlink(), "is not a bundle"),
        (lambda bundle: (bundle / ITEMS_FILE).write_text("{}"), "no readable items.json"),
        (lambda bundle: (bundle / ONNX_FILE).write_bytes(b"no network"), "cannot be loaded"),
        (lambda bundle: (bundle / GOLDEN_FILE).write_text("["), "no readable golden.json"),
        (golden(scores=[0.0] * 10), "does not give the answers"),
        (golden(history=[4, 7]), "does not give the answers"),
        (golden(history=[3, 151]), "does not fit its item table"),
        (golden(items=[1]), "does not fit its item table"),
    ],
)
def test_a_damaged_bundle_is_refused_with_a_reason(
    tmp_path: Path,
    make_bundle: Callable[..., Any],
    make_table: Callable[..., Any],
    damage: Callable[..., Any],
    reason: str,
) -> None:
    bundle = make_bundle(tmp_path / "bundle", make_table(1))
    damage(bundle)
    with pytest.raises(BundleError, match=reason):
        Recommender(bundle)


def test_golden_items_must_be_the_best_and_not_only_score_right(
    tmp_path: Path, make_bundle: Callable[..., Any], make_table: Callable
) -> None:
    table = make_table(1)
    bundle = make_bundle(tmp_path / "bundle", table)
    worst = np.argsort(table[[3, 7]].sum(axis=0)[8:])[:2] + 8
    scores = table[[3, 7]].sum(axis=0)[worst]
    golden(items=worst.tolist(), scores=scores.tolist())(bundle)
    with pytest.raises(BundleError, match="does not give the answers"):
        Recommender(bundle)
