"""The check of a Bento asks the model alone, whatever the endpoints of this environment are told."""

from pathlib import Path

import pytest

from assets.release.bento import answered_bento, ask_golden, served
from models.bundle.bundle import read_items
from serving.state.pointer import read_pointer


def test_a_bento_is_asked_without_the_endpoints_settings(
    tiny_run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, blocked, events = tiny_run.home, tmp_path / "blocked.txt", tmp_path / "events.db"
    bundle, answered = read_pointer(home.pointer_file).folder(home.pointer_file), answered_bento(home)
    blocked.write_text("\n".join(read_items(bundle).ids[1:]))
    monkeypatch.setenv("NEXTPLAY_API_KEYS", "secret")
    monkeypatch.setenv("nextplay_blocklist", str(blocked))  # pydantic takes any case
    monkeypatch.setenv("NEXTPLAY_EVENTS", str(events))
    monkeypatch.setenv("NEXTPLAY_POINTER", str(tmp_path / "none.json"))
    with served(answered.tag, home.folder("bentoml")) as address:
        assert ask_golden(address, bundle) == answered.answer
    assert not events.exists()
