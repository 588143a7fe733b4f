"""make forget: what it removes, and what it says."""

from pathlib import Path

import pytest

from pipelines.operator.cli import answer
from pipelines.resources import home_of, read_settings
from serving.state.events import Impression, Play
from serving.state.events_sqlite import SqliteEventStore


@pytest.fixture
def events_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NEXTPLAY_HOME", str(tmp_path))
    monkeypatch.delenv("NEXTPLAY_EVENTS", raising=False)
    return tmp_path / "events" / "events.db"


def test_a_user_is_forgotten_by_one_command(events_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = SqliteEventStore(events_file)
    store.add([[Play("e1", "ada", "1"), Play("e2", "bob", "1")]])
    store.add([], [Impression("r", 1, "ada", "1", 0.5, "7", None, 1)])
    assert answer(["forget", "ada"]) == 0
    assert capsys.readouterr().out == (
        "The user ada is forgotten: 1 events and 1 impressions are removed, the history is hidden; "
        "make run removes the user from the tables.\n"
    )
    assert store.forgotten_users() == ["ada"] and [e.user_id for e in store.events()] == ["bob"]


def test_a_user_can_be_forgotten_before_there_is_a_store(events_file: Path) -> None:
    assert answer(["forget", "ada"]) == 0
    assert SqliteEventStore(events_file).forgotten_users() == ["ada"]


def test_the_stores_place_is_the_endpoints_setting(
    events_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NEXTPLAY_EVENTS", str(tmp_path / "elsewhere.db"))
    assert answer(["forget", "ada"]) == 0
    assert (
        SqliteEventStore(tmp_path / "elsewhere.db").forgotten_users() == ["ada"] and not events_file.exists()
    )


def test_the_store_that_is_named_comes_before_the_shared_database(
    events_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NEXTPLAY_DATABASE", "postgresql://me@127.0.0.1:1/none")
    monkeypatch.setenv("NEXTPLAY_EVENTS", str(tmp_path / "elsewhere.db"))
    SqliteEventStore(tmp_path / "elsewhere.db").close()
    store = home_of(read_settings()).event_store()
    assert store is not None and store.file == tmp_path / "elsewhere.db"


def test_a_store_that_is_none_is_told_in_one_sentence(
    events_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    events_file.parent.mkdir()
    events_file.write_text("no database")
    assert answer(["forget", "ada"]) == 1
    told = capsys.readouterr().err
    assert told.startswith("The event store ") and told.count("\n") == 1


@pytest.mark.parametrize("given", ["", " ", "\u200b\n", "x" * 201])
@pytest.mark.parametrize("command", ["forget", "holds"])
def test_an_id_that_nobody_has_is_refused(
    command: str, given: str, events_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As a script gives it whose variable is empty: nobody is forgotten, so nobody may be told so."""
    assert answer([command, "--", given]) == 2
    told = capsys.readouterr()
    assert "a user's id has 1 to 200 characters" in told.err and not told.out
    assert not events_file.exists()
