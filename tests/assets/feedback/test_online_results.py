"""Hit rates of what was shown, by day and version, against a case counted by hand."""

from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from assets.feedback.events import CUTOFF_TAG, events
from assets.feedback.online_results import ONLINE_CHECKS, online_results
from assets.resources import Home
from models.evaluation.drift import share_interval
from serving.state.events import Impression, Play
from serving.state.events_sqlite import SqliteEventStore

DAY_1, DAY_2, DAY_3 = (1_767_225_600_000 + n * 86_400_000 for n in range(3))  # 2026-01-01 and on
HOUR = 3_600_000


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(path=str(tmp_path))


def show(
    home: Home, request: str, user: str | None, at: int, items: str, version: str = "1", **more: Any
) -> None:
    store = SqliteEventStore(home.events_file)
    rows = [
        Impression(request, rank, user, item, 1.0 / rank, version, more.get("fallback"), at)
        for rank, item in enumerate(items, start=1)
    ]
    store.add([], rows)
    store.close()


def play(home: Home, event: str, user: str, item: str, at: int, request: str | None = None) -> None:
    store = SqliteEventStore(home.events_file)
    store.add([[Play(event, user, item, at, request)]])
    store.close()


def results(
    home: Home, k: int, cutoff: str = "2026-01-02T12:00:00+00:00"
) -> dict[tuple[str, str], tuple[int, int]]:
    """Hits and requests by day and version."""
    made = dg.materialize(
        [events, online_results, *ONLINE_CHECKS],
        resources={"home": home},
        instance=dg.DagsterInstance.ephemeral(),
        tags={CUTOFF_TAG: cutoff},
    )
    assert made.success
    assert all(e.passed for e in made.get_asset_check_evaluations())
    with home.lake().connect("online_results") as connection:
        rows = connection.execute("FROM online_results WHERE k = ?", [k]).fetchall()
    for day, _, _, requests, hits, hit_rate, low, high in rows:
        assert (hit_rate, (low, high)) == (hits / requests, share_interval(hits, requests)), day
    return {(row[0], row[1]): (row[4], row[3]) for row in rows}


@pytest.fixture(autouse=True)
def _clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Events are received early: all are taken in."""
    monkeypatch.setattr("serving.state.events_sql.now_ms", lambda: DAY_1)


def test_hits_counted_by_hand(home: Home) -> None:
    show(home, "r1", "ann", DAY_1, "abcdefgh")
    show(home, "r2", "ben", DAY_1 + 1, "abcdefgh")
    show(home, "r3", "cat", DAY_1 + 2, "abcdefgh")
    show(home, "r4", "dan", DAY_1 + 3, "abcdefgh", version="2")
    show(home, "r5", "eve", DAY_2, "a")
    show(home, "r6", None, DAY_1, "a")  # nobody is known to have seen it
    show(home, "r7", "fay", DAY_1, "a", fallback="popularity")  # no model answered
    play(home, "e1", "ann", "a", DAY_1 + HOUR)  # rank 1
    play(home, "e2", "ben", "f", DAY_1 + HOUR)  # rank 6
    play(home, "e3", "cat", "z", DAY_1 + HOUR)  # never shown
    play(home, "e4", "dan", "b", DAY_1 + 3 + 24 * HOUR)  # the last moment
    play(home, "e5", "eve", "a", DAY_2 + 25 * HOUR)  # too late
    play(home, "e6", "fay", "a", DAY_1 + HOUR)
    assert results(home, 1) == {
        ("2026-01-01", "1"): (1, 3),
        ("2026-01-01", "2"): (0, 1),
        ("2026-01-02", "1"): (0, 1),
    }
    assert results(home, 5) == {
        ("2026-01-01", "1"): (1, 3),
        ("2026-01-01", "2"): (1, 1),
        ("2026-01-02", "1"): (0, 1),
    }
    assert results(home, 10)[("2026-01-01", "1")] == (2, 3)


def test_a_play_before_it_was_shown_or_of_another_answer_is_no_hit(home: Home) -> None:
    show(home, "r1", "ann", DAY_1 + HOUR, "ab")
    show(home, "r2", "ann", DAY_1 + HOUR + 1, "ab")
    play(home, "e1", "ann", "a", DAY_1)
    play(home, "e2", "ann", "b", DAY_1 + 2 * HOUR, request="r2")
    assert results(home, 10) == {("2026-01-01", "1"): (1, 2)}


@pytest.mark.slow
def test_a_play_reported_late_counts_for_its_day_and_old_days_stay(home: Home) -> None:
    show(home, "r1", "ann", DAY_1, "ab")
    show(home, "r2", "ann", DAY_3, "ab")
    assert results(home, 1) == {("2026-01-01", "1"): (0, 1)}
    play(home, "e1", "ann", "a", DAY_1 + HOUR)
    assert results(home, 1, "2026-01-03T12:00:00+00:00") == {
        ("2026-01-01", "1"): (1, 1),
        ("2026-01-03", "1"): (0, 1),
    }
    home.events_file.unlink()
    assert results(home, 1, "2026-01-30T12:00:00+00:00")[("2026-01-01", "1")] == (1, 1)


def test_without_a_store_there_are_no_results(home: Home) -> None:
    assert results(home, 10) == {}
