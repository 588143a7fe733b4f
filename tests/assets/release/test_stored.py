"""What goes from the event store, and what stays however old it is."""

from datetime import timedelta
from pathlib import Path

import pytest

from assets.feedback.impressions import day_of, start_ms
from assets.release import stored
from assets.release.stored import trim
from assets.resources import Home, Retention
from models.feedback import REFUSAL
from serving.state.events import Event, Impression, Play, now_ms
from serving.state.events_sqlite import SqliteEventStore
from serving.state.user_state import SNAPSHOT_FILE, write_snapshot
from tests.support.tables import publish

TODAY = day_of(now_ms())
KEEP = Retention(events_days=10, impressions_days=10)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    for name in ("NEXTPLAY_EVENTS", "NEXTPLAY_DATABASE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(stored, "PAUSE_SECONDS", 0.0)
    return Home(path=str(tmp_path / "home"))


@pytest.fixture
def store(home: Home, monkeypatch: pytest.MonkeyPatch) -> SqliteEventStore:
    """One event and one answer a day, for 30 days."""
    store = SqliteEventStore(home.events_file)
    for days in range(30, -1, -1):
        at = start_ms(TODAY - timedelta(days=days)) + 5
        monkeypatch.setattr("serving.state.events_sql.now_ms", lambda at=at: at)
        shown = [Impression(f"r{days}", rank, "u", "i", 0.5, "1", None, at) for rank in (1, 2, 3)]
        store.add([[Play(f"e{days}", "u", f"i{days}")]], shown)
    return store


def take_in(home: Home, events: list[Event]) -> None:
    """As a run does."""
    rows = [
        (e.event_id, e.user_id, e.item_id, e.played_at, e.received_at, None, str(day_of(e.received_at)))
        for e in events
    ]
    publish(home.lake(), "events", rows)
    cutoff = max((event.sequence for event in events), default=0)
    write_snapshot(home.pointer_file.with_name(SNAPSHOT_FILE), [], "abc", cutoff)


def count(home: Home, days_ago: int) -> None:
    day = str(TODAY - timedelta(days=days_ago))
    publish(home.lake(), "online_results", [(day, "1", 10, 5, 1, 0.2, 0.1, 0.3)])
    publish(home.lake(), "drift", [(day, "1", "item popularity", 0.1, 0.0, 0.2, 0.3, 50, False)])


def ages(store: SqliteEventStore) -> tuple[int, int]:
    """Days since the oldest event, and since the oldest impression."""
    event, shown = next(store.events()), next(store.impressions())
    return (TODAY - day_of(event.received_at)).days, (TODAY - day_of(shown.shown_at)).days


def test_what_is_old_and_taken_in_goes(home: Home, store: SqliteEventStore) -> None:
    take_in(home, list(store.events()))
    count(home, days_ago=0)
    assert trim(home, KEEP) == {"events": 20, "impressions": 60}
    assert ages(store) == (10, 10)
    assert trim(home, KEEP) == {"events": 0, "impressions": 0}


def test_nothing_goes_before_a_night_has_it(home: Home, store: SqliteEventStore) -> None:
    take_in(home, [])
    assert trim(home, KEEP) == {"events": 0, "impressions": 0}
    take_in(home, [event for event in store.events() if event.event_id != "e30"][:5])
    assert trim(home, KEEP) == {"events": 5, "impressions": 0}
    assert ages(store) == (30, 30), "the oldest was never taken in"
    assert [event.event_id for event in store.events()][:2] == ["e30", "e24"]


def test_what_may_be_counted_again_stays(home: Home, store: SqliteEventStore) -> None:
    """The last run that counted was 25 days ago, and the next one makes the three days up to then again."""
    take_in(home, [])
    count(home, days_ago=25)
    assert trim(home, KEEP)["impressions"] == 3 * 3
    assert ages(store)[1] == 27


@pytest.mark.parametrize("named", [[], [39]], ids=["never", "once"])
def test_where_nobody_is_named_impressions_go_all_the_same(
    home: Home, monkeypatch: pytest.MonkeyPatch, named: list[int]
) -> None:
    """Answers to histories alone are counted by no row of online_results: they stayed for ever."""
    store = SqliteEventStore(home.events_file)
    for days in range(40, -1, -1):
        at = start_ms(TODAY - timedelta(days=days)) + 5
        store.add([], [Impression(f"r{days}", 1, None, "i", 0.5, "1", None, at)])
    take_in(home, [])
    rows = [(str(TODAY - timedelta(days=days)), "1", 10, 5, 1, 0.2, 0.1, 0.3) for days in named]
    publish(home.lake(), "online_results", rows)
    day = str(TODAY - timedelta(days=1))
    publish(home.lake(), "drift", [(day, "1", "fallbacks", 5, 0.1, 0.2, None, 0.1, 0.3, False)])
    assert trim(home, KEEP)["impressions"] == 40 - 31
    oldest = next(store.impressions())
    assert (TODAY - day_of(oldest.shown_at)).days == 31, "the next run looks back thirty days"


def test_the_newest_event_stays_so_that_the_order_goes_on(home: Home, store: SqliteEventStore) -> None:
    take_in(home, list(store.events()))
    assert trim(home, Retention(events_days=1, impressions_days=1))["events"] == 29
    last = store.last_sequence()
    store.remove_events(["e1"])
    store.add([[Play("next", "u", "i")]])
    assert store.last_sequence() > last


def test_a_store_without_a_night_is_left_alone(home: Home, store: SqliteEventStore, tmp_path: Path) -> None:
    apart = Home(path=str(tmp_path / "home" / "as_served" / "last"), events=str(store.file))
    assert trim(apart, KEEP) == {}
    assert trim(Home(path=str(tmp_path / "other")), KEEP) == {}


def test_what_is_removed_gives_its_space_back(home: Home, store: SqliteEventStore) -> None:
    many = [Impression(f"old{n:05}", 1, None, "i" * 200, 0.5, "1", None, n) for n in range(4_000)]
    store.add([], many)
    take_in(home, list(store.events()))
    count(home, days_ago=0)
    store.compact()
    before = store.size()
    trim(home, KEEP)
    after = store.size()
    assert after.tables < before.tables / 3 and after.log <= 64 * 2**20


def test_a_refusal_that_a_play_ended_does_not_count_again(home: Home, store: SqliteEventStore) -> None:
    at = start_ms(TODAY - timedelta(days=40))
    refusals = [
        Play(f"no-{item}", "u", item, at, kind="dislike", counts=REFUSAL) for item in ("i30", "other")
    ]
    store.add([refusals])
    assert store.refused("u") == {"other"}
    take_in(home, list(store.events()))
    assert trim(home, KEEP)["events"] == 20
    assert store.refused("u") == {"other"}


def test_a_clock_that_was_ahead_keeps_nothing_for_years(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """For one event it was ten years ahead: since then each commit has a number that is."""
    store = SqliteEventStore(home.events_file)
    for days in range(30, -1, -1):
        ahead = 3_650 if days == 25 else 0
        at = start_ms(TODAY - timedelta(days=days - ahead)) + 5
        monkeypatch.setattr("serving.state.events_sql.now_ms", lambda at=at: at)
        store.add(
            [[Play(f"e{days}", "u", f"i{days}"), Play(f"w{days}", "u", "i", kind="wishlist", counts=0)]]
        )
    take_in(home, list(store.events()))
    assert trim(home, KEEP)["events"] == 20 + 19  # what it dated itself in feedback stays that long
    assert [event.event_id for event in store.events()] == [f"e{days}" for days in range(10, -1, -1)]
    assert len(list(store.feedback())) == 12 and trim(home, KEEP)["events"] == 0
    last = store.last_sequence()
    store.add([[Play("next", "u", "i")]])
    assert store.last_sequence() == last + 1


def test_what_was_told_goes_with_its_play_and_what_counts_nothing_after_its_days(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A play with a value, a like and a wish; a refusal stays until a play ends it."""
    store = SqliteEventStore(home.events_file)
    for days in (30, 5):
        at = start_ms(TODAY - timedelta(days=days)) + 7
        monkeypatch.setattr("serving.state.events_sql.now_ms", lambda at=at: at)
        told = [
            Play(f"hours-{days}", "v", "a", value=2.5),
            Play(f"like-{days}", "v", "b", kind="like"),
            Play(f"wish-{days}", "v", "c", kind="wishlist", counts=0),
            Play(f"no-{days}", "v", f"d{days}", kind="dislike", counts=REFUSAL),
        ]
        store.add([told])
    take_in(home, list(store.events()))
    assert trim(home, KEEP)["events"] == 2 + 1
    assert trim(home, KEEP)["events"] == 0
    left = [(told.kind, told.item_id) for told in store.feedback()]
    assert left[0] == ("dislike", "d30") and len(left) == 1 + 4
    assert store.refused("v") == {"d30", "d5"}
