"""A blend behind the endpoint: it answers as its members say, and is told of as what it is."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from fastapi.testclient import TestClient

from models.blend.scorer import MEMBERS_FOLDER, WEIGHTS
from models.bundle.bundle import read_manifest
from models.opening import open_scorer
from models.scorer import OnnxScorer
from serving.app import create_app
from serving.settings import Settings
from tests.models.blend.test_blend import by_a_loop, write_blend


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, write_pointer: Callable[..., None]) -> Path:
    folder = tmp_path_factory.mktemp("served")
    write_pointer(folder / "champion.json", write_blend(folder / "bundle"), "b1")
    return folder


@pytest.fixture(scope="module")
def client(folder: Path, wait_until: Callable[..., None]) -> Iterator[TestClient]:
    settings = Settings(pointer=folder / "champion.json", poll_seconds=0.01, demo=False)
    with TestClient(create_app(settings)) as client:
        wait_until(lambda: client.get("/readyz").status_code == 200)
        yield client


def test_it_recommends_what_its_members_say_together(client: TestClient, folder: Path) -> None:
    answer = client.post("/recommend", json={"history": ["3", "7"], "k": 5}).json()
    assert answer["model"] == {"version": "b1", "architecture": "blend"}
    weights = read_manifest(folder / "bundle").config[WEIGHTS]
    alone = {name: open_scorer(folder / "bundle" / MEMBERS_FOLDER / name) for name in weights}
    scores = np.array([-np.inf, *by_a_loop(alone, weights, np.array([3, 7]))])
    scores[[3, 7]] = -np.inf
    best = np.argsort(-scores)[:5]
    assert [item["item_id"] for item in answer["items"]] == [str(i) for i in best]
    assert [item["score"] for item in answer["items"]] == pytest.approx(scores[best], rel=1e-4, abs=1e-4)


def test_likeness_and_reasons_are_those_of_its_network(client: TestClient, folder: Path) -> None:
    network = open_scorer(folder / "bundle" / MEMBERS_FOLDER / "sums")
    assert isinstance(network, OnnxScorer)
    alike = network.similarities(5)
    given = client.get("/similar/5", params={"k": 3}).json()["items"]
    assert [item["score"] for item in given] == pytest.approx(np.sort(np.delete(alike, [0, 5]))[::-1][:3])
    asked = {"history": ["3", "7", "11"], "k": 3, "explain": True}
    told = client.post("/recommend", json=asked).json()["items"]
    reasons = {item["because"]["item_id"] for item in told if item["because"]}
    assert reasons and reasons <= {"3", "7", "11"}
