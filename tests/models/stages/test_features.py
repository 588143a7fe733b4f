"""What a ranker sees: by hand, nothing of what came after the moment, and columns that are missing."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.baselines.base import Facts
from models.bundle.attributes import DATE, NUMBER, Attribute
from models.bundle.bundle import ItemTable
from models.data import Sequences
from models.moment import Moment
from models.stages.features import FEATURES, features, retrieve
from models.stages.item_facts import ItemFacts, vectors_of

DAY = 86_400
START = 10_000 * DAY  # of the plays
PLAYS = Sequences.from_lists([[1, 2, 3], [1, 3], [2, 1]], 4)
TIMES = START + DAY * np.array([0, 50, 98, 10, 99, 20, 100])
HISTORY = [np.array([1, 2])]


def items(**attributes: Attribute) -> ItemTable:
    ids = ["", "a", "b", "c", "d"]
    return ItemTable(ids, ids, PLAYS.counts(), attributes)


PRICE = Attribute(NUMBER, [None, 1.0, 3.0, 7.0, None])
RELEASED = Attribute(DATE, [None, "1997-05-19", "1997-05-20", "1997-05-29", None])  # day 10,000 and later


def facts(plays: Sequences = PLAYS, times: np.ndarray = TIMES) -> ItemFacts:  # type: ignore[type-arg]
    known = items(price=PRICE, release_date=RELEASED)
    return ItemFacts.of(plays, Facts(times=times, items=known, units_a_second=1), vectors_of(known))


def asked(day: float) -> Moment:
    return Moment(np.array([(START + int(day * DAY)) * 1000]))


def seen(of: ItemFacts, moment: Moment | None, best: list[int]) -> dict[str, list[float]]:
    scores = np.array([[-np.inf, 1.0, 2.0, 5.0, 4.5]], dtype=np.float32)
    made = features(of, {}, scores, np.array([best]), HISTORY, moment)
    assert made.dtype == np.float32 and made.shape == (1, len(best), len(FEATURES))
    return {name: made[0, :, i].tolist() for i, name in enumerate(FEATURES)}


def test_by_hand() -> None:
    """On day 99.5 item 3 was played on days 98 and 99, of six plays until then; item 4 never."""
    found = seen(facts(), asked(99.5), [3, 4])
    assert found["first"] == [0, -0.5]
    assert found["place"] == [0, 1]
    assert found["popularity"] == pytest.approx([np.log1p(4 * 2 / 6), 0])
    assert found["last 7 days"] == pytest.approx([np.log1p(4 * 2 / 2), 0])
    assert found["last 30 days"] == pytest.approx([np.log1p(4 * 2 / 2), 0])
    assert found["last 90 days"] == pytest.approx([np.log1p(4 * 2 / 5), 0])  # days 10, 20, 50, 98, 99
    assert found["trend"] == pytest.approx([np.log(3 / (1 + 2 / 3)), 0])
    assert found["idle"] == pytest.approx([np.log1p(0.5), np.nan], nan_ok=True)
    assert found["played for"] == pytest.approx([np.log1p(1.5), np.nan], nan_ok=True)
    assert found["age"] == pytest.approx([99.5 - 10, np.nan], nan_ok=True)
    assert found["later"] == pytest.approx([9, np.nan], nan_ok=True)
    assert found["price"] == pytest.approx([np.log(8), np.nan], nan_ok=True)
    assert found["dearer"] == pytest.approx([np.log(8) - np.log([2, 4]).mean(), np.nan], nan_ok=True)
    assert found["length"] == pytest.approx([np.log(3)] * 2)
    usual = np.log1p([2, 2]).mean()  # item 1 on days 0 and 10, item 2 on days 50 and 20
    assert found["usual"] == pytest.approx([usual] * 2)
    assert found["as usual"] == pytest.approx([np.log1p(2) - usual, -usual])
    assert np.isnan(found["transitions"]).all() and np.isnan(found["item_knn"]).all()


@given(st.lists(st.tuples(st.integers(1, 4), st.integers(0, 150)), max_size=8), st.integers(1, 120))
@settings(max_examples=30, deadline=None)
def test_a_play_after_the_moment_changes_nothing(later: list[tuple[int, int]], day: int) -> None:
    before = facts()
    added = [(item, when) for item, when in later if when >= day]
    plays = Sequences.from_lists([*(PLAYS.user(u) for u in range(3)), [item for item, _ in added]], 4)
    times = np.append(TIMES, [START + DAY * when for _, when in added]).astype(np.int64)
    moment, best = asked(min(day, 100)), [1, 2, 3, 4]
    assert str(seen(facts(plays, times), moment, best)) == str(seen(before, moment, best))


def test_later_than_all_plays_is_as_late_as_the_last() -> None:
    """So that a model that has aged sees what it was trained to see; but items grow older."""
    now, late = (seen(facts(), moment, [3, 4]) for moment in (None, asked(400)))
    for name in set(FEATURES) - {"age"}:
        assert str(now[name]) == str(late[name]), name
    assert late["age"][0] == pytest.approx(390)


def test_missing_columns_cost_nothing() -> None:
    """No clock, no catalogue: what is not known is NaN, and what is known stays."""
    bare = ItemFacts.of(PLAYS, Facts(times=np.arange(7)), np.zeros((5, 0), np.float32))
    found = seen(bare, None, [3, 4])
    known = {"first", "place", "popularity", "length", "usual", "as usual"}
    assert {name for name, values in found.items() if not np.isnan(values).any()} == known
    assert found["popularity"] == pytest.approx([np.log1p(4 * 2 / 7), 0])


def test_likeness_is_to_the_history() -> None:
    vectors = np.array([[0, 0], [1, 0], [0, 1], [1, 0], [0, 1]], dtype=np.float32)
    found = seen(replace(facts(), vectors=vectors), None, [3, 4])["likeness"]
    assert found == pytest.approx(np.array([0.8, 1]) / np.hypot(0.8, 1), rel=1e-5)


@given(st.integers(1, 30), st.integers(1, 40), st.booleans(), st.integers(0, 10_000))
@settings(max_examples=40, deadline=None)
def test_retrieval_is_exact(n_items: int, k: int, exclude_seen: bool, seed: int) -> None:
    """Against sorting everything, with ties and items that have no score."""
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, 50, size=(3, n_items + 1)).astype(np.float32)
    scores += rng.random(scores.shape, dtype=np.float32)
    scores[rng.random(scores.shape) < 0.1] = -np.inf
    histories = [rng.integers(1, n_items + 1, size=2) for _ in range(3)]
    found = retrieve(scores, histories, k, exclude_seen)
    for row, history, best in zip(scores, histories, found, strict=True):
        left = [i for i in range(1, n_items + 1) if np.isfinite(row[i])]
        left = [i for i in left if not (exclude_seen and i in history)]
        expected = sorted(left, key=lambda i: (-row[i], i))[:k]
        assert best.tolist() == expected + [0] * (min(k, n_items + 1) - len(expected))
