"""What was served against what was played next: by hand on a few users, and night by night."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pytest
from numpy.typing import NDArray

from assets.evaluation import as_served as measuring
from assets.evaluation.as_served import (
    AS_SERVED_CHECKS,
    add_rows,
    as_served,
    in_words,
    latest,
    markdown,
    plays_of,
)
from assets.evaluation.as_served_tables import ALL_CUTS, HELD_BACK, SERVED, SINCE
from assets.evaluation.cuts import default_cuts
from assets.evaluation.next_plays import answers_of, recommended
from assets.resources import Cleaning, Home
from assets.training.entrants import open_bundle
from models.baselines import Markov, Popularity
from models.baselines.bundles import baseline_bundle
from models.bundle.bundle import EVERYTHING, TRAINING_PART, ItemTable, bundle_hash
from models.data import Sequences
from models.evaluation.metrics import top_k
from models.moment import Moment
from models.opening import open_scorer
from models.writing import Origin
from serving.recommender import Recommender
from serving.state.pointer import Pointer
from tests.support.homes import metadata, rows
from tests.support.tables import publish

IDS = ["", *"abcde"]
TRAINED = Sequences.from_lists([[1, 2, 3], [1, 2, 4], [2, 3]], 5)  # e was never played
DAY = 86_400_000_000
NEW_YEAR = 1_767_225_600_000_000  # 2026-01-01 in microseconds


def bundle(folder: Path, kind: Any = Markov, exclude_seen: bool = True) -> Path:
    items = ItemTable(IDS, IDS, TRAINED.counts())
    origin = Origin("", "", "", "", exclude_seen)
    baseline_bundle(folder, kind.fit(TRAINED), items, origin, {}, k=1)
    return folder


def crown(home: Home) -> None:
    served, beaten = (bundle(home.folder("bundles", name), k) for name, k in
                      (("markov", Markov), ("popularity", Popularity)))  # fmt: skip
    baselines = {"popularity": str(beaten)}
    home.champions().crown(Pointer(str(served), "1", bundle_hash(served), 0.0, baselines=baselines), {})


def played(home: Home, plays: dict[str, str], more: tuple[tuple[Any, ...], ...] = ()) -> None:
    """Publish what each user has played, such as `abc`."""
    found = [(user, item, n, None, None) for user, items in plays.items() for n, item in enumerate(items)]
    publish(home.lake(), "all_interactions", [*found, *more])


def night(home: Home) -> str:
    """Measure, and return what the night says of itself."""
    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize(
            [as_served, *AS_SERVED_CHECKS],
            resources={"home": home, "cleaning": Cleaning()},
            instance=instance,
        )
    return str(metadata(result, "as_served")["tonight"])


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setattr(measuring, "FEWEST_USERS", 2)
    return Home(path=str(tmp_path))


def figures(home: Home) -> dict[str, tuple[Any, ...]]:
    columns = "model, users, never_trained, ndcg_at_10, hr_at_10, mrr_at_10, new_users, new_users_ndcg_at_10"
    return {model: tuple(rest) for model, *rest in rows(home, "as_served", columns)}


def test_a_night_judges_what_served_by_the_first_play_that_is_new(home: Home) -> None:
    """After a and b the chain lists c, d and e, which it never saw: u1 plays the first, u2 the last of them.

    The third user plays nothing new. That of the fourth, whom nobody knew, counts apart: popularity lists b.
    """
    crown(home)
    played(home, {"u1": "ab", "u2": "ab", "u3": "c"})
    assert "The first night" in night(home)
    assert rows(home, "as_served") == []
    played(home, {"u1": "abca", "u2": "abe", "u3": "c", "new": "bc"})
    assert night(home) == "2 users played next what was not known last night."
    found = figures(home)
    assert found["served"] == (2, 1, 0.75, 1.0, pytest.approx(2 / 3), 1, 1.0)
    assert set(found) == {"served", "popularity"}


@pytest.mark.slow
def test_no_play_counts_on_two_nights(home: Home) -> None:
    crown(home)
    played(home, {"u1": "ab", "u2": "ab"})
    night(home)
    played(home, {"u1": "abc", "u2": "abd"})
    night(home)
    before = rows(home, "as_served")
    assert "0 users have new plays" in night(home)
    assert rows(home, "as_served") == before
    played(home, {"u1": "abcd", "u2": "abd"})
    assert "1 users have new plays, and 2 are needed" in night(home)
    assert rows(home, "as_served") == before
    played(home, {"u1": "abcde", "u2": "abdc"})
    night(home)
    assert len(rows(home, "as_served")) == len(before) + 2, "a row for what served and one for the baseline"


def test_a_user_who_is_forgotten_is_in_no_note_of_the_next_night_though_nobody_played(home: Home) -> None:
    crown(home)
    played(home, {"u": "ab", "v": "b"})
    night(home)
    assert {row[0] for row in rows(home, "played_until", "user_id")} == {"u", "v"}
    played(home, {"v": "b"})
    night(home)
    assert {row[0] for row in rows(home, "played_until", "user_id")} == {"v"}


@pytest.mark.slow
def test_of_very_many_users_some_are_asked(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    crown(home)
    users = [f"u{n}" for n in range(50)]
    played(home, dict.fromkeys(users, "ab"))
    night(home)
    monkeypatch.setattr(measuring, "MOST_USERS", 20)
    played(home, dict.fromkeys(users, "abc"))
    assert "20 users played next" in night(home)


@pytest.mark.slow
def test_a_play_that_comes_late_and_one_that_is_taken_back_are_no_next_play(home: Home) -> None:
    """A late one stands before what was known; where the last known play is gone nothing can be said."""
    crown(home)
    played(home, {"u1": "ab", "u2": "ab", "u3": "ab"})
    night(home)
    played(home, {"u1": "cab", "u2": "ac", "u3": "abd"})
    assert "1 users have new plays" in night(home)


@pytest.mark.slow
def test_without_a_champion_or_its_bundle_it_says_so(home: Home) -> None:
    played(home, {"u1": "ab", "u2": "ab"})
    night(home)
    played(home, {"u1": "abc", "u2": "abd"})
    assert night(home) == "There was no champion, so nothing was served."
    crown(home)
    (home.folder("bundles", "markov") / "manifest.json").unlink()
    played(home, {"u1": "abcd", "u2": "abdc"})
    assert "What served cannot be opened" in night(home)


@pytest.mark.parametrize("exclude_seen", [True, False])
@pytest.mark.parametrize("kind", [Markov, Popularity])
def test_the_lists_are_what_the_endpoint_answers(tmp_path: Path, kind: Any, exclude_seen: bool) -> None:
    histories = [["a", "b"], ["x", "b"], [], ["x"], ["a", "b", "c", "d", "e"], ["e"]]
    folder = bundle(tmp_path / "bundle", kind, exclude_seen)
    endpoint, items = Recommender(folder), ItemTable(IDS, IDS, TRAINED.counts())
    lists = recommended(open_scorer(folder), items, histories, exclude_seen)
    for history, found in zip(histories, lists.tolist(), strict=True):
        answered = [scored.item_id for scored in endpoint.recommend(history, 10).items]
        assert [item for item in found if item] == answered


class Asked:
    """Remembers when it was asked, and recommends nothing in particular."""

    def __init__(self) -> None:
        self.at: list[int] = []

    def score(self, histories: Sequence[NDArray[np.integer]]) -> NDArray[np.float32]:
        raise AssertionError("not without a moment")

    def score_at(self, histories: Sequence[NDArray[np.integer]], moment: Moment) -> NDArray[np.float32]:
        self.at += moment.asked_ms.tolist()
        return np.zeros((len(histories), len(IDS)), dtype=np.float32)


def test_what_served_is_asked_as_of_the_play_as_the_endpoint_was(home: Home) -> None:
    first, next_day = 1_767_225_600, 1_767_312_000  # seconds
    plays = [("u", "a", 0, None, first), ("u", "b", 1, None, next_day), ("v", "c", 0, None, next_day + 5)]
    publish(home.lake(), "all_interactions", plays)
    publish(home.lake(), "played_until", [("u", "a", first)])
    found = measuring.new_plays(home.lake(), 0)
    assert found.asked_ms is not None
    times = dict(zip(found.users.tolist(), found.asked_ms.tolist(), strict=True))
    assert times == {"u": next_day * 1000, "v": (next_day + 5) * 1000}
    items, scorer = ItemTable(IDS, IDS, TRAINED.counts()), Asked()
    recommended(scorer, items, [["a"], ["unknown"], ["b"]], asked_ms=np.array([1, 2, 3]))
    assert scorer.at == [1, 3], "popularity answers the second"


def test_undated_plays_have_no_moment(home: Home) -> None:
    played(home, {"u": "ab"})
    publish(home.lake(), "played_until", [("u", "a")])
    assert measuring.new_plays(home.lake(), 0).asked_ms is None


def test_the_newest_measurement_is_shown_and_of_several_cuts_all_together(home: Home) -> None:
    lake = home.lake()
    assert latest(lake) == []
    assert in_words([]) == markdown([]) == ""
    add_rows(lake, [row(cut="last", measured="2026-11-01T00:00:00+00:00", value=0.2)])
    assert [r["cut"] for r in latest(lake)] == ["last"]
    cuts = ["2026-01-01", "2026-02-01", ALL_CUTS]
    add_rows(lake, [row(cut=cut, measured="2026-11-02T00:00:00+00:00") for cut in cuts])
    add_rows(lake, [row(cut="x", kind=SINCE, measured="2026-11-03T00:00:00+00:00")])
    (shown,) = latest(lake)
    assert shown["cut"] == ALL_CUTS
    assert "NDCG@10 0.1000 (0.0500 to 0.1500) on 200 next plays" in in_words([shown])
    assert "held back: all cuts, measured on 2026-11-02" in markdown([shown])
    add_rows(lake, [row(cut="last", measured="2026-11-04T00:00:00+00:00", value=0.3)])
    assert len(rows(home, "as_served")) == 5, "the same bundle on the same cut is there once"
    assert latest(lake)[0]["ndcg_at_10"] == 0.3


def row(cut: str, measured: str, kind: str = HELD_BACK, value: float = 0.1) -> dict[str, Any]:
    measures = {
        f"{name}_at_10{end}": value + add
        for name in ("ndcg", "hr", "mrr")
        for end, add in (("", 0), ("_low", -0.05), ("_high", 0.05))
    }
    known = {"measured": measured, "kind": kind, "cut": cut, "model": "served", "architecture": "sasrec"}
    counts = {"users": 200, "never_trained": 3, "new_users": 0, "new_users_ndcg_at_10": None}
    return {**known, "bundle_hash": "0a" * 32, **counts, **measures}


def test_cuts_follow_from_the_data(tmp_path: Path) -> None:
    undated, dated = Home(path=str(tmp_path / "undated")), Home(path=str(tmp_path / "dated"))
    counted, few = Home(path=str(tmp_path / "counted")), Home(path=str(tmp_path / "few"))
    played(undated, {"u1": "abc"})
    days = [
        (f"u{user}", f"i{day}", day, None, NEW_YEAR + day * DAY) for user in range(120) for day in range(20)
    ]
    publish(dated.lake(), "all_interactions", days)
    publish(counted.lake(), "all_interactions", [(*r[:4], n) for n, r in enumerate(days)])
    publish(few.lake(), "all_interactions", days[: 20 * 99])
    assert default_cuts(undated.lake(), 60) == default_cuts(counted.lake(), 60) == ["last"]
    assert default_cuts(dated.lake(), 60) == ["2026-01-17", "2026-01-18", "2026-01-19"]
    assert default_cuts(few.lake(), 60) == ["last"]


@pytest.mark.parametrize("new", [[], [5]])
@pytest.mark.parametrize("trained_on", [TRAINING_PART, EVERYTHING])
def test_what_nobody_plays_any_more_is_answered_nowhere(
    tmp_path: Path, trained_on: str, new: list[int]
) -> None:
    """Markov scores `e`, which has no play, behind all others: the endpoint never answers with it."""
    items = ItemTable(IDS, IDS, TRAINED.counts(), new=new)
    origin = replace(Origin("", "", "", ""), trained_on=trained_on)
    baseline_bundle(tmp_path, Markov.fit(TRAINED), items, origin, {}, k=1)
    plays = plays_of([("u", ["a", "b"], "c", True), ("v", ["d"], "a", True)])
    lists, endpoint = answers_of(tmp_path, SERVED, plays).lists, Recommender(tmp_path)
    batch, _ = top_k(
        open_bundle(tmp_path, "champion", "champion", items, serves=True).scorer,
        Sequences.from_lists([[1, 2], [4]], 5),
        10,
    )
    for history, found, listed in zip(plays.histories, lists.tolist(), batch.tolist(), strict=True):
        answered = [scored.item_id for scored in endpoint.recommend(history, 10).items]
        assert [item for item in found if item] == answered == [IDS[item] for item in listed if item]
        assert ("e" in answered) == (trained_on == TRAINING_PART and not new)
