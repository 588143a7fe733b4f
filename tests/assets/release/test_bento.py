"""The check of a Bento asks the model alone, whatever the endpoints of this environment are told."""

from pathlib import Path

import httpx
import numpy as np
import pytest

from assets.release import bento
from assets.release.bento import BentoError, answered_bento, ask_golden, served
from models.bundle.agreement import agree
from models.bundle.bundle import GoldenRequest, ItemTable, read_items
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


@pytest.mark.parametrize(("score", "accepted"), [(12.0009, True), (12.012, False)])
def test_the_bound_of_a_bento_is_absolute(
    score: float, accepted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert agree([score], [12.0]), "on another machine both would do"
    items = ItemTable(["", "a", "b"], ["", "A", "B"], np.array([0, 1, 1]))
    body = {"request_id": "1", "items": [{"item_id": "b", "score": score}]}
    answer = httpx.Response(200, json=body, request=httpx.Request("POST", "http://bento/recommend"))
    monkeypatch.setattr(bento, "read_items", lambda _: items)
    monkeypatch.setattr(bento, "read_golden", lambda _: [GoldenRequest([1], [2], [12.0])])
    monkeypatch.setattr(httpx.Client, "post", lambda *_, **__: answer)
    if accepted:
        assert ask_golden("http://bento", Path())["request"] == {"history": ["a"], "k": 1}
    else:
        with pytest.raises(BentoError, match=r"it answers \['b'\]"):
            ask_golden("http://bento", Path())
