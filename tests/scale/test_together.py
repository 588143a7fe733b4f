"""The sample with Spark, torchrun, S3 and Postgres together, and its champion behind two endpoints."""

import json
from pathlib import Path

import httpx
import pytest
from fastapi.testclient import TestClient

from assets.resources import Home
from serving.app import create_app
from serving.settings import Settings
from serving.state.event_stores import open_event_store
from tests.scale.runs import OF_MODELS, assert_tables_of, finish, on_servers, start
from tests.scale.servers import Postgres, Server, wait_for

pytestmark = pytest.mark.timeout(1800)


def test_the_sample_runs_on_shared_state_and_serves_its_champion(
    tmp_path: Path, s3: str, s3_process: Server, postgres: Postgres, spark_master: str, tiny_run
) -> None:
    environment = on_servers(tmp_path / "home", s3, s3_process, postgres, tmp_path.name)
    engines = {
        "NEXTPLAY_ENGINE": "spark",
        "NEXTPLAY_SPARK_MASTER": spark_master,
        "NEXTPLAY_TRAINING": '{"epochs": 4, "processes": 2}',
    }
    status, output = finish(start(environment | engines))
    assert status == 0, output[-5000:]
    elsewhere = Home(path=str(tmp_path / "elsewhere"), lake_address=s3)
    assert_tables_of(elsewhere, tiny_run.home, but=OF_MODELS)

    settings = Settings(
        pointer=f"{s3}/champion/pointer.json",
        cache=tmp_path / "cache",
        events=environment["NEXTPLAY_DATABASE"],
        poll_seconds=0.2,
    )
    with TestClient(create_app(settings)) as one, TestClient(create_app(settings)) as other:
        for client in (one, other):
            wait_for(lambda client=client: client.get("/readyz").status_code == httpx.codes.OK)
        known = one.post("/recommend", json={"history": [], "k": 5}).json()["items"]
        play = {"event_id": "e1", "user_id": "u1", "item_id": known[0]["item_id"]}
        assert one.post("/events", json={"events": [play]}).json()["stored"] == 1
        assert other.post("/events", json={"events": [play]}).json()["repeated"] == 1
        answer = other.post("/recommend", json={"user_id": "u1", "k": 5}).json()
        assert known[0]["item_id"] not in [item["item_id"] for item in answer["items"]]
        manifests = [json.loads(path.read_text()) for path in (tmp_path / "cache").rglob("manifest.json")]
        trained = [made["config"]["processes"] for made in manifests if "processes" in made["config"]]
        assert trained == [2], "the champion was trained in two processes; the others are baselines"
        assert one.get("/model").json()["bundle_hash"] == other.get("/model").json()["bundle_hash"]
    store = open_event_store(environment["NEXTPLAY_DATABASE"])
    assert [event.event_id for event in store.events()] == ["e1"]
    store.close()


def test_two_schedulers_at_once_do_no_harm(
    tmp_path: Path, s3: str, s3_process: Server, postgres: Postgres, tiny_run
) -> None:
    """Two machines start the same night: one waits for the other, and finds everything made."""
    homes = [tmp_path / "one", tmp_path / "other"]
    environments = [on_servers(home, s3, s3_process, postgres, tmp_path.name) for home in homes]
    running = [start(environment) for environment in environments]
    outputs = [finish(process) for process in running]
    assert [status for status, _ in outputs] == [0, 0], outputs
    assert sum("Another run works on the shared state" in output for _, output in outputs) == 1
    elsewhere = Home(path=str(tmp_path / "elsewhere"), lake_address=s3)
    tables = elsewhere.lake()
    for table in ("interactions", "core_interactions", "sequences", "items", "split"):
        assert tables.current(table).content_hash == tiny_run.home.lake().current(table).content_hash, table
    with elsewhere.locked():
        champions = elsewhere.champions()
        assert champions.folder(champions.current()).exists()
        assert len(champions.history()) == 1, "the same candidate is not promoted twice"
