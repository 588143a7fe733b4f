"""The graph against a dense walk, against Transitions, and where there is nowhere to go."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

from models.baselines import Facts, Graph, Transitions, graph
from models.baselines.base import ndcg
from models.baselines.graph import FEW, SECONDS, SPREAD
from models.baselines.transitions import Counted, Settings
from models.bundle.bundle import WEIGHTS_FILE, BundleError
from models.data import Sequences, leave_one_out
from tests.models.baselines.test_transitions import N_ITEMS, drawn, user, users


def walked(train: Sequences, second: float, exclude_seen: bool = False) -> Graph:
    (made,) = Graph.walked(Counted(train, Facts(exclude_seen=exclude_seen)), Settings(), [second])
    return made


@given(users, user, st.sampled_from(SECONDS), st.booleans())
def test_the_graph_agrees_with_a_dense_walk(
    played: list[list[int]], history: list[int], second: float, exclude_seen: bool
) -> None:
    train = Sequences.from_lists(played, N_ITEMS)
    counted = Counted(train, Facts(exclude_seen=exclude_seen))
    pairs = counted.pairs(Settings().closeness).toarray().astype(np.float64)
    first = counted.weighted(Settings())[0].toarray()
    popular = np.where(pairs.sum(axis=0) > 0, counted.share * N_ITEMS, 1)
    steps = first @ (pairs / (pairs.sum(axis=1) + FEW)[:, None] / popular**SPREAD)
    if steps.sum() > 0:
        first = first + second * steps * first.sum() / steps.sum()
    ages = Settings().decay ** np.arange(len(history) - 1, -1, -1.0)
    newest, ages = history[-Graph.max_length :], ages[-Graph.max_length :]
    expected = sum(age * first[i] for i, age in zip(newest, ages, strict=True)) + np.zeros(N_ITEMS + 1)
    row = [np.array(history, dtype=np.int32)]
    one_step = Transitions.of(counted, Settings())
    alone = one_step.weights.score([np.array(newest, dtype=np.int64)], [ages])
    rest = one_step.score(row)[0, 1:] - alone[0, 1:]  # what popularity adds
    ours = walked(train, second, exclude_seen).score(row)[0, 1:] - rest
    assert ours == pytest.approx(expected[1:], rel=1e-3, abs=2e-6)


@given(users, user)
def test_with_nothing_of_the_second_step_it_is_transitions(
    played: list[list[int]], history: list[int]
) -> None:
    train, row = Sequences.from_lists(played, N_ITEMS), [np.array(history, dtype=np.int32)]
    plain = Transitions.of(Counted(train, Facts(exclude_seen=False)), Settings())
    np.testing.assert_array_equal(walked(train, 0).score(row), plain.score(row))


def test_two_steps_lead_where_one_does_not() -> None:
    """2 follows 1 and 3 follows 2, but never in one history; 3 and 4 are equally popular."""
    train = Sequences.from_lists([[1, 2], [2, 3], [4]], 4)
    near, far = (walked(train, second).score([np.array([1])])[0] for second in (0, 1))
    assert near[3] == near[4]
    assert far[2] > far[3] > far[4]


def test_blocks_of_items_make_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = walked(drawn(60), 1)
    blocks = graph.blocks_of_items
    monkeypatch.setattr(graph, "blocks_of_items", lambda width: blocks(width, rows=7))
    for name, values in walked(drawn(60), 1).arrays().items():
        np.testing.assert_array_equal(values, whole.arrays()[name])


def test_the_weight_of_the_second_step_is_the_best_on_validation() -> None:
    split = leave_one_out(drawn(150), exclude_seen=False)
    fitted = Graph.fit(split.train, split.validation)
    counted = Counted(split.train, Facts(exclude_seen=False))
    found = {
        made.second: ndcg(made, split.validation) for made in Graph.walked(counted, fitted.settings, SECONDS)
    }
    assert list(found) == list(SECONDS)
    assert found[fitted.second] == max(found.values())
    assert fitted.settings == Transitions.fit(split.train, split.validation).settings
    again = fitted.refit(split.train)
    for name, values in fitted.arrays().items():
        np.testing.assert_array_equal(again.arrays()[name], values)


@pytest.mark.parametrize("lists", [[[1], [2], [2]], [[1, 2]], [[3, 3, 3], []]])
def test_where_there_is_nowhere_to_go_popularity_answers(lists: list[list[int]]) -> None:
    fitted = Graph.fit(Sequences.from_lists(lists, 3))
    for scores in fitted.score([np.array([], dtype=np.int32), np.array([1])]):
        assert scores[0] == -np.inf and np.isfinite(scores[1:]).all()
    (empty,) = fitted.score([np.array([], dtype=np.int32)])
    counts = np.bincount([item for items in lists for item in items], minlength=4)
    assert np.argmax(empty[1:]) == np.argmax(counts[1:])


def test_saved_and_opened_it_is_the_same_and_broken_it_is_told(tmp_path: Path) -> None:
    fitted = walked(drawn(40), 1)
    fitted.save(tmp_path)
    opened = Graph.load(tmp_path)
    histories = [np.array([3, 9, 4]), np.array([], dtype=np.int32), np.array([7] * 20)]
    np.testing.assert_array_equal(opened.score(histories), fitted.score(histories))
    assert opened.config() == fitted.config()
    path = tmp_path / WEIGHTS_FILE
    save_file({name: values for name, values in load_file(path).items() if name != "second"}, path)
    with pytest.raises(BundleError, match="does not hold the weights of a graph baseline"):
        Graph.load(tmp_path)
