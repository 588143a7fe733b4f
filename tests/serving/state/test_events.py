"""The event store: idempotent, ordered by arrival, forgetting for good, and shared between processes."""

import json
import sqlite3
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.state import events_sql as store_module
from serving.state.events import (
    MAX_LISTED,
    MAX_NAMES,
    Conflict,
    Event,
    EventStoreError,
    Forgotten,
    Impression,
    Listed,
    ListedItem,
    ListingFullError,
    Play,
    Stored,
)
from serving.state.events_sqlite import SqliteEventStore
from serving.state.events_statements import PAGE, TABLES


@pytest.fixture
def store(tmp_path: Path) -> SqliteEventStore:
    return SqliteEventStore(tmp_path / "events" / "events.db")


def shown(request_id: str, rank: int, user_id: str | None, at: int = 1) -> Impression:
    return Impression(request_id, rank, user_id, "10", 0.5, "7", None, at)


def test_events_come_back_as_they_were_sent(store: SqliteEventStore) -> None:
    assert store.add([[Play("e1", "u", "10", 5, "r1"), Play("e2", "u", "20")]]) == [Stored(2, 0, 0)]
    first, second = store.events()
    assert first == Event("e1", "u", "10", 5, first.received_at, "r1") and first.sequence == first.received_at
    assert second == Event("e2", "u", "20", second.received_at, first.received_at, None)
    assert store.last_sequence() == first.sequence


def test_a_repeated_event_is_counted_once(store: SqliteEventStore) -> None:
    timed, untimed = Play("e1", "u", "10", 5), Play("e2", "u", "20")
    store.add([[timed, untimed]])
    before = list(store.events())
    assert store.add([[timed, untimed, timed], [Play("e3", "u", "30")]]) == [Stored(0, 3, 0), Stored(1, 0, 0)]
    assert list(store.events())[:2] == before
    assert store.add([[Play("e4", "u", "1"), Play("e4", "u", "1")]]) == [Stored(1, 1, 0)]


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        (Play("e1", "v", "10", 5, "r"), "user_id"),
        (Play("e1", "u", "11", 5, "r"), "item_id"),
        (Play("e1", "u", "10", 6, "r"), "played_at"),
        (Play("e1", "u", "10", 5, None), "request_id"),
    ],
)
def test_a_request_with_a_conflict_stores_nothing_and_the_others_do(
    store: SqliteEventStore, changed: Play, field: str
) -> None:
    store.add([[Play("e1", "u", "10", 5, "r")]])
    before = list(store.events())
    answers = store.add([[Play("e2", "u", "1"), changed], [Play("e3", "u", "1")]])
    assert answers == [Conflict("e1", field), Stored(1, 0, 0)]
    assert [e.event_id for e in store.events()] == ["e1", "e3"] and [next(store.events())] == before


def test_the_order_rises_from_commit_to_commit_whatever_the_clock_says(
    store: SqliteEventStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter([1000, 1000, 400, 400, 2000])
    monkeypatch.setattr(store_module, "now_ms", lambda: next(clock))
    for i in range(3):
        store.add([[Play(f"e{i}", "u", "1")]])
    assert [(e.sequence, e.received_at) for e in store.events()] == [(1000, 1000), (1001, 1000), (1002, 400)]
    store.forget("u")  # the watermark stays although the rows are gone
    store.add([[Play("e9", "v", "1")]])
    assert [e.sequence for e in store.events()] == [2000]
    assert store.last_sequence() == 2000 and store.ahead_ms == 0
    clock = iter([1, 1])
    store.forget("v")
    store.add([[Play("e10", "w", "1")]])
    assert [(e.sequence, e.received_at, e.played_at) for e in store.events(after=2000)] == [(2002, 1, 1)]
    assert store.ahead_ms == 2001, "who asks is told that some clock is wrong"
    assert store.last_sequence(until_ms=1) == 2002 and store.last_sequence(until_ms=0) == 0


def test_events_are_read_in_pages_each_once(store: SqliteEventStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of one commit, and of several; what is stored meanwhile comes, too."""
    pages = store_module.NEXT_EVENTS.replace(str(PAGE), "2")
    shown_pages = store_module.NEXT_IMPRESSIONS.replace(str(PAGE), "2")
    monkeypatch.setattr(store_module, "NEXT_EVENTS", pages)
    monkeypatch.setattr(store_module, "NEXT_IMPRESSIONS", shown_pages)
    store.add([[Play(f"a{i}", "u", "1") for i in range(5)]], [shown("r", rank, None) for rank in range(1, 6)])
    store.add([[Play("b", "u", "1")]])
    reading = store.events()
    assert next(reading).event_id == "a0"
    store.add([[Play("c", "u", "1")]])
    assert [e.event_id for e in reading] == ["a1", "a2", "a3", "a4", "b", "c"]
    assert [i.rank for i in store.impressions()] == [1, 2, 3, 4, 5]


def test_plays_are_ordered_by_when_they_were_played(store: SqliteEventStore) -> None:
    store.add([[Play("e1", "u", "late", 30), Play("e2", "u", "early", 10), Play("e3", "v", "other", 5)]])
    cut = store.last_sequence()
    store.add([[Play("e4", "u", "middle", 20)]])
    assert store.plays("u") == ["early", "middle", "late"]
    assert store.plays("u", limit=2) == ["middle", "late"]
    assert store.plays("u", after=cut) == ["middle"]
    assert store.plays("nobody") == []


def test_the_chance_of_an_impression_is_kept_with_it_and_goes_with_its_user(store: SqliteEventStore) -> None:
    drawn = replace(shown("r", 2, "u"), propensity=0.125)
    store.add([], [shown("r", 1, "u"), drawn, replace(shown("s", 1, None), propensity=0.5)])
    assert [one.propensity for one in store.impressions()] == [None, 0.125, 0.5]
    store.add([], [replace(drawn, propensity=0.75)])
    assert list(store.impressions())[1] == drawn, "an answer is logged once"
    assert store.forget("u").impressions == 2
    with closing(sqlite3.connect(store.file)) as database:
        assert database.execute("SELECT request_id, propensity FROM propensities").fetchall() == [("s", 0.5)]


def test_a_forgotten_user_is_gone_and_stays_gone(store: SqliteEventStore) -> None:
    store.add([[Play("e1", "u", "1"), Play("e2", "v", "1")]], [shown("r", 1, "u"), shown("r", 2, None)])
    assert store.forget("u") == Forgotten(events=1, impressions=1)
    assert store.forget("u") == Forgotten(0, 0) and store.forget("w") == Forgotten(0, 0)
    assert store.is_forgotten("u") and not store.is_forgotten("v")
    assert store.forgotten_users() == ["u", "w"]
    late = [Play("e1", "u", "1"), Play("e3", "u", "1"), Play("e4", "v", "1")]
    assert store.add([late], [shown("r2", 1, "u")]) == [Stored(1, 0, 2)]
    assert {e.user_id for e in store.events()} == {"v"}
    assert list(store.impressions()) == [shown("r", 2, None)]


def test_nothing_of_a_forgotten_user_is_left_in_the_files(store: SqliteEventStore, tmp_path: Path) -> None:
    store.add([[Play("an-event", "u" * 40, "1")]], [shown("a-request", 1, "u" * 40)])
    store.forget("u" * 40)
    store.close()
    content = b"".join(path.read_bytes() for path in (tmp_path / "events").iterdir())
    assert b"an-event" not in content and b"a-request" not in content


def test_the_first_impression_of_a_request_and_rank_stays(store: SqliteEventStore) -> None:
    store.add([], [shown("r", 1, "u", at=1), shown("r", 1, "v", at=2), shown("s", 1, None, at=3)])
    assert list(store.impressions()) == [shown("r", 1, "u", at=1), shown("s", 1, None, at=3)]
    assert list(store.impressions(shown_from=2)) == [shown("s", 1, None, at=3)]


def test_a_failed_commit_stores_nothing_and_the_next_one_works(store: SqliteEventStore) -> None:
    bad = Impression("r", 1, "u", None, 0.5, "7", None, 1)  # type: ignore[arg-type]
    with pytest.raises(EventStoreError, match="cannot be read or written"):
        store.add([[Play("e1", "u", "1")]], [bad])
    assert list(store.events()) == []
    assert store.add([[Play("e1", "u", "1")]]) == [Stored(1, 0, 0)]


def test_what_the_database_refuses_is_an_error_of_the_store(store: SqliteEventStore) -> None:
    """Nobody who calls the store knows what keeps it."""
    store.add([[Play("e1", "u", "1")]])
    with sqlite3.connect(store.file) as connection:
        connection.executescript("DROP TABLE events; DROP TABLE impressions; DROP TABLE forgotten")
    calls: list[Callable[[], object]] = [
        lambda: store.add([[Play("e2", "u", "1")]]),
        lambda: store.forget("u"),
        lambda: store.is_forgotten("u"),
        store.forgotten_users,
        lambda: store.plays("u"),
        store.last_sequence,
        lambda: list(store.events()),
        lambda: list(store.impressions()),
    ]
    for call in calls:
        with pytest.raises(EventStoreError, match=r"events\.db cannot be read or written: no such table"):
            call()


@pytest.mark.parametrize("make", [lambda f: sqlite3.connect(f).execute("CREATE TABLE t (x)"), Path.touch])
def test_another_file_is_refused_in_one_sentence(tmp_path: Path, make: Callable[[Path], object]) -> None:
    make(tmp_path / "other.db")
    with pytest.raises(EventStoreError, match=r"other\.db is no event store of format 1"):
        SqliteEventStore(tmp_path / "other.db")


def test_what_is_no_database_is_refused_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("not a database at all, but long enough to look like one" * 20)
    for file in (tmp_path / "notes.txt", tmp_path / "notes.txt" / "events.db"):
        with pytest.raises(EventStoreError, match=r"The event store .* cannot be opened: .*\.$"):
            SqliteEventStore(file)


def test_a_place_that_cannot_be_looked_at_is_refused_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(EventStoreError, match=r"The event store .* cannot be opened: .*name too long.*\.$"):
        SqliteEventStore(tmp_path / ("long" * 100))


def test_a_refused_file_is_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "other.db").touch()
    opened, connect = [], sqlite3.connect
    monkeypatch.setattr(
        sqlite3, "connect", lambda *given, **named: opened.append(connect(*given, **named)) or opened[-1]
    )
    with pytest.raises(EventStoreError):
        SqliteEventStore(tmp_path / "other.db")
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        opened[-1].execute("SELECT 1")


def add_many(file: Path, writer: int) -> list[int]:
    store = SqliteEventStore(file)
    for i in range(40):
        store.add([[Play(f"{writer}-{i}", f"user{writer}", str(i), i), Play("shared", "all", "1", 1)]])
    return [e.received_at for e in store.events()]


@pytest.mark.parametrize("processes", [False, True])
def test_writers_that_start_together_share_one_store(tmp_path: Path, processes: bool) -> None:
    file = tmp_path / "events.db"
    pool = ProcessPoolExecutor(4, get_context("spawn")) if processes else ThreadPoolExecutor(4)
    with pool:
        seen = list(pool.map(add_many, [file] * 4, range(4)))
    store = SqliteEventStore(file)
    stored = list(store.events())
    assert len(stored) == 4 * 40 + 1 == len({e.event_id for e in stored})
    assert all(arrivals == sorted(arrivals) for arrivals in seen)
    assert store.plays("user2") == [str(i) for i in range(40)]
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == []


PLAYS = st.builds(
    Play,
    event_id=st.sampled_from(["a", "b", "c"]),
    user_id=st.sampled_from(["u", "v"]),
    item_id=st.sampled_from(["1", "2"]),
    played_at=st.sampled_from([None, 5]),
)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.one_of(st.lists(PLAYS, max_size=4), st.sampled_from(["u", "v"])), max_size=8))
def test_any_order_of_calls_gives_what_a_plain_dictionary_gives(
    tmp_path_factory: pytest.TempPathFactory, calls: list[list[Play] | str]
) -> None:
    store = SqliteEventStore(tmp_path_factory.mktemp("model") / "events.db")
    known: dict[str, Play] = {}
    gone: set[str] = set()
    for call in calls:
        if isinstance(call, str):
            store.forget(call)
            gone.add(call)
            known = {name: play for name, play in known.items() if play.user_id != call}
            continue
        (answer,) = store.add([call])
        if isinstance(answer, Stored):
            for play in call:
                if play.user_id not in gone:
                    known.setdefault(play.event_id, play)
            assert answer.stored + answer.repeated + answer.forgotten == len(call)
    found = {e.event_id: e for e in store.events()}
    assert found.keys() == known.keys()
    for name, play in known.items():
        assert (found[name].user_id, found[name].item_id) == (play.user_id, play.item_id)
        assert found[name].played_at == (play.played_at or found[name].received_at)
    store.close()


def test_the_store_keeps_what_is_listed_and_tells_of_every_change(store: SqliteEventStore) -> None:
    states = [store.listing_state()]
    one, two = ListedItem("b", "B", "{}"), ListedItem("a", "A", "{}")
    assert store.list_items([one, two]) == Listed(2, 0)
    states.append(store.listing_state())
    assert store.list_items([two]) == Listed(0, 1)
    states.append(store.listing_state())
    assert store.listed_items() == [two, one]
    assert store.unlist("a") and not store.unlist("a")
    states.append(store.listing_state())
    assert store.list_items([two]) == Listed(1, 0)
    states.append(store.listing_state())
    assert len(set(states)) == len(states)


def test_more_than_the_most_are_refused_whole(store: SqliteEventStore) -> None:
    store.list_items([ListedItem(str(i), "", "{}") for i in range(MAX_LISTED)])
    with pytest.raises(ListingFullError):
        store.list_items([ListedItem("0", "new", "{}"), ListedItem("one more", "", "{}")])
    assert len(store.listed_items()) == MAX_LISTED and store.listed_items()[0].title == ""
    assert store.list_items([ListedItem("0", "new", "{}")]) == Listed(0, 1)


def test_more_attributes_than_the_most_are_refused_whole(store: SqliteEventStore) -> None:
    """Each is a column as long as the catalogue, in every worker, also after the next start."""

    def item(item_id: str, *names: int) -> ListedItem:
        return ListedItem(item_id, "", json.dumps({str(name): 1 for name in names}))

    store.list_items([item("a", *range(50)), item("b", *range(50, MAX_NAMES))])
    with pytest.raises(ListingFullError, match="attributes"):
        store.list_items([item("c"), item("d", MAX_NAMES)])
    assert [listed.item_id for listed in store.listed_items()] == ["a", "b"]
    assert store.list_items([item("c", 0, MAX_NAMES - 1), item("d")]) == Listed(2, 0)


def test_no_chance_is_kept_of_an_impression_that_is_not(store: SqliteEventStore) -> None:
    store.forget("ada")
    drawn = [replace(shown(user, 1, user), propensity=0.25) for user in ("ada", "bob")]
    store.add([], drawn)
    assert [(one.user_id, one.propensity) for one in store.impressions()] == [("bob", 0.25)]
    with closing(sqlite3.connect(store.file)) as connection:
        assert connection.execute("SELECT request_id FROM propensities").fetchall() == [("bob",)]


def test_every_table_is_measured_and_cleaned_up(store: SqliteEventStore) -> None:
    with closing(sqlite3.connect(store.file)) as connection:
        made = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    assert {name for (name,) in made} == set(TABLES)
