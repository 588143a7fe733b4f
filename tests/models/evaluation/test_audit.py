"""The sequence audit against hand-computed figures, SciPy, and data whose order is known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr

from models.baselines import NextLargerId
from models.baselines.next_larger_id import whole_numbers
from models.data import Sequences, labelled, leave_one_out
from models.evaluation.audit import (
    Figure,
    audit,
    describe,
    id_correlations,
    repeated_transitions,
    shuffled_within,
    sorted_within,
)

ITEMS = 30


def by_name(figures: list[Figure]) -> dict[str, Figure]:
    return {figure.name: figure for figure in figures}


def ids_of(n_items: int) -> list[str]:
    return ["", *(str(10 * i) for i in range(1, n_items + 1))]


@pytest.fixture(scope="module")
def cyclic() -> Sequences:
    """Each user walks up the items from a random start, and begins anew after the last one."""
    rng = np.random.default_rng(0)
    starts = rng.integers(0, ITEMS, size=300)
    return Sequences.from_lists(
        [[(start + step) % ITEMS + 1 for step in range(8)] for start in starts], ITEMS
    )


@pytest.fixture(scope="module")
def unordered(cyclic: Sequences) -> Sequences:
    return shuffled_within(cyclic, np.random.default_rng(1))


@given(st.lists(st.permutations(range(1, 9)).map(lambda p: p[:5]), min_size=1, max_size=6))
def test_the_correlation_is_spearmans(users: list[list[int]]) -> None:
    ids = np.array([0, 70, 10, 999, 20, 5, 1000, 30, 40])
    found = id_correlations(Sequences.from_lists(users, 8), ids)
    expected = [spearmanr(range(5), ids[user]).statistic for user in users]
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_users_of_one_item_have_no_correlation() -> None:
    sequences = Sequences.from_lists([[1], [], [1, 2, 3], [3, 2, 1]], 3)
    assert id_correlations(sequences, np.arange(4)).tolist() == [1.0, -1.0]


@given(st.lists(st.lists(st.integers(1, 8), min_size=2, max_size=9), min_size=1, max_size=6))
def test_of_items_that_are_played_again_it_is_spearmans_with_mean_ranks(users: list[list[int]]) -> None:
    ids = np.array([0, 70, 10, 999, 20, 5, 1000, 30, 40])
    found = id_correlations(Sequences.from_lists(users, 8), ids)
    several = [user for user in users if len(set(user)) > 1]
    expected = [spearmanr(range(len(user)), ids[user]).statistic for user in several]
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_plays_again_are_no_order_of_the_ids() -> None:
    rng = np.random.default_rng(0)
    users = [rng.choice(rng.integers(1, 100, 3), 30).tolist() for _ in range(300)]
    assert abs(id_correlations(Sequences.from_lists(users, 99), np.arange(100)).mean()) < 0.05


def test_each_user_counts_once_however_many_test_plays_there_are() -> None:
    """One user of many test plays whose ids rise, beside 30 whose ids fall."""
    users = [list(range(1, 61)), *([5, 4, 3, 2, 1] for _ in range(30))]
    sequences = Sequences.from_lists(users, 60)
    place = np.concatenate([np.arange(len(user)) for user in users])
    long = np.repeat(sequences.lengths, sequences.lengths) == 60
    cut = np.where(long, 10, 3)
    labels = np.select([place < cut, place == cut], ["train", "validation"], "test")
    found = by_name(audit(labelled(sequences, labels, "temporal"), ids_of(60), seed=0))["id_correlation"]
    assert found.value == pytest.approx((1 - 30) / 31)


def test_repeated_transitions_by_hand() -> None:
    # Pairs: 1-2, 2-3 | 1-2 | none. 2 of 3 belong to a pair that comes more than once.
    assert repeated_transitions(Sequences.from_lists([[1, 2, 3], [1, 2], [3], []], 3)) == pytest.approx(2 / 3)
    assert repeated_transitions(Sequences.from_lists([[1], [2]], 3)) == 0.0


def test_next_larger_id_names_the_ids_after_the_last_item_first() -> None:
    scorer = NextLargerId.of(np.array([0, 50, 10, 30, 40]))  # by id: items 2, 3, 4, 1
    scores = scorer.score([np.array([1, 3]), np.array([], dtype=np.int32)])
    assert np.argsort(-scores).tolist() == [[4, 1, 2, 3, 0], [2, 3, 4, 1, 0]]
    assert np.all(scores[:, 0] == -np.inf)


def test_reordering_keeps_each_users_items(cyclic: Sequences) -> None:
    shuffled = shuffled_within(cyclic, np.random.default_rng(2))
    back = sorted_within(shuffled, np.arange(ITEMS + 1))
    assert np.any(shuffled.items != cyclic.items)
    for user in range(len(cyclic)):
        assert back.user(user).tolist() == sorted(cyclic.user(user).tolist())


def test_ids_are_numbers_only_where_all_of_them_are() -> None:
    assert whole_numbers(["", "10", "7"]).tolist() == [0, 10, 7]
    for odd in ("B0001", "1.5", "-3", "", "٣", "1" * 19):
        assert whole_numbers(["", "10", odd]) is None


def test_real_order_is_told_from_shuffled_order(cyclic: Sequences, unordered: Sequences) -> None:
    real = by_name(audit(leave_one_out(cyclic), ids_of(ITEMS), seed=0))
    assert real["gain_from_order"].low > 0.3
    assert real["next_larger_id"].value > 0.9
    assert real["id_correlation"].value > 0.3
    assert real["repeated_transitions"].value > real["repeated_transitions_shuffled"].value
    planted = by_name(audit(leave_one_out(unordered), ids_of(ITEMS), seed=0))
    assert planted["gain_from_order"].low <= 0.01
    assert abs(planted["id_correlation"].value) < 0.1


def test_the_paragraph_says_what_the_figures_mean(cyclic: Sequences, unordered: Sequences) -> None:
    real = describe(audit(leave_one_out(cyclic), ids_of(ITEMS), seed=0))
    assert "the order tells something" in real
    assert "A model can win by learning that ids grow" in real
    assert "the order of a history is not that of the ids" in describe(
        audit(leave_one_out(unordered), ids_of(ITEMS), seed=0)
    )
    assert "The item ids are no whole numbers" in describe(
        audit(leave_one_out(cyclic), ["", *(f"B{i}" for i in range(ITEMS))], seed=0)
    )


@pytest.mark.parametrize(
    ("low", "words"), [(-0.01, "tells nothing that can be told from chance"), (0.01, "tells something")]
)
def test_the_gains_interval_decides_the_words(low: float, words: str) -> None:
    figures = [
        Figure("markov_real_order", 0.22, 0.2, 0.24),
        Figure("markov_shuffled_order", 0.2, 0.18, 0.22),
        Figure("gain_from_order", 0.02, low, 0.04),
        Figure("popularity", 0.1, 0.09, 0.11),
        Figure("repeated_transitions", 0.5),
        Figure("repeated_transitions_shuffled", 0.4),
        Figure("id_correlation", 0.7, 0.69, 0.71),
    ]
    assert words in describe(figures)
    assert "0.70 on average" in describe(figures)


def test_the_audit_reads_no_test_target(cyclic: Sequences) -> None:
    changed = cyclic.items.copy()
    changed[cyclic.offsets[1:] - 1] = 1  # another test item for everybody
    other = Sequences(changed, cyclic.offsets, ITEMS)
    ours, theirs = (audit(leave_one_out(users), ids_of(ITEMS), seed=0) for users in (cyclic, other))
    assert str(ours) == str(theirs)  # as text: one NaN does not equal another


def test_the_same_seed_gives_the_same_figures(unordered: Sequences) -> None:
    split = leave_one_out(unordered)
    assert str(audit(split, ids_of(ITEMS), seed=3)) == str(audit(split, ids_of(ITEMS), seed=3))


def test_without_held_out_items_there_is_nothing_to_audit() -> None:
    with pytest.raises(ValueError, match="no user has 3 items"):
        audit(leave_one_out(Sequences.from_lists([[1, 2]], 2)), ids_of(2), seed=0)
