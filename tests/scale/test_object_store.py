"""The lake on a real S3 server: tables, bundles and champion of one machine are those of another."""

import json
from pathlib import Path

import httpx
import pytest
from fastapi.testclient import TestClient

from assets.resources import Home, Source
from serving.app import create_app
from serving.settings import Settings
from serving.state.storage import Store
from tests.assets.state.test_shared import promote, publish, value
from tests.scale.conftest import make_tables
from tests.scale.servers import Server, wait_for
from tests.serving.state.test_storage import (  # noqa: F401 - the same promises, on S3
    test_a_file_is_written_read_replaced_and_removed,
    test_a_file_travels_there_and_back,
    test_a_folder_appears_whole_or_not_at_all,
    test_what_is_missing_is_told_with_its_address,
)


@pytest.fixture
def store(s3: str) -> Store:
    return Store(s3, patience_s=5)


def test_two_machines_see_one_lake(s3: str, tmp_path: Path) -> None:
    one, other = (Home(path=str(tmp_path / name), lake_address=s3) for name in ("one", "other"))
    publish(one, "items", 1)
    publish(other, "split", 2)
    publish(one, "items", 3)
    assert (value(other, "items"), value(one, "split")) == (3, 2)
    promote(one, "sasrec", "first", 1.0)
    with other.locked():
        assert json.loads(other.pointer_file.read_text())["version"] == "first"


def test_all_tables_of_a_source_are_there_for_another_machine(s3: str, tmp_path: Path) -> None:
    one, other = (Home(path=str(tmp_path / name), lake_address=s3) for name in ("one", "other"))
    assert make_tables(one, Source(sample_size="tiny"), checks=False).success
    tables = json.loads(Store(s3).read("pointer.json"))
    assert {"interactions", "core_interactions", "sequences", "items"} <= set(tables)
    for table in tables:
        assert other.lake().current(table).content_hash == one.lake().current(table).content_hash


def test_an_endpoint_serves_the_champion_of_the_store(
    s3: str, tmp_path: Path, home: Home, s3_process: Server
) -> None:
    shared = Home(path=home.path, lake_address=s3)
    shared.champions().hand_on()
    settings = Settings(pointer=f"{s3}/champion/pointer.json", cache=tmp_path / "cache", poll_seconds=0.1)
    with TestClient(create_app(settings)) as client:
        wait_for(lambda: client.get("/readyz").status_code == httpx.codes.OK)
        answer = client.post("/recommend", json={"history": [], "k": 3})
        assert answer.status_code == httpx.codes.OK
        assert len(answer.json()["items"]) == 3
        s3_process.away(1)  # the store is gone for a moment: the model in service stays
        assert (
            client.post("/recommend", json={"history": [], "k": 3}).json()["items"] == answer.json()["items"]
        )


def test_a_store_that_is_away_for_a_while_is_waited_for(s3: str, s3_process: Server) -> None:
    import threading

    store = Store(s3)
    store.write("x", b"1")
    absent = threading.Thread(target=s3_process.away, args=(5,))
    absent.start()
    assert store.read("x") == b"1"
    store.write("x", b"2")
    absent.join()
    assert store.read("x") == b"2"
