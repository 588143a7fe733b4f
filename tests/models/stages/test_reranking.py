"""Diversity and rules: against a plain loop, and by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.stages.reranking import Rules, rearranged


def by_a_loop(scores: list[float], vectors: np.ndarray, diversity: float) -> list[int]:  # type: ignore[type-arg]
    span = max(scores) - min(scores)
    relevance = [(score - min(scores)) / span if span else 1.0 for score in scores]
    taken: list[int] = []
    while len(taken) < len(scores):
        best, best_value = -1, -np.inf
        for i in range(len(scores)):
            if i in taken:
                continue
            alike = max([0.0, *(float(vectors[i] @ vectors[j]) for j in taken)])
            value = (1 - diversity) * relevance[i] - diversity * alike
            if value > best_value + 1e-9:
                best, best_value = i, value
        taken.append(best)
    return taken


@given(st.integers(1, 12), st.sampled_from([0.0, 0.3, 0.7, 1.0]), st.integers(0, 10_000))
@settings(max_examples=40, deadline=None)
def test_maximal_marginal_relevance_is_that_of_a_plain_loop(n: int, diversity: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    scores = np.sort(rng.normal(size=n))[::-1].copy()
    vectors = rng.normal(size=(n, 3)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    found = rearranged(scores, vectors, [[]] * n, Rules(diversity))
    assert found.tolist() == by_a_loop(scores.tolist(), vectors, diversity)


def test_at_most_so_many_of_a_kind_come_before_the_others() -> None:
    """Both kinds of the third are one each; what the rules leave over follows in its order."""
    labels = [[("developer", name)] if name else [] for name in ("a", "a", "a", "b", "", "b", "a")]
    scores, none = np.arange(7, 0, -1.0), np.zeros((7, 0), dtype=np.float32)
    order = rearranged(scores, none, labels, Rules(at_most={"developer": 1}))
    assert order.tolist() == [0, 3, 4, 1, 2, 5, 6]
    assert rearranged(scores, none, [[]] * 7, Rules(at_most={"developer": 1})).tolist() == list(range(7))


@pytest.mark.parametrize(
    ("given_rules", "said"),
    [
        ({"diversity": 1.5}, "not from 0 to 1"),
        ({"at_most": {"genres": 0}}, "no whole number from 1"),
        ({"at_most": {"genres": 2.5}}, "no whole number from 1"),
        ({"variety": 1}, "not understood"),
    ],
)
def test_rules_that_are_none_are_refused(given_rules: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Rules.of(given_rules)


def test_they_are_off_unless_one_is_given() -> None:
    assert Rules().off and not Rules(0.1).off and not Rules(at_most={"genres": 3}).off
    assert Rules.of(Rules(0.2, {"genres": 3}).to_dict()) == Rules(0.2, {"genres": 3})
