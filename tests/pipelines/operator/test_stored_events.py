"""What status says of the event store."""

from pathlib import Path

import pytest

from assets.resources import Home
from pipelines.operator.stored_events import about_events, size_elsewhere
from serving.state.events import Play, now_ms
from serving.state.events_sqlite import SqliteEventStore


def test_a_clock_that_was_ahead_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = Home(path=str(tmp_path))
    assert list(about_events(home)) == [] and not home.events_file.exists()
    store = SqliteEventStore(home.events_file)
    store.add([[Play("e1", "u", "1")]])
    assert list(about_events(home)) == []
    monkeypatch.setattr("serving.state.events_sql.now_ms", lambda: now_ms() + 86_400_000)
    store.add([[Play("e2", "u", "1")]])
    (sentence,) = about_events(home)
    assert "ahead of this machine's: set the one that is wrong" in sentence


def test_a_store_that_cannot_be_read_is_one_sentence(tmp_path: Path) -> None:
    home = Home(path=str(tmp_path))
    home.events_file.mkdir(parents=True)
    (sentence,) = about_events(home)
    assert "cannot be opened" in sentence and sentence.endswith(
        "No run takes events in until it can be read."
    )


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_looking_again_and_again_leaves_nothing_open(tmp_path: Path) -> None:
    inside, outside = Home(path=str(tmp_path)), Home(path=str(tmp_path), events=str(tmp_path.parent / "e.db"))
    for home in (inside, outside):
        SqliteEventStore(home.events_file).close()
        before = open_files()
        for _ in range(3):
            assert list(about_events(home)) == []
            assert bool(size_elsewhere(home)) == (home is outside)
        assert open_files() == before


def test_the_size_of_a_database_is_told_whichever_setting_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, asked = Home(path=str(tmp_path)), list[str | Path]()

    def opened(address: str | Path) -> SqliteEventStore:
        asked.append(address)
        return SqliteEventStore(tmp_path / "stands-for-it.db")

    monkeypatch.setattr("assets.resources.open_event_store", opened)
    for name in ("NEXTPLAY_DATABASE", "NEXTPLAY_EVENTS"):
        with monkeypatch.context() as named:
            named.setenv(name, f"postgresql://host/{name}")
            assert size_elsewhere(home)["event store"] > 0
    assert asked == ["postgresql://host/NEXTPLAY_DATABASE", "postgresql://host/NEXTPLAY_EVENTS"]
