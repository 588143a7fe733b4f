"""A blend behind the endpoint: it answers as its members say, and is told of as what it is."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from fastapi.testclient import TestClient

from models.baselines import RecentPopularity
from models.blend.scorer import MEMBERS_FOLDER, WEIGHTS
from models.bundle.bundle import read_manifest
from models.opening import open_scorer
from models.prior import Prior
from models.scorer import OnnxScorer
from serving.app import create_app
from serving.settings import Settings
from tests.models.blend.test_blend import HALF_LIFE_MS, N_ITEMS, NEWEST_MS, PLAYS, by_a_loop, write_blend


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


DAY_MS = 86_400_000


@pytest.fixture
def followed(folder: Path, tmp_path: Path, wait_until: Callable[..., None]) -> Iterator[TestClient]:
    """With an event store, which is looked at all the time."""
    with followed_by(folder, tmp_path / "events.db", wait_until) as client:
        yield client


@contextmanager
def followed_by(folder: Path, events: Path, wait_until: Callable[..., None]) -> Iterator[TestClient]:
    settings = Settings(
        pointer=folder / "champion.json",
        poll_seconds=0.01,
        demo=False,
        events=str(events),
        trend_seconds=0.05,
    )
    with TestClient(create_app(settings)) as client:
        wait_until(lambda: client.get("/readyz").status_code == 200)
        yield client


def played(client: TestClient, item: str, at: int, users: int, name: str = "u") -> None:
    events = [
        {"event_id": f"{name}{i}", "user_id": f"{name}{i}", "item_id": item, "played_at": at}
        for i in range(users)
    ]
    assert client.post("/events", json={"events": events}).status_code == 200


def score_of(client: TestClient, item: str) -> float:
    items = client.post("/recommend", json={"history": ["3", "7"], "k": 100}).json()["items"]
    return next(float(found["score"]) for found in items if found["item_id"] == item)


def test_what_is_played_after_the_training_is_recommended_today(
    followed: TestClient, folder: Path, tmp_path: Path, wait_until: Callable[..., None]
) -> None:
    assert (
        followed.get("/model").json()["trend_until"] == "2025-06-15T15:06:40+00:00"
    )  # the training's newest
    asked = followed.post("/recommend", json={"history": ["3", "7"], "k": 100}).json()["items"]
    item, before, at = asked[50]["item_id"], asked[50]["score"], NEWEST_MS + DAY_MS
    played(followed, item, NEWEST_MS - 1, 50, "known")  # that was learned from
    played(followed, "nothing that the model knows", at, 5, "other")
    played(followed, item, at, 200)
    wait_until(lambda: followed.get("/model").json()["trend_until"] == "2025-06-16T15:06:40+00:00")
    learned = open_scorer(folder / "bundle" / MEMBERS_FOLDER / "recent_popularity")
    assert isinstance(learned, RecentPopularity)
    moved = Prior(NEWEST_MS, HALF_LIFE_MS, PLAYS).moved(
        learned.share, np.full(200, int(item)), np.full(200, at)
    )
    rise = np.log1p(N_ITEMS * moved[int(item)]) - np.log1p(N_ITEMS * learned.share[int(item)])
    assert rise > 2 and score_of(followed, item) - before == pytest.approx(0.25 * rise, abs=1e-3)
    text = followed.get("/metrics").text
    (until,) = re.findall(r"^nextplay_trend_timestamp_seconds ([\d.e+]+)$", text, re.MULTILINE)
    assert float(until) == at / 1000 and "nextplay_trend_failing 0.0" in text
    again = score_of(followed, item)
    with followed_by(folder, tmp_path / "events.db", wait_until) as other:  # a process of its own
        wait_until(lambda: score_of(other, item) == pytest.approx(again, abs=1e-5))


def test_a_play_that_comes_again_counts_once(followed: TestClient, wait_until: Callable[..., None]) -> None:
    """As in training, where seen items are left out of the answers."""
    at = NEWEST_MS + DAY_MS
    plays = [{"event_id": f"e{i}", "user_id": "one", "item_id": "42", "played_at": at + i} for i in range(30)]
    assert followed.post("/events", json={"events": plays}).status_code == 200
    played(followed, "43", at + 1_000, 1)
    wait_until(lambda: followed.get("/model").json()["trend_until"] == "2025-06-16T15:06:41+00:00")
    served = followed.app.state.follower.current.recommender  # type: ignore[attr-defined]
    learned, moved = (one.baselines["recent_popularity"].share for one in (served.trained, served.scorer))
    assert moved[42] - learned[42] * 10 / 12 == pytest.approx(moved[43] - learned[43] * 10 / 12, abs=1e-3)
