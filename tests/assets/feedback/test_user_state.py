"""The snapshot of user state: what is learned from, with the cut-off that lets the endpoint go on from it."""

from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from assets.feedback import all_interactions as uniting
from assets.feedback import events as receiving
from assets.feedback.events import CUTOFF_TAG
from assets.feedback.user_state import user_state
from assets.resources import Cleaning, Home, Source
from serving.state.events import Play, now_ms
from serving.state.events_sqlite import SqliteEventStore
from serving.state.user_state import SNAPSHOT_FILE, open_snapshot
from serving.users import Users
from tests.support.tables import publish

LIBRARIES = [
    ("u1", "b", 0, 90, None),
    ("u1", "a", 1, 61, None),
    ("u1", "c", 2, 60, None),
    ("u2", "b", 0, 70, None),
]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(path=str(tmp_path))
    publish(home.lake(), "interactions", LIBRARIES)
    publish(home.lake(), "catalogue", [("d", "Dee")])
    return home


@pytest.fixture
def store(home: Home) -> SqliteEventStore:
    return SqliteEventStore(home.events_file)


def materialize(home: Home, cutoff: str = "") -> dict[str, Any]:
    """A night; returns the metadata of the user state."""
    done = dg.materialize(
        [receiving.events, uniting.all_interactions, user_state],
        resources={"home": home, "cleaning": Cleaning(), "source": Source()},
        instance=dg.DagsterInstance.ephemeral(),
        tags={CUTOFF_TAG: cutoff} if cutoff else {},
    )
    (event,) = done.asset_materializations_for_node("user_state")
    return {name: value.value for name, value in event.metadata.items()}


def snapshot_file(home: Home) -> Path:
    return home.pointer_file.with_name(SNAPSHOT_FILE)


def test_it_holds_what_was_played_long_enough_oldest_first(home: Home) -> None:
    told = materialize(home)
    found = open_snapshot(snapshot_file(home))
    assert (found.users, found.cutoff) == (2, 0) and told["users"] == 2 and told["cut-off"] == "no events"
    assert found.history("u1") == ["b", "a"] and found.history("u2") == ["b"]


def test_before_and_after_a_night_a_history_is_the_same(home: Home, store: SqliteEventStore) -> None:
    users = Users(store, snapshot_file(home))
    store.add([[Play("e1", "u1", "d", 10**12), Play("e2", "u3", "b", 10**12)]])
    materialize(home)
    assert open_snapshot(snapshot_file(home)).cutoff == store.last_sequence()
    assert users.history("u1").items == ["b", "a", "d"] and users.history("u3").items == ["b"]
    store.add([[Play("e3", "u3", "d", 10**12 + 1)]])
    assert users.history("u3").items == ["b", "d"]
    materialize(home)
    assert open_snapshot(snapshot_file(home)).history("u3") == ["b", "d"] == users.history("u3").items


@pytest.mark.parametrize("dated", [False, True])
def test_what_a_user_played_stays_known_while_no_run_knows_the_game(
    home: Home, store: SqliteEventStore, dated: bool
) -> None:
    """It could be listed in the daytime, and would be recommended to who has played it."""
    start = 10**12
    if dated:
        publish(home.lake(), "interactions", [("u2", "b", 0, None, start), ("u2", "a", 1, None, start + 9)])
    events = [("e1", "d", 1), ("e2", "new", 2), ("e3", "new", 3), ("e4", "c" if dated else "a", 10)]
    store.add([[Play(event_id, "u2", item, start + at) for event_id, item, at in events]])
    if dated:
        publish(home.lake(), "catalogue", [("c", "Cee"), ("d", "Dee")])
    materialize(home)
    with home.lake().connect("event_quarantine") as connection:
        assert len(connection.execute("FROM event_quarantine").fetchall()) == 2
    users = Users(store, snapshot_file(home))
    expected = ["b", "d", "new", "a", "c"] if dated else ["b", "d", "new", "a"]
    assert users.history("u2").items == expected
    publish(home.lake(), "catalogue", [("c", "Cee"), ("d", "Dee"), ("new", "New")])
    materialize(home)
    assert users.history("u2").items == expected


def test_what_a_user_refused_is_in_no_history_while_no_run_knows_the_game(
    home: Home, store: SqliteEventStore
) -> None:
    store.add([[Play("e1", "u2", "new", 10**12)]])
    publish(home.lake(), "refusals", [("u2", "new", 10**12 + 1)])
    materialize(home)
    assert open_snapshot(snapshot_file(home)).history("u2") == ["b"]


def test_events_after_the_cut_off_of_a_run_stay_events(home: Home, store: SqliteEventStore) -> None:
    store.add([[Play("e1", "u1", "d", 10**12)]])
    materialize(home, cutoff="2020-01-01")
    found = open_snapshot(snapshot_file(home))
    assert (found.cutoff, found.history("u1")) == (0, ["b", "a"])
    assert Users(store, snapshot_file(home)).history("u1").items == ["b", "a", "d"]


def test_equal_inputs_give_equal_bytes_and_are_not_written_again(home: Home) -> None:
    materialize(home)
    first, written = snapshot_file(home).read_bytes(), snapshot_file(home).stat().st_mtime_ns
    materialize(home)
    assert snapshot_file(home).stat().st_mtime_ns == written
    snapshot_file(home).unlink()
    materialize(home)
    assert snapshot_file(home).read_bytes() == first
    snapshot_file(home).write_bytes(b"damaged")
    materialize(home)
    assert snapshot_file(home).read_bytes() == first
    snapshot_file(home).write_bytes(first[:-4096] + b"\xff" * 4096)  # a page that only some users are on
    materialize(home)
    assert snapshot_file(home).read_bytes() == first


def test_a_forgotten_user_is_hidden_at_once_and_gone_from_the_next_snapshot(
    home: Home, store: SqliteEventStore
) -> None:
    materialize(home)
    users = Users(store, snapshot_file(home))
    users.forget("u1")
    assert users.history("u1").items == [] and open_snapshot(snapshot_file(home)).history("u1") == ["b", "a"]
    materialize(home)
    assert open_snapshot(snapshot_file(home)).history("u1") == []
    assert b"u1" not in snapshot_file(home).read_bytes()
    assert users.history("u2").items == ["b"]


def test_a_clock_that_was_ahead_doubles_no_history(
    home: Home, store: SqliteEventStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The snapshot ends at a place in the order, not at a time."""
    with monkeypatch.context() as patched:
        patched.setattr("serving.state.events_sql.now_ms", lambda: now_ms() + 10**9)
        store.add([[Play("ahead", "u2", "d", 10**12)]])
    store.add([[Play("e1", "u1", "d", 10**12)]])
    materialize(home)
    users = Users(store, snapshot_file(home))
    assert users.history("u1").items == ["b", "a", "d"]
    store.add([[Play("e2", "u3", "d", 10**12)]])
    assert users.history("u3").items[-1:] == ["d"]
