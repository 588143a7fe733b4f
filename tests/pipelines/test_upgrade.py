"""A home that the last release made is opened by this one: nothing of it is lost, and the way back works.

The slow half runs a night in it and serves what comes out: tests/faults/test_upgrade.py.
"""

import json
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from assets.evaluation.gate import read_verdict
from assets.evaluation.reporting.facts import newest_facts
from assets.release.promotion import rollback
from assets.release.retention import inventory
from assets.resources import Home
from models.bundle.bundle import bundle_hash, read_manifest
from models.opening import check_sound
from pipelines.operator.cli import answer
from serving.app import create_app
from serving.settings import Settings as Endpoint
from serving.state.pointer import read_pointer
from serving.state.user_state import open_snapshot
from tests.fixtures.last_release import LISTED, unpack

NEWCOMERS = ["newcomer-1", "newcomer-2", "newcomer-3"]
REIGNS = ["10", "1", "19"]  # versions: a night, a promotion by hand, another night


@pytest.fixture
def old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    home = unpack(tmp_path / "home")
    monkeypatch.setenv("NEXTPLAY_HOME", str(home))
    monkeypatch.setenv("DAGSTER_HOME", str(home / "dagster"))
    return Home(path=str(home))


def test_champions_events_users_verdict_and_reports_are_kept(old: Home) -> None:
    champions, store = old.champions(), old.event_store()
    assert [reign.pointer.version for reign in champions.history()] == REIGNS
    assert [pointer.version for pointer in champions.past()] == REIGNS[:2]
    assert all(reign.tables for reign in champions.history()[::2])
    now = champions.current()
    assert now.version == REIGNS[-1] == old.tracking().champion()
    assert bundle_hash(champions.folder(now)) == now.bundle_hash
    assert champions.anchor() is not None
    assert sorted({event.user_id for event in store.events()}) == NEWCOMERS
    assert [item.item_id for item in store.listed_items()] == [LISTED]
    (forgotten,) = old.forgotten_users()
    users = open_snapshot(old.pointer_file.with_name("users.db"))
    assert users.history(NEWCOMERS[0]) and not users.history(forgotten)
    assert read_verdict(old).promote and read_verdict(old).estimates
    assert newest_facts(old.folder("reports"))
    assert {bundle.number is not None for bundle in inventory(old).bundles} == {True}
    store.close()


def test_models_of_every_kind_give_their_golden_answers(old: Home) -> None:
    folders = old.bundles().folders()
    for folder in folders:
        check_sound(folder, bundle_hash(folder))
    kinds = {read_manifest(folder).architecture for folder in folders}
    assert {"gru4rec", "graph", "content", "markov", "ease", "item_knn", "popularity"} <= kinds


def test_status_tells_all_of_it(old: Home, capsys: pytest.CaptureFixture[str]) -> None:
    assert answer(["status", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["champion"]["version"] == REIGNS[-1]
    assert [champion["version"] for champion in told["before"]] == ["1", "10"]
    assert len(told["nights"]) == 3 and told["versions"]
    assert told["attention"] == []


def test_it_is_served(old: Home) -> None:
    settings = Endpoint(pointer=str(old.pointer_file), events=str(old.events_file), demo=True)
    with TestClient(create_app(settings)) as client:
        assert client.get("/readyz").status_code == 200
        assert client.get("/model").json()["version"] == REIGNS[-1]
        known = client.post("/recommend", json={"user_id": NEWCOMERS[0], "k": 5}).json()
        assert len(known["items"]) == 5 and known["fallback"] is None
        (forgotten,) = old.forgotten_users()
        assert client.get(f"/items/{LISTED}").json()["item_id"] == LISTED
        play = {"event_id": "new", "user_id": NEWCOMERS[0], "item_id": known["items"][0]["item_id"]}
        of_forgotten = play | {"event_id": "other", "user_id": forgotten}
        stored = client.post("/events", json={"events": [play, of_forgotten]}).json()
        assert (stored["stored"], stored["forgotten"]) == (1, 1)


def test_it_is_rolled_back_to_each_champion_before(old: Home) -> None:
    for version in REIGNS[-2::-1]:
        assert rollback(old).version == read_pointer(old.pointer_file).version == version
        assert old.tracking().champion() == version
