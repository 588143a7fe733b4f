"""Plays of earlier nights beside tonight's: kept where few people play, dropped where they tell nothing."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from assets.evaluation.earlier_ranks import PLAYS_KEPT, digest, earlier_evidence, earlier_rows
from assets.evaluation.gate import evidence
from assets.resources import Home, Splitting
from assets.state.lake import Lake
from models.data import Sequences, holdout_at
from models.evaluation.evidence import Policy
from models.evaluation.rules.finding import paired
from tests.assets.evaluation.test_fairness import core, judge, made
from tests.support.tables import publish

RECIPES = {"markov": "0f", "sasrec": "1a"}
MANY = PLAYS_KEPT + 5


def ranks_of(lake: Lake) -> set[tuple[str, str, int, str]]:
    rows = pq.read_table(lake.current("earlier_ranks").path).to_pylist()
    return {(row["model"], row["user_id"], row["position"], row["item_id"]) for row in rows}


def test_a_night_judges_by_its_own_plays_and_those_of_the_night_before(tmp_path: Path) -> None:
    """The first night tests the last of four plays, the second what 120 of 140 players played since."""
    home = made(tmp_path, [*core(with_e=0)], Splitting(split="leave-one-out"))
    judge(home)
    first = ranks_of(home.lake())
    assert ("markov", "u000", 3, "d") in first and ("sasrec", "u139", 3, "d") in first
    assert all(one.earlier is None for one in evidence(home, "baseline"))
    for _ in range(2):  # the same night once more changes nothing
        made(tmp_path, core(), Splitting(split="leave-one-out"))
        judge(home)
        found = ranks_of(home.lake())
        assert found > first and ("markov", "u000", 4, "e") in found
        sasrec = next(evidence(home, "candidate"))
        assert sasrec.earlier is not None and sasrec.earlier.people is not None
        assert set(sasrec.earlier.people.tolist()) == {f"u{user:03}" for user in range(120)}, "who played on"
        assert not set(sasrec.earlier.users.tolist()) & {f"{n} {user}" for n, user in of_tonight(home.lake())}
        pairs = paired(sasrec, next(evidence(home, "baseline")), Policy())
        assert (pairs.users, len(pairs.own)) == (140, 260), "who played on both nights is one person"


def of_tonight(lake: Lake) -> set[tuple[int, str]]:
    rows = pq.read_table(lake.current("test_ranks").path).to_pylist()
    return {(row["position"], row["user_id"]) for row in rows}


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """Markov ranked the plays of three users; b has played on since, c's were taken back."""
    lake = Home(path=str(tmp_path)).lake()
    publish(lake, "items", [(1, "x"), (2, "y")])
    kept = [("a", n, 1 + n % 2) for n in range(MANY)] + [("b", 0, 1), ("b", 1, 2), ("b", 2, 1)]
    publish(lake, "sequences", [(ord(user) - ord("a"), user, n, item) for user, n, item in kept])
    earlier = [("markov", "0f", "a", n, "xy"[n % 2], n + 1) for n in range(1, MANY)]
    earlier += [("markov", "0f", "b", 1, "y", 7), ("markov", "0f", "b", 2, "y", 7)]  # one is another play now
    earlier += [("markov", "0f", "c", 1, "y", 7), ("sasrec", "0f", "b", 1, "y", 7)]  # gone; of another recipe
    earlier += [("ease", "0f", "b", 1, "y", 7)]  # not made tonight
    publish(lake, "earlier_ranks", earlier)
    return lake


def test_what_is_there_no_more_or_was_made_otherwise_is_dropped_and_so_is_much_of_one_user(
    lake: Lake,
) -> None:
    test = holdout_at(
        Sequences.from_lists([[1, 2] * MANY, [1, 2, 1]], 2), np.array([0]), np.array([MANY - 1])
    )
    rows = earlier_rows(lake, test, np.array(["a"]), RECIPES)
    found = {(row["model"], row["user_id"], row["position"]) for row in rows.to_pylist()}
    newest = range(MANY - 1 - PLAYS_KEPT, MANY - 1)
    assert found == {("markov", "a", n) for n in newest} | {("markov", "b", 1)}
    assert digest(rows) == digest(earlier_rows(lake, test, np.array(["a"]), RECIPES)) != []
    assert digest(rows.slice(0, 0)) == []


def test_with_many_users_nothing_is_kept(lake: Lake) -> None:
    many = Policy.pool_below
    test = holdout_at(Sequences.from_lists([[1, 2]] * many, 2), np.arange(many), np.ones(many, np.int64))
    assert earlier_rows(lake, test, np.arange(many).astype(str), RECIPES).num_rows == 0


def test_evidence_of_earlier_nights_leaves_tonights_plays_out(lake: Lake) -> None:
    found = earlier_evidence(lake, "markov", np.array([f"{n} a" for n in range(2, MANY)]))
    assert found is not None and found.people is not None
    assert list(zip(found.users.tolist(), found.people.tolist(), found.ranks.tolist(), strict=True)) == [
        ("1 a", "a", 2), ("1 b", "b", 7), ("2 b", "b", 7), ("1 c", "c", 7),
    ]  # fmt: skip
    assert earlier_evidence(lake, "graph", np.array(["1 a"])) is None
