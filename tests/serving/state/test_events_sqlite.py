"""The file of an event store that is removed, exchanged or written over while it is open."""

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from serving.state import events_sql, events_sqlite
from serving.state.events import EventStoreError, Play, Stored
from serving.state.events_sqlite import SqliteEventStore


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SqliteEventStore]:
    monkeypatch.setattr(events_sql, "AGAIN_SECONDS", 0.0)
    store = SqliteEventStore(tmp_path / "events" / "events.db")
    assert store.add([[Play("before", "u", "1")]]) == [Stored(1, 0, 0)]
    yield store
    store.close()


def send(store: SqliteEventStore, event_id: str) -> str:
    """Empty where it was acknowledged, else the sentence."""
    try:
        assert store.add([[Play(event_id, "u", "1")]]) == [Stored(1, 0, 0)]
    except EventStoreError as error:
        return str(error)
    return ""


def kept(file: Path) -> list[str]:
    """What the next service finds under this name."""
    with closing(SqliteEventStore(file)) as other:
        return [event.event_id for event in other.events()]


def copy_of(file: Path, to: Path) -> Path:
    with closing(sqlite3.connect(file)) as source, closing(sqlite3.connect(to)) as target:
        source.backup(target)
    return to


def files_of(store: SqliteEventStore) -> list[Path]:
    return sorted(store.file.parent.glob("events.db*"))


def test_a_removed_store_takes_nothing_until_it_is_back(store: SqliteEventStore, tmp_path: Path) -> None:
    aside = copy_of(store.file, tmp_path / "aside.db")
    for file in files_of(store):
        file.unlink()
    for _ in range(2):
        assert "is not there any more: put it back" in send(store, "lost")
    assert not store.file.exists(), "no new one without those who are forgotten in it"
    aside.rename(store.file)
    assert send(store, "after") == "" and kept(store.file) == ["before", "after"]


def test_a_removed_folder_is_told_and_its_return_noticed(store: SqliteEventStore, tmp_path: Path) -> None:
    folder = store.file.parent.rename(tmp_path / "moved")
    assert "is not there any more" in send(store, "lost")
    folder.rename(store.file.parent)
    assert send(store, "after") == "" and kept(store.file) == ["before", "after"]


def test_a_store_put_in_its_place_is_the_one_that_is_written(store: SqliteEventStore, tmp_path: Path) -> None:
    aside = copy_of(store.file, tmp_path / "aside.db")
    send(store, "of the one before")
    aside.replace(store.file)
    for file in files_of(store)[1:]:
        file.unlink()
    assert [send(store, f"after-{number}") for number in range(2)] == ["", ""]
    assert kept(store.file) == ["before", "after-0", "after-1"]


def test_a_store_put_beside_the_log_of_the_one_before_is_not_mixed_with_it(
    store: SqliteEventStore, tmp_path: Path
) -> None:
    aside = copy_of(store.file, tmp_path / "aside.db")
    send(store, "of the one before")
    aside.replace(store.file)
    for _ in range(2):
        assert "was exchanged beside the log of the one before" in send(store, "lost")
    for file in files_of(store)[1:]:
        file.unlink()
    assert send(store, "after") == "" and kept(store.file) == ["before", "after"]


def test_a_store_of_before_that_is_put_back_gets_what_it_lacks(
    store: SqliteEventStore, tmp_path: Path
) -> None:
    old = copy_of(store.file, tmp_path / "old.db")
    with closing(sqlite3.connect(old)) as connection:
        connection.executescript("DROP TABLE clocks; DROP TABLE listed_items; PRAGMA application_id = 0;")
    for file in files_of(store):
        file.unlink()
    old.rename(store.file)
    assert send(store, "after") == "" and store.listed_items() == []


@pytest.mark.parametrize("names", [("-wal",), ("-shm",), ("-wal", "-shm")])
def test_without_its_log_nothing_is_acknowledged_that_does_not_last(
    store: SqliteEventStore, names: tuple[str, ...]
) -> None:
    for name in names:
        store.file.with_name(f"events.db{name}").unlink()
    said = [send(store, f"after-{number}") for number in range(3)]
    store.close()
    there = kept(store.file)
    assert all((f"after-{number}" in there) is not bool(sentence) for number, sentence in enumerate(said))


def test_a_file_that_goes_within_a_commit_is_not_acknowledged(
    store: SqliteEventStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    insert = events_sql._add_request

    def and_remove(*given: object) -> object:
        for file in files_of(store):
            file.unlink(missing_ok=True)
        return insert(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(events_sql, "_add_request", and_remove)
    assert "was removed or exchanged while it was written" in send(store, "lost")


def test_another_store_written_over_it_is_never_mixed_with_it(
    store: SqliteEventStore, tmp_path: Path
) -> None:
    with closing(SqliteEventStore(tmp_path / "other.db")) as other:
        other.add([[Play("other", "u", "1")]])
    shutil.copyfile(tmp_path / "other.db", store.file)
    for _ in range(2):
        assert "was written over while it was in use, and takes nothing" in send(store, "lost")
    for file in files_of(store)[1:]:  # as the sentence says
        file.unlink()
    (tmp_path / "other.db").rename(store.file)
    assert send(store, "after") == "" and kept(store.file) == ["other", "after"]


def test_an_older_copy_written_over_it_is_noticed(store: SqliteEventStore, tmp_path: Path) -> None:
    aside = copy_of(store.file, tmp_path / "aside.db")
    store.add([[Play(f"more-{number}" * 9, "u", "1") for number in range(2_000)]])
    with closing(sqlite3.connect(store.file)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    assert send(store, "seen") == ""
    shutil.copyfile(aside, store.file)
    assert "was written over while it was in use" in send(store, "lost")


def test_an_emptied_file_is_told(store: SqliteEventStore) -> None:
    store.file.write_bytes(b"")
    assert "was emptied while it was in use" in send(store, "lost")


def make_folder(file: Path) -> None:
    file.mkdir()


def make_newer(file: Path) -> None:
    SqliteEventStore(file).close()
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA user_version = 99")


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda file: file.write_text("garbage" * 1000), "cannot be opened: file is not a database"),
        (make_folder, "cannot be opened: unable to open database file"),
        (make_newer, "is of format 99, written by a newer release"),
    ],
)
def test_what_cannot_be_opened_is_tried_again_and_works_once_it_can(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Callable[[Path], object], sentence: str
) -> None:
    monkeypatch.setattr(events_sql, "AGAIN_SECONDS", 0.0)
    file = tmp_path / "events.db"
    make(file)
    with closing(SqliteEventStore(file, at_once=False)) as store:
        for call in (lambda: send(store, "lost"), lambda: send(store, "lost")):
            assert sentence in call()
        file.rename(tmp_path / "away")
        assert send(store, "after") == "" and kept(file) == ["after"]


def test_a_store_that_refused_is_left_alone_for_a_moment(tmp_path: Path) -> None:
    with closing(SqliteEventStore(tmp_path / "events.db", at_once=False)) as store:
        make_folder(store.file)
        assert "cannot be opened" in send(store, "lost")
        store.file.rmdir()
        assert "cannot be opened" in send(store, "lost")


def test_a_reader_makes_and_changes_nothing(store: SqliteEventStore, tmp_path: Path) -> None:
    with closing(SqliteEventStore(tmp_path / "none.db", at_once=False, reader=True)) as reader:
        with pytest.raises(EventStoreError, match="is not there any more"):
            reader.plays("u")
        assert not reader.file.exists()
    with closing(SqliteEventStore(store.file, at_once=False, reader=True)) as reader:
        assert reader.plays("u") == ["1"]
        with pytest.raises(EventStoreError, match="readonly"):
            reader.add([[Play("e", "u", "1")]])


def test_forgetting_waits_for_no_reader_and_says_whether_the_log_is_wiped(
    store: SqliteEventStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events_sqlite, "WIPE_TRIES", 1)
    with closing(sqlite3.connect(store.file)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM events").fetchall()
        assert not store.forget("u").wiped
    assert store.forget("u").wiped
