"""A user's history: the snapshot and the events since; forgotten users have none."""

import sqlite3
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from serving import telemetry
from serving.state.events import EventStoreError, Play
from serving.state.events_sqlite import SqliteEventStore
from serving.state.user_state import SNAPSHOT_FILE, Snapshot, UserStateError, open_snapshot, write_snapshot
from serving.users import History, Users

HISTORIES = [("ada", ["10", "20"]), ("bob", ["30"])]


@pytest.fixture
def store(tmp_path: Path) -> SqliteEventStore:
    return SqliteEventStore(tmp_path / "events.db")


@pytest.fixture
def snapshot(tmp_path: Path) -> Path:
    return tmp_path / SNAPSHOT_FILE


def test_a_snapshot_says_what_it_was_given(snapshot: Path) -> None:
    assert write_snapshot(snapshot, HISTORIES, "abc", cutoff=5) == 2
    found = open_snapshot(snapshot)
    assert (found.fingerprint, found.cutoff, found.users) == ("abc", 5, 2)
    assert found.history("ada") == ["10", "20"] and found.history("eve") == []
    assert write_snapshot(snapshot, [], "abc", cutoff=0) == 0
    assert open_snapshot(snapshot).history("ada") == []
    assert found.history("ada") == ["10", "20"]  # an open one stays as it is


def test_equal_histories_give_equal_bytes(tmp_path: Path) -> None:
    many = [(f"user{i:05}", [str(j) for j in range(i % 50)]) for i in range(3_000)]
    for name in ("a.db", "b.db"):
        write_snapshot(tmp_path / name, iter(many), "abc", cutoff=5)
    assert (tmp_path / "a.db").read_bytes() == (tmp_path / "b.db").read_bytes()


def test_a_snapshot_that_fails_half_way_leaves_the_old_one_and_nothing_else(snapshot: Path) -> None:
    write_snapshot(snapshot, HISTORIES, "abc", cutoff=5)
    with pytest.raises(Exception, match="UNIQUE"):
        write_snapshot(snapshot, [("ada", []), ("ada", [])], "def", cutoff=6)
    assert open_snapshot(snapshot).fingerprint == "abc"
    assert list(snapshot.parent.iterdir()) == [snapshot]


@pytest.mark.parametrize("content", [b"", b"not a database, but long enough to be taken for one" * 90])
def test_what_is_no_snapshot_is_refused_in_one_sentence(snapshot: Path, content: bytes) -> None:
    snapshot.write_bytes(content)
    with pytest.raises(UserStateError, match=r"users\.db (is no user state of format 1|cannot be read)"):
        open_snapshot(snapshot)


def test_a_history_is_the_snapshot_and_the_events_since(store: SqliteEventStore, snapshot: Path) -> None:
    users = Users(store, snapshot)
    assert users.history("ada").items == []
    store.add([[Play("e1", "ada", "20")]])
    assert users.history("ada").items == ["20"]
    write_snapshot(snapshot, HISTORIES, "abc", store.last_sequence())  # it has this event
    assert users.history("ada").items == ["10", "20"]
    store.add([[Play("e2", "ada", "50", 7), Play("e3", "ada", "40", 6), Play("e4", "cy", "1")]])
    assert users.history("ada").items == ["10", "20", "40", "50"]
    assert users.history("cy").items == ["1"] and users.history("bob").items == ["30"]
    assert users.history("eve").items == [] and not users.history("eve").stale


def test_a_forgotten_user_has_no_history_whatever_the_snapshot_holds(
    store: SqliteEventStore, snapshot: Path
) -> None:
    users = Users(store, snapshot)
    write_snapshot(snapshot, HISTORIES, "abc", cutoff=0)
    store.add([[Play("e1", "ada", "20")]])
    users.forget("ada")
    assert users.history("ada").items == [] and users.history("bob").items == ["30"]


def test_the_snapshot_alone_is_enough(snapshot: Path) -> None:
    write_snapshot(snapshot, HISTORIES, "abc", cutoff=0)
    assert Users(None, snapshot).history("ada").items == ["10", "20"]


def test_a_replaced_snapshot_is_followed_and_a_broken_one_is_not(
    store: SqliteEventStore, snapshot: Path
) -> None:
    users = Users(store, snapshot)
    write_snapshot(snapshot, HISTORIES, "abc", cutoff=0)
    assert users.history("bob").items == ["30"]
    write_snapshot(snapshot, [("bob", ["31"])], "def", cutoff=0)
    assert users.history("bob").items == ["31"] and users.history("ada").items == []
    aside = snapshot.with_name("broken")
    aside.write_bytes(b"")
    aside.replace(snapshot)
    assert users.history("bob").items == ["31"]
    assert telemetry.USER_STATE_FAILING._value.get() == 1
    snapshot.unlink()
    assert users.history("bob").items == ["31"]
    write_snapshot(snapshot, HISTORIES, "abc", cutoff=0)
    assert users.history("bob").items == ["30"]
    assert telemetry.USER_STATE_FAILING._value.get() == 0


def test_only_the_newest_items_of_a_very_long_history_are_kept(
    store: SqliteEventStore, snapshot: Path
) -> None:
    write_snapshot(snapshot, [("ada", [str(i) for i in range(9_999)])], "abc", cutoff=0)
    store.add([[Play(f"e{i}", "ada", f"new{i}", i) for i in range(3)]])
    history = Users(store, snapshot).history("ada").items
    assert len(history) == 10_000 and list(history[:1]) == ["2"] and list(history[-2:]) == ["new1", "new2"]


def test_who_asks_while_the_snapshot_is_opened_waits_for_it(
    snapshot: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slowly(file: Path) -> Snapshot:
        time.sleep(0.2)
        return open_snapshot(file)

    write_snapshot(snapshot, HISTORIES, "abc", cutoff=0)
    monkeypatch.setattr("serving.users.open_snapshot", slowly)
    users = Users(None, snapshot)
    with ThreadPoolExecutor(4) as pool:
        assert [list(found.items) for found in pool.map(users.history, ["bob"] * 4)] == [["30"]] * 4


def test_where_the_store_cannot_be_asked_the_snapshot_answers_and_says_so(
    store: SqliteEventStore, snapshot: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_snapshot(snapshot, HISTORIES, "abc", cutoff=0)
    store.add([[Play("e1", "ada", "40")]])
    users = Users(store, snapshot, reader=SqliteEventStore(store.file, at_once=False, reader=True))
    assert users.history("ada") == History(["10", "20", "40"])
    users.forget("bob")
    asked = list[str]()

    def away(self: SqliteEventStore, user_id: str) -> bool:
        asked.append(user_id)
        raise EventStoreError("The event store is away.")

    with monkeypatch.context() as patched:
        patched.setattr(SqliteEventStore, "is_forgotten", away)
        before = telemetry.STALE_HISTORIES._value.get()
        assert users.history("ada") == History(["10", "20"], stale=True)
        assert users.history("bob") == History([], stale=True), "who is forgotten stays so"
        assert asked == ["ada", "ada"], "a store that fails is left alone for a moment"
        assert telemetry.STALE_HISTORIES._value.get() == before + 2
    monkeypatch.setattr("serving.users.PATIENCE_SECONDS", 0.0)
    assert users.history("ada") == History(["10", "20", "40"])


def test_where_nobody_knows_who_was_forgotten_no_snapshot_answers(
    store: SqliteEventStore, snapshot: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_snapshot(snapshot, HISTORIES, "abc", cutoff=0)
    store.file.unlink()
    with pytest.raises(EventStoreError, match="is not there any more"):
        Users(store, snapshot, SqliteEventStore(store.file, at_once=False, reader=True)).history("ada")


def test_a_history_waits_for_nobody_who_writes(store: SqliteEventStore, snapshot: Path) -> None:
    store.add([[Play("e1", "ada", "40")]])
    users = Users(store, snapshot, SqliteEventStore(store.file, at_once=False, reader=True))
    writer = sqlite3.connect(store.file, isolation_level=None)
    writer.execute("BEGIN EXCLUSIVE")
    writer.execute("DELETE FROM events")
    started = time.monotonic()
    assert users.history("ada") == History(["40"])
    assert time.monotonic() - started < 0.2
    writer.execute("ROLLBACK")
    writer.close()


def test_a_snapshot_that_is_damaged_in_the_middle_is_told_and_made_anew(snapshot: Path) -> None:
    many = [(f"user{i:05}", [str(j) for j in range(i % 50)]) for i in range(3_000)]
    write_snapshot(snapshot, many, "abc", cutoff=0)
    assert open_snapshot(snapshot).is_whole()
    content = bytearray(snapshot.read_bytes())
    content[4096 * 20 : 4096 * 24] = b"\xff" * 4096 * 4
    snapshot.write_bytes(content)
    users, told = Users(None, snapshot), 0
    for user, items in many:
        try:
            assert users.history(user).items == items
        except UserStateError as error:
            told += 1
            assert str(error).startswith("The user state is damaged: ")
    assert 0 < told < len(many) and telemetry.USER_STATE_FAILING._value.get() == 1
    assert not open_snapshot(snapshot).is_whole()
    write_snapshot(snapshot, HISTORIES, "abc", cutoff=0)
    assert users.history("bob").items == ["30"] and telemetry.USER_STATE_FAILING._value.get() == 0


def test_who_forgets_one_user_does_not_know_of_the_others(
    store: SqliteEventStore, snapshot: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_snapshot(snapshot, HISTORIES, "abc", cutoff=0)
    store.forget("bob")  # by another worker, before anybody asked this one
    users = Users(store, snapshot)
    users.forget("carl")

    def away(self: SqliteEventStore, *_: str) -> bool:
        raise EventStoreError("The event store is away.")

    monkeypatch.setattr(SqliteEventStore, "forgotten_users", away)
    monkeypatch.setattr(SqliteEventStore, "is_forgotten", away)
    with pytest.raises(EventStoreError, match="away"):
        users.history("bob")


def test_a_list_of_the_forgotten_that_comes_late_takes_nobody_back(
    store: SqliteEventStore, snapshot: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_snapshot(snapshot, HISTORIES, "abc", cutoff=0)
    users, read, forgotten = Users(store, snapshot), threading.Event(), threading.Event()
    users.history("eve")  # so that the list is known
    listed = SqliteEventStore.forgotten_users

    def slowly(self: SqliteEventStore) -> list[str]:
        found = listed(self)
        read.set()
        forgotten.wait(0.2)
        return found

    monkeypatch.setattr(SqliteEventStore, "forgotten_users", slowly)
    monkeypatch.setattr("serving.users.LIST_SECONDS", 0.0)
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(users.history, "eve")
        read.wait()
        users.forget("ada")
        forgotten.set()
        asked.result()

    def away(self: SqliteEventStore, *_: str) -> bool:
        raise EventStoreError("The event store is away.")

    monkeypatch.setattr(SqliteEventStore, "forgotten_users", away)
    assert users.history("ada") == History([], stale=True)


def test_what_a_killed_run_left_of_a_snapshot_goes_with_the_next(snapshot: Path) -> None:
    snapshot.with_name(f".{snapshot.name}.4194305").write_bytes(b"half")  # of a process that is gone
    write_snapshot(snapshot, HISTORIES, "abc", cutoff=0)
    assert list(snapshot.parent.iterdir()) == [snapshot]
