"""What status says of the event store."""

from pathlib import Path

import pytest

from assets.resources import Home
from pipelines.operator.stored_events import about_events
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
