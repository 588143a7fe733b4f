"""Item-kNN and EASE against brute force: similarities counted pair by pair, weights from a dense inverse."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_array

from models.baselines import Ease, ItemKnn, NotApplicableError, ease, item_knn
from models.baselines.base import CHOOSING_USERS, ndcg, some_users
from models.baselines.item_weights import TIE_BREAK, ItemWeights, largest_of_rows
from models.data import Holdout, Sequences, leave_one_out

N_ITEMS = 6
user = st.lists(st.integers(1, N_ITEMS), max_size=8)  # an item may come twice
users = st.lists(user, min_size=1, max_size=8).filter(any)


def share_of(played: list[list[int]]) -> np.ndarray:
    counts = np.bincount([item for items in played for item in items], minlength=N_ITEMS + 1)
    return counts / counts.sum()


def knn_oracle(played: list[list[int]], history: list[int], shrinkage: float, decay: float) -> list[float]:
    scores = TIE_BREAK * share_of(played)
    for age, i in enumerate(reversed(history[-ItemKnn.max_length :])):
        of_i = {u for u, items in enumerate(played) if i in items}
        for j in range(1, N_ITEMS + 1):
            of_j = {u for u, items in enumerate(played) if j in items}
            if i != j and of_i & of_j:
                similarity = len(of_i & of_j) / (np.sqrt(len(of_i) * len(of_j)) + shrinkage)
                scores[j] += decay**age * similarity
    return scores[1:].tolist()


def ease_oracle(played: list[list[int]], history: list[int], regularization: float) -> list[float]:
    x = np.zeros((len(played), N_ITEMS))
    for row, items in enumerate(played):
        x[row, np.array(items, dtype=int) - 1] = 1
    inverse = np.linalg.inv(x.T @ x + regularization * np.eye(N_ITEMS))
    weights = np.eye(N_ITEMS) - inverse / np.diag(inverse)  # Steck's equation 8
    owned = np.isin(np.arange(1, N_ITEMS + 1), history)
    scores: np.ndarray = owned @ weights + TIE_BREAK * share_of(played)[1:]
    return scores.tolist()


@given(users, user, st.floats(0, 300), st.floats(0.1, 1))
def test_item_knn_agrees_with_counting(
    played: list[list[int]], history: list[int], shrinkage: float, decay: float
) -> None:
    knn = ItemKnn(item_knn.nearest(Sequences.from_lists(played, N_ITEMS), shrinkage), shrinkage, decay)
    (scores,) = knn.score([np.array(history, dtype=np.int32)])
    assert scores[0] == -np.inf
    assert scores[1:] == pytest.approx(knn_oracle(played, history, shrinkage, decay), rel=1e-5, abs=1e-8)


@given(users, user, st.sampled_from([0.5, 10.0, 500.0]))
def test_ease_agrees_with_a_dense_inverse(
    played: list[list[int]], history: list[int], regularization: float
) -> None:
    train = Sequences.from_lists(played, N_ITEMS)
    share = share_of(played).astype(np.float32)
    fitted = Ease(ease.closed_form(train, share, regularization), regularization)
    (scores,) = fitted.score([np.array(history, dtype=np.int32)])
    assert scores[1:] == pytest.approx(ease_oracle(played, history, regularization), rel=1e-4, abs=1e-5)


def test_blocks_of_items_make_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    train = Sequences.from_lists([rng.permutation(np.arange(1, 31))[:9].tolist() for _ in range(80)], 30)
    share = train.counts().astype(np.float32)
    whole = [item_knn.nearest(train, 10.0), ease.closed_form(train, share, 20.0)]
    for module in (item_knn, ease):
        blocks = module.blocks_of_items
        monkeypatch.setattr(module, "blocks_of_items", lambda width, blocks=blocks: blocks(width, rows=7))
    for before, after in zip(
        whole, [item_knn.nearest(train, 10.0), ease.closed_form(train, share, 20.0)], strict=True
    ):
        for name, values in before.arrays().items():
            np.testing.assert_allclose(after.arrays()[name], values, rtol=1e-5, atol=1e-7)


@given(
    st.lists(st.lists(st.integers(-9, 9), min_size=7, max_size=7), min_size=1, max_size=5), st.integers(1, 8)
)
def test_the_largest_of_each_row_are_kept(rows: list[list[int]], n: int) -> None:
    dense = np.array(rows, dtype=np.float32)
    kept = largest_of_rows(csr_array(dense), n).toarray()
    assert np.all((kept == dense) | (kept == 0))
    for row, before in zip(kept, dense, strict=True):
        magnitudes = sorted(np.abs(before), reverse=True)[:n]
        assert sorted(np.abs(row[row != 0]), reverse=True) == [m for m in magnitudes if m]


def test_what_no_item_speaks_for_is_ordered_by_popularity() -> None:
    train = Sequences.from_lists([[1, 2], [3], [3], [4]], 4)
    for fitted in (ItemKnn.fit(train), Ease.fit(train)):
        (after_1, empty) = fitted.score([np.array([1]), np.array([], dtype=np.int32)])
        assert np.argsort(-after_1)[0] == 2
        assert after_1[3] > after_1[4] > 0
        assert empty[3] > empty[1] == empty[2] == empty[4] > 0


def test_order_matters_to_item_knn_and_not_to_ease() -> None:
    train = Sequences.from_lists([[1, 3], [1, 3], [2, 4], [2, 4]], 4)
    histories = [np.array([1, 2]), np.array([2, 1])]
    to_4, to_3 = ItemKnn.fit(train).score(histories)
    assert to_4[4] > to_4[3] and to_3[3] > to_3[4]
    one, other = Ease.fit(train).score(histories)
    np.testing.assert_array_equal(one, other)


def settings_split() -> tuple[Sequences, Holdout]:
    """People of three kinds, each with items of its own, in any order."""
    rng = np.random.default_rng(5)
    lists = []
    for _ in range(200):
        kind = rng.integers(0, 3)
        lists.append((1 + 10 * kind + rng.permutation(10)[: rng.integers(4, 9)]).tolist())
    split = leave_one_out(Sequences.from_lists(lists, 30))
    return split.train, split.validation


def test_settings_are_the_best_on_validation() -> None:
    train, validation = settings_split()
    knn = ItemKnn.fit(train, validation)
    found = {
        (shrinkage, decay): ndcg(ItemKnn(item_knn.nearest(train, shrinkage), shrinkage, decay), validation)
        for shrinkage, decay in product(item_knn.SHRINKAGES, item_knn.DECAYS)
    }
    assert found[knn.shrinkage, knn.decay] == max(found.values()) > min(found.values())
    assert knn.config() == {"neighbours": 100, "shrinkage": knn.shrinkage, "decay": knn.decay}
    fitted = Ease.fit(train, validation)
    share = (train.counts() / len(train.items)).astype(np.float32)
    by_strength = {
        s: ndcg(Ease(ease.closed_form(train, share, s), s), validation) for s in ease.REGULARIZATIONS
    }
    assert by_strength[fitted.regularization] == max(by_strength.values())


def test_choosing_looks_at_some_users_of_many() -> None:
    many = leave_one_out(Sequences.from_lists([[1, 2, 3]] * (3 * CHOOSING_USERS), 3)).validation
    some = some_users(many)
    assert len(some) == CHOOSING_USERS
    assert (some.users[0], some.users[-1]) == (0, 3 * CHOOSING_USERS - 1)
    assert some_users(some) is some


def test_ease_says_that_a_catalogue_is_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    train = Sequences.from_lists([[1, 2]], ease.LARGEST_CATALOGUE + 1)
    with pytest.raises(NotApplicableError, match="16,385 items are more than the 16,384"):
        Ease.fit(train)
    monkeypatch.setattr(ease, "LARGEST_CATALOGUE", 2)
    assert Ease.fit(Sequences.from_lists([[1, 2]], 2)).weights.share.tolist() == [0, 0.5, 0.5]


def test_item_weights_keep_what_they_were_given() -> None:
    given_rows = csr_array(np.array([[0, 0, 0], [0, 0, 2], [0, 3, 0]], dtype=np.float32))
    weights = ItemWeights.of(np.ones(3, dtype=np.float32), iter([given_rows[:1], given_rows[1:]]))
    assert weights.starts.tolist() == [0, 0, 1, 2]
    assert (weights.items.tolist(), weights.values.tolist()) == ([2, 1], [2, 3])
    assert ItemWeights.from_arrays(weights.arrays()).values.dtype == np.float32
