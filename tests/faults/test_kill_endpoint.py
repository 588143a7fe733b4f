"""Workers and whole endpoints are killed around acknowledgements: no event is lost, none counts twice.

Several workers share one event store and one pointer: what one of them is told, all of them know.
"""

import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from serving.state.events_sqlite import SqliteEventStore
from tests.faults.endpoint import Endpoint
from tests.serving.conftest import publish_pointer, random_table, write_fake_bundle

pytestmark = pytest.mark.skipif(not Path("/proc").exists(), reason="workers are found in /proc")


@pytest.fixture
def bundles(tmp_path: Path) -> dict[str, Path]:
    return {
        "a": write_fake_bundle(tmp_path / "a", random_table(1)),
        "b": write_fake_bundle(tmp_path / "b", random_table(2), prefix="b"),
    }


@pytest.fixture
def pointer(tmp_path: Path, bundles: dict[str, Path]) -> Path:
    publish_pointer(tmp_path / "champion.json", bundles["a"], "a1")
    return tmp_path / "champion.json"


@pytest.fixture
def settings(tmp_path: Path, pointer: Path) -> dict[str, str]:
    return {
        "NEXTPLAY_POINTER": str(pointer),
        "NEXTPLAY_EVENTS": str(tmp_path / "events.db"),
        "NEXTPLAY_POLL_SECONDS": "0.1",
        "NEXTPLAY_LOG_REQUESTS": "false",
    }


def send_until_acknowledged(client: httpx.Client, event: dict[str, Any], give_up: float) -> None:
    """What a client does: the same event, with the same id, until it is acknowledged."""
    while time.monotonic() < give_up:
        try:
            answer = client.post("/events", json={"events": [event]})
        except httpx.TransportError:
            time.sleep(0.02)
            continue
        if answer.status_code == 200:
            assert answer.json()["stored"] + answer.json()["repeated"] == 1
            return
        assert answer.status_code == 503, answer.text
        time.sleep(0.02)
    raise AssertionError(f"{event} was never acknowledged.")


def play(endpoint: Endpoint, user: str, stop: threading.Event, seconds: float) -> list[str]:
    """Plays one event after the other; returns the ids of those that were acknowledged."""
    acknowledged: list[str] = []
    give_up = time.monotonic() + seconds
    with httpx.Client(base_url=endpoint.url, timeout=10) as client:
        while not stop.is_set():
            event = {"event_id": f"{user}-{len(acknowledged)}", "user_id": user, "item_id": "7"}
            send_until_acknowledged(client, event, give_up)
            acknowledged.append(str(event["event_id"]))
    return acknowledged


def under_load_with_kills(endpoint: Endpoint, worker_kills: int, kills: int) -> dict[str, list[str]]:
    """Events of four users while processes die; returns what each was acknowledged."""
    rng, stop = random.Random(7), threading.Event()
    users = [f"user{i}" for i in range(4)]
    with ThreadPoolExecutor(len(users)) as pool:
        playing = [pool.submit(play, endpoint, user, stop, 240.0) for user in users]
        try:
            for _ in range(worker_kills):
                time.sleep(rng.uniform(0.05, 0.6))
                endpoint.kill_worker(rng.randrange(8))
            for _ in range(kills):
                time.sleep(rng.uniform(0.0, 0.6))
                endpoint.kill()
                endpoint.start()
            time.sleep(0.5)
        finally:
            stop.set()
        return dict(zip(users, (future.result() for future in playing), strict=True))


def check_nothing_is_lost_or_doubled(store: SqliteEventStore, acknowledged: dict[str, list[str]]) -> None:
    stored = [event.event_id for event in store.events()]
    assert len(stored) == len(set(stored))
    assert set(stored) == {event_id for of_user in acknowledged.values() for event_id in of_user}
    for user, event_ids in acknowledged.items():
        assert len(event_ids) > 3 and len(store.plays(user)) == len(event_ids)


def test_events_survive_the_death_of_workers_and_of_all(tmp_path: Path, settings: dict[str, str]) -> None:
    with Endpoint(tmp_path, 2, **settings) as endpoint:
        acknowledged = under_load_with_kills(endpoint, worker_kills=2, kills=1)
    check_nothing_is_lost_or_doubled(SqliteEventStore(tmp_path / "events.db"), acknowledged)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_events_survive_many_deaths(tmp_path: Path, settings: dict[str, str]) -> None:
    with Endpoint(tmp_path, 2, **settings) as endpoint:
        acknowledged = under_load_with_kills(endpoint, worker_kills=40, kills=20)
    check_nothing_is_lost_or_doubled(SqliteEventStore(tmp_path / "events.db"), acknowledged)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_what_was_just_acknowledged_survives(tmp_path: Path, settings: dict[str, str]) -> None:
    with Endpoint(tmp_path, 1, **settings) as endpoint:
        for turn in range(20):
            event = {"event_id": f"e{turn}", "user_id": "ada", "item_id": "7"}
            answer = httpx.post(f"{endpoint.url}/events", json={"events": [event]}, timeout=10)
            endpoint.kill()
            assert answer.status_code == 200
            store = SqliteEventStore(tmp_path / "events.db")
            assert [event.event_id for event in store.events()] == [f"e{i}" for i in range(turn + 1)]
            store.close()
            endpoint.start()


def ask_all_workers(endpoint: Endpoint, **body: object) -> list[dict[str, Any]]:
    """The answers to one question over connections of their own, which the workers share out.

    A worker that has just started and has no model yet says so with 503, and is asked again.
    """
    answers, give_up = list[dict[str, Any]](), time.monotonic() + 60
    while len(answers) < 12:
        answer = httpx.post(f"{endpoint.url}/recommend", json={"k": 3, **body}, timeout=10)
        assert answer.status_code in {200, 503} and time.monotonic() < give_up, answer.text
        if answer.status_code == 200:
            answers.append(answer.json())
    return answers


@pytest.mark.slow
def test_all_workers_know_what_one_was_told(
    tmp_path: Path, settings: dict[str, str], pointer: Path, bundles: dict[str, Path]
) -> None:
    with Endpoint(tmp_path, 2, **settings) as endpoint:
        assert {a["fallback"] for a in ask_all_workers(endpoint, user_id="ada")} == {"popularity"}
        by_history = ask_all_workers(endpoint, history=["3", "7"])[0]["items"]
        events = [
            {"event_id": "2", "user_id": "ada", "item_id": "7", "played_at": 1_700_000_000_002},
            {"event_id": "1", "user_id": "ada", "item_id": "3", "played_at": 1_700_000_000_001},
        ]
        assert httpx.post(f"{endpoint.url}/events", json={"events": events}, timeout=10).status_code == 200
        for answer in ask_all_workers(endpoint, user_id="ada"):  # at once, whoever answers
            assert answer["items"] == by_history and answer["fallback"] is None
        assert httpx.delete(f"{endpoint.url}/users/ada", timeout=10).json()["events"] == 2
        assert {a["fallback"] for a in ask_all_workers(endpoint, user_id="ada")} == {"popularity"}
        publish_pointer(pointer, bundles["b"], "b1")
        deadline = time.monotonic() + 30
        while {a["model"]["version"] for a in ask_all_workers(endpoint, history=["b3"])} != {"b1"}:
            assert time.monotonic() < deadline, "Not all workers followed the pointer."
