"""POST /events and DELETE /users: durable, idempotent, and one sentence for what is wrong."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from prometheus_client import REGISTRY

from serving import telemetry
from serving.app import HISTORY_THREADS, STORE_THREADS, create_app
from serving.recorder import Recorder, StoreBusyError
from serving.settings import Settings
from serving.state.events import EventStoreError, Play, Stored, now_ms
from serving.state.events_sqlite import SqliteEventStore


@pytest.fixture
def store(tmp_path: Path) -> SqliteEventStore:
    return SqliteEventStore(tmp_path / "events" / "events.db")


@pytest.fixture
def client(pointer: Path, store: SqliteEventStore, wait_until: Callable[..., None]) -> Iterator[TestClient]:
    app = create_app(Settings(pointer=pointer, poll_seconds=0.01, events=store.file))
    with TestClient(app) as client:
        wait_until(lambda: client.get("/readyz").status_code == 200)
        yield client


def send(client: TestClient, *events: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    answer = client.post("/events", json={"events": events})
    return answer.status_code, answer.json()


def play(event_id: object = "e1", **changes: object) -> dict[str, Any]:
    return {"event_id": event_id, "user_id": "ada", "item_id": "10", **changes}


def test_events_are_stored_once_they_are_acknowledged(client: TestClient, store: SqliteEventStore) -> None:
    before = now_ms()
    sent = [play("e1", played_at=1_700_000_000_000, request_id="r"), play(2, user_id=7, item_id=80)]
    status, body = send(client, *sent)
    assert status == 200 and (body["stored"], body["repeated"], body["forgotten"]) == (2, 0, 0)
    two, one = store.events()
    assert (one.event_id, one.user_id, one.item_id) == ("e1", "ada", "10")
    assert (one.played_at, one.request_id) == (1_700_000_000_000, "r")
    assert (two.event_id, two.user_id, two.item_id) == ("2", "7", "80")
    assert before <= two.played_at == two.received_at <= now_ms()


def test_an_event_sent_again_counts_once(client: TestClient, store: SqliteEventStore) -> None:
    send(client, play())
    status, body = send(client, play(), play("e2"), play())
    assert status == 200 and (body["stored"], body["repeated"]) == (1, 2)
    assert len(list(store.events())) == 2


def test_an_id_with_another_content_is_a_conflict_and_nothing_is_stored(
    client: TestClient, store: SqliteEventStore
) -> None:
    send(client, play())
    status, body = send(client, play("e2"), play(item_id="11"))
    assert status == 409
    assert body["detail"] == (
        "The event e1 is there with another item_id, so nothing of this request is stored: "
        "give every event an id of its own."
    )
    assert [e.event_id for e in store.events()] == ["e1"]


def test_items_that_the_model_does_not_know_are_stored_and_named(
    client: TestClient, store: SqliteEventStore
) -> None:
    status, body = send(client, play("e1"), play("e2", item_id="zz"), play("e3", item_id="zz"))
    assert status == 200 and body["unknown_items"] == ["zz"]
    assert len(list(store.events())) == 3


NAMED = '{"event_id": "e", "user_id": "u", "item_id": "10"'
BAD_EVENTS: list[tuple[str, int, str]] = [
    ("{", 400, "The body is not valid JSON: "),
    ("[]", 422, "The body must be a JSON object."),
    ("{}", 422, "events must be a list of 1 to 1,000 play events."),
    ('{"events": []}', 422, "events must be a list of 1 to 1,000 play events."),
    ('{"events": {}}', 422, "events must be a list of 1 to 1,000 play events."),
    (json.dumps({"events": [play(i) for i in range(1001)]}), 422, "events must be a list of 1 to 1,000"),
    ('{"events": [7]}', 422, "events[0] must be a JSON object."),
    ('{"events": [' + NAMED + "}, null]}", 422, "events[1] must be a JSON object."),
    ('{"events": [{}]}', 422, "events[0].event_id must be text of 1 to 200 characters or a whole number."),
    ('{"events": [], "user": 1}', 422, "events must be a list"),
    ('{"events": [' + NAMED + '}], "user": 1}', 422, 'Unknown field "user": there is only events.'),
    ('{"events": [' + NAMED + ', "at": 1}]}', 422, 'Unknown field "at" in events[0]: there is only event_id'),
    ('{"events": [' + NAMED.replace('"u"', '""') + "}]}", 422, "events[0].user_id must be text of 1 to 200"),
    ('{"events": [' + NAMED.replace('"u"', "null") + "}]}", 422, "events[0].user_id must be text of 1"),
    ('{"events": [' + NAMED.replace('"10"', "1.5") + "}]}", 422, "events[0].item_id must be text of 1"),
    ('{"events": [' + NAMED.replace('"10"', "true") + "}]}", 422, "events[0].item_id must be text of 1"),
    ('{"events": [' + NAMED.replace('"10"', f'"{"x" * 201}"') + "}]}", 422, "events[0].item_id must be text"),
    ('{"events": [' + NAMED + ', "played_at": 1760000000}]}', 422, "events[0].played_at must be a whole num"),
    ('{"events": [' + NAMED + ', "played_at": 9999999999999}]}', 422, "and at most a day ahead."),
    ('{"events": [' + NAMED + ', "played_at": "now"}]}', 422, "milliseconds since 1970, UTC, after 1973"),
    ('{"events": [' + NAMED + ', "played_at": 1.5e12}]}', 422, "events[0].played_at must be a whole number"),
    ('{"events": [' + NAMED + ', "request_id": ""}]}', 422, "events[0].request_id must be text of 1 to 200"),
    ('{"events": [' + NAMED + ', "user_id": "v"}]}', 422, 'The field "user_id" stands twice in one object'),
    ('{"events": [' + NAMED + f', "value": {10**400}}}]}}', 422, "events[0].value must be a number."),
    ('{"events": [' + NAMED + f', "value": {"9" * 5000}}}]}}', 400, "number out of range"),
    (
        '{"events": [' + NAMED.replace('"e"', r'"a\u0000"') + "}]}",
        422,
        "events[0].event_id must not hold a NUL",
    ),
    (
        '{"events": [' + NAMED.replace('"u"', r'"\u0000"') + "}]}",
        422,
        "events[0].user_id must not hold a NUL",
    ),
    (
        '{"events": [' + NAMED + r', "request_id": "\u0000b"}]}',
        422,
        "events[0].request_id must not hold a NUL",
    ),
]


@pytest.mark.parametrize(("body", "status", "sentence"), BAD_EVENTS)
def test_a_bad_body_gets_one_sentence_and_nothing_is_stored(
    client: TestClient, store: SqliteEventStore, body: str, status: int, sentence: str
) -> None:
    answer = client.post("/events", content=body)
    assert answer.status_code == status and sentence in answer.json()["detail"]
    assert list(store.events()) == []


def test_the_examples_of_the_documentation_are_accepted(client: TestClient) -> None:
    route = client.get("/openapi.json").json()["paths"]["/events"]["post"]
    examples = route["requestBody"]["content"]["application/json"]["schema"]["examples"]
    assert len(examples) == 3
    for example in examples:
        assert client.post("/events", json=example).status_code == 200


def test_a_forgotten_user_is_gone_at_once(client: TestClient, store: SqliteEventStore) -> None:
    send(client, play("e1"), play("e2", user_id="bob"))
    answer = client.delete("/users/ada")
    assert answer.status_code == 200
    body = answer.json()
    assert (body["user_id"], body["events"], body["impressions"]) == ("ada", 1, 0)
    assert send(client, play("e1"), play("e3"))[1]["forgotten"] == 2
    assert [e.user_id for e in store.events()] == ["bob"]
    assert client.delete("/users/ada").json()["events"] == 0


@pytest.mark.parametrize(("path", "user_id"), [("a%2Fb/c", "a/b/c"), ("%C3%A4%20%F0%9F%8E%AE", "ä 🎮")])
def test_any_id_can_be_forgotten(
    client: TestClient, store: SqliteEventStore, path: str, user_id: str
) -> None:
    send(client, play(user_id=user_id))
    assert client.delete(f"/users/{path}").json()["events"] == 1
    assert store.forgotten_users() == [user_id]


@pytest.mark.parametrize("path", ["", "x" * 201, "a%00"])
def test_an_id_that_nobody_has_is_refused(client: TestClient, path: str) -> None:
    answer = client.delete(f"/users/{path}")
    assert answer.status_code == 422 and "must be text of 1 to 200 characters" in answer.json()["detail"]


def test_without_a_store_events_are_refused_in_one_sentence(pointer: Path) -> None:
    with TestClient(create_app(Settings(pointer=pointer))) as client:
        for answer in (client.post("/events", json={"events": [play()]}), client.delete("/users/ada")):
            assert answer.status_code == 404
            assert answer.json()["detail"].endswith("start the endpoint with NEXTPLAY_EVENTS=path.")


def test_a_store_that_is_none_leaves_a_service_without_events_that_says_so(
    pointer: Path, tmp_path: Path, wait_until: Callable[..., None], capfd: pytest.CaptureFixture[str]
) -> None:
    """No worker ends and starts again for ever, and what is asked with a history is answered."""
    (tmp_path / "notes.txt").write_text("no store at all, but long enough to look like one" * 20)
    with TestClient(create_app(Settings(pointer=pointer, events=tmp_path / "notes.txt"))) as client:
        wait_until(lambda: client.get("/readyz").status_code == 200)
        assert "NEXTPLAY_EVENTS: The event store" in capfd.readouterr().err
        assert client.post("/recommend", json={"history": ["3"]}).status_code == 200
        status, body = send(client, play())
        assert (status, body["detail"]) == (503, "The event store cannot be written now. Send it again.")
        assert "nextplay_event_store_failing 1.0" in client.get("/metrics").text
        (tmp_path / "notes.txt").unlink()
        wait_until(lambda: send(client, play())[0] == 200)
        assert "nextplay_event_store_failing 0.0" in client.get("/metrics").text


def test_a_clock_that_is_wrong_is_told_once_and_measured(
    store: SqliteEventStore, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    telemetry.configure_logging()
    with monkeypatch.context() as patched:
        patched.setattr("serving.state.events_sql.now_ms", lambda: now_ms() + 172_800_000)
        store.add([[Play("ahead", "u", "1")]])
    recorder = Recorder(store)
    recorder.start()
    for number in range(3):
        assert recorder.add([Play(f"e{number}", "u", "1")]).result(10) == Stored(1, 0, 0)
    recorder.stop()
    assert capfd.readouterr().err.count("ahead of this machine's: set the clock that is wrong") == 1
    assert telemetry.CLOCK_AHEAD._value.get() == pytest.approx(172_800, abs=60)
    assert all(e.received_at <= now_ms() for e in list(store.events())[1:]), "the time is the clock's"


def test_what_cannot_be_written_is_not_acknowledged_and_can_be_sent_again(
    client: TestClient,
    store: SqliteEventStore,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    def full(*_: object) -> None:
        raise EventStoreError("database or disk is full")

    telemetry.configure_logging()
    with monkeypatch.context() as patched:
        patched.setattr(SqliteEventStore, "add", full)
        answer = client.post("/events", json={"events": [play()]})
    assert answer.status_code == 503 and answer.headers["retry-after"] == "1"
    assert answer.json()["detail"] == "The event store cannot be written now. Send it again."
    assert "database or disk is full" in capfd.readouterr().err, "operators are told why"
    assert send(client, play())[1]["stored"] == 1
    assert len(list(store.events())) == 1


def test_answers_are_logged_as_impressions(
    client: TestClient, store: SqliteEventStore, wait_until: Callable[..., None]
) -> None:
    answer = client.post("/recommend", json={"history": ["3"], "k": 2}).json()
    nothing_known = client.post("/recommend", json={"history": [], "k": 1}).json()
    wait_until(lambda: len(list(store.impressions())) == 3)
    first, second, third = store.impressions()
    assert [(i.rank, i.item_id, i.score) for i in (first, second)] == [
        (item["rank"], item["item_id"], item["score"]) for item in answer["items"]
    ]
    assert {first.request_id, second.request_id} == {answer["request_id"]}
    assert (first.model_version, first.fallback) == ("a1", None)
    assert (third.request_id, third.fallback) == (nothing_known["request_id"], "popularity")


def test_a_batch_that_is_refused_has_shown_nobody_anything(
    client: TestClient, store: SqliteEventStore, wait_until: Callable[..., None]
) -> None:
    """What is kept and counted as shown would otherwise count against the model that showed it."""
    before = REGISTRY.get_sample_value("nextplay_answers_total")
    wrong = {"history": ["3"], "filters": {"nothing": 1}}
    refused = client.post("/recommend/batch", json={"queries": [{"history": ["3"]}, wrong]})
    assert refused.status_code == 422
    assert REGISTRY.get_sample_value("nextplay_answers_total") == before
    client.post("/recommend/batch", json={"queries": [{"history": ["3"], "k": 1}, {"history": [], "k": 1}]})
    wait_until(lambda: list(store.impressions()))
    assert [shown.rank for shown in store.impressions()] == [1, 1]
    assert REGISTRY.get_sample_value("nextplay_answers_total") == (before or 0) + 2


def test_a_small_request_for_long_histories_gets_no_endless_answer(client: TestClient) -> None:
    """Whoever may report plays can make a history of ids that no model knows, and ask for it many times."""
    for start in range(0, 10_000, 1_000):
        plays = [play(n, item_id=f"{n:0>200}") for n in range(start, start + 1_000)]
        for part in (plays[:500], plays[500:]):
            assert send(client, *part)[0] == 200
    answer = client.post("/recommend/batch", json={"queries": [{"user_id": "ada", "k": 1}] * 3})
    named = [ids["unknown_ids"] for ids in answer.json()["answers"]]
    assert named == [[f"{n:0>200}" for n in range(9_900, 10_000)]] * 3
    given = client.post("/recommend", json={"history": [f"no-{n}" for n in range(200)], "k": 1}).json()
    assert len(given["unknown_ids"]) == 200


def test_impressions_can_be_switched_off_and_the_last_ones_are_written_at_the_end(
    pointer: Path, store: SqliteEventStore, wait_until: Callable[..., None]
) -> None:
    for logged in (False, True):
        settings = Settings(pointer=pointer, events=store.file, impressions=logged)
        with TestClient(create_app(settings)) as client:
            wait_until(lambda c=client: c.get("/readyz").status_code == 200)
            client.post("/recommend", json={"history": ["3"], "k": 5})
        assert len(list(store.impressions())) == (5 if logged else 0)


def test_requests_that_wait_together_share_a_commit(
    store: SqliteEventStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    commits, first, go_on = list[int](), threading.Event(), threading.Event()
    add = SqliteEventStore.add

    def slow(self: SqliteEventStore, requests: Any, impressions: Any) -> Any:
        commits.append(len(requests))
        first.set()
        go_on.wait(10)
        return add(self, requests, impressions)

    monkeypatch.setattr(SqliteEventStore, "add", slow)
    recorder = Recorder(store)
    recorder.start()
    futures = [recorder.add([Play("e0", "u", "1")])]
    assert first.wait(10)
    with ThreadPoolExecutor(8) as pool:
        futures += pool.map(lambda i: recorder.add([Play(f"e{i}", "u", "1")]), range(1, 51))
    assert not any(future.done() for future in futures)
    go_on.set()
    assert {future.result(10) for future in futures} == {Stored(1, 0, 0)}
    recorder.stop()
    assert commits == [1, 50]


def test_a_commit_and_the_queue_before_it_are_bounded_in_events(
    store: SqliteEventStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serving.recorder.MAX_WAITING", 10)
    monkeypatch.setattr("serving.recorder.COMMIT", 3)
    commits = list[int]()
    add = SqliteEventStore.add

    def counted(self: SqliteEventStore, requests: Any, impressions: Any) -> Any:
        commits.append(sum(map(len, requests)))
        return add(self, requests, impressions)

    monkeypatch.setattr(SqliteEventStore, "add", counted)
    recorder = Recorder(store)
    pairs = [[Play(f"{i}{half}", "u", "1") for half in "ab"] for i in range(6)]
    futures = [recorder.add(pair) for pair in pairs]
    with pytest.raises(StoreBusyError):
        futures.pop().result(0)
    recorder.start()
    assert {future.result(10) for future in futures} == {Stored(2, 0, 0)}
    assert recorder.add(pairs[-1]).result(10) == Stored(2, 0, 0), "what was stored waits no more"
    recorder.stop()
    assert commits == [4, 4, 2, 2]


def test_bursts_of_requests_open_no_more_connections(
    client: TestClient, store: SqliteEventStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    plays = SqliteEventStore.plays

    def slowly(self: SqliteEventStore, *arguments: Any) -> list[str]:
        time.sleep(0.02)
        return plays(self, *arguments)

    def opened() -> int:
        found = 0
        for link in Path("/proc/self/fd").iterdir():
            with suppress(FileNotFoundError):  # closed meanwhile
                found += link.readlink() == store.file
        return found

    def ask(_: int) -> int:
        return client.post("/recommend", json={"user_id": "ada"}).status_code

    send(client, play())
    monkeypatch.setattr(SqliteEventStore, "plays", slowly)
    with ThreadPoolExecutor(30) as pool:
        assert set(pool.map(ask, range(90))) == {200}
    assert opened() <= STORE_THREADS + HISTORY_THREADS + 3  # the fixture's, the recorder's, one of its names


def test_a_store_that_fails_once_is_asked_again_and_then_the_client_is_told(
    client: TestClient, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    send(client, play())
    failures, plays = [1], SqliteEventStore.plays

    def failing(self: SqliteEventStore, *arguments: Any) -> list[str]:
        failures[0] -= 1
        if failures[0] >= 0:
            raise EventStoreError("server closed the connection to db.internal")
        return plays(self, *arguments)

    telemetry.configure_logging()
    monkeypatch.setattr(SqliteEventStore, "plays", failing)
    assert client.post("/recommend", json={"user_id": "ada"}).status_code == 200
    failures[0] = 2
    answer = client.post("/recommend", json={"user_id": "ada"})
    assert answer.status_code == 503 and answer.headers["retry-after"] == "1"
    assert answer.json()["detail"] == "The user's history cannot be read now: try again, or give a history."
    assert "db.internal" in capfd.readouterr().err


def test_a_user_id_with_nul_is_refused(client: TestClient) -> None:
    answer = client.post("/recommend", json={"user_id": "a\0"})
    assert answer.status_code == 422 and answer.json()["detail"] == "user_id must not hold a NUL character."


@pytest.fixture
def answers(client: TestClient) -> Callable[..., list[str]]:
    def ask(**body: object) -> list[str]:
        answer = client.post("/recommend", json={"k": 100, **body})
        assert answer.status_code == 200, answer.text
        return [item["item_id"] for item in answer.json()["items"]]

    return ask


def test_what_a_user_refused_is_not_recommended_to_them(
    client: TestClient, answers: Callable[..., list[str]]
) -> None:
    send(client, play())
    refused, *others = answers(user_id="ada")
    assert send(client, play("d1", item_id=refused, kind="dislike"))[1]["stored"] == 1
    assert answers(user_id="ada")[:99] == others
    assert refused not in answers(user_id="ada", history=["10"])
    assert refused not in answers(user_id="ada", exclude_seen=False)
    assert refused in answers(user_id="bob") and refused in answers(history=["10"])
    later = now_ms() + 1000
    send(client, play("e2", item_id=refused, played_at=later))
    assert refused in answers(user_id="ada", exclude_seen=False), "it was played again"


def test_a_refused_play_is_no_part_of_the_history(
    client: TestClient, answers: Callable[..., list[str]]
) -> None:
    send(
        client, play("e1", played_at=1_700_000_000_000), play("e2", item_id="20", played_at=1_700_000_000_001)
    )
    send(client, play("d1", item_id="20", kind="refund", value=0.2))
    assert answers(user_id="ada")[:99] == [item for item in answers(history=["10"]) if item != "20"][:99]


def test_kinds_are_those_of_the_setting(pointer: Path, store: SqliteEventStore) -> None:
    kinds = '{"rating": {"1": -1, "3": 0, "4": 1}}'
    settings = Settings.model_validate({"pointer": pointer, "events": store.file, "feedback": kinds})
    with TestClient(create_app(settings)) as client:
        rated = [play(f"r{stars}", item_id=str(stars), kind="rating", value=stars) for stars in (1, 3, 4.5)]
        assert send(client, *rated)[1]["stored"] == 3
        status, body = send(client, play("d1", kind="dislike"))
        assert (status, body["detail"]) == (422, "events[0].kind must be one of play, rating.")
        status, body = send(client, play("e1"), play("d1", kind="rating"))
        assert (status, body["detail"]) == (422, "events[1].kind must come with a value where it is rating.")
    assert store.plays("ada") == ["4.5"] and store.refused("ada") == {"1"}


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"kind": 3}, "events[0].kind must be a kind of feedback, text of at most 64 characters."),
        ({"kind": "x" * 65}, "events[0].kind must be a kind of feedback, text of at most 64 characters."),
        ({"kind": "love"}, "events[0].kind must be one of play, like, wishlist, dislike, refund."),
        ({"kind": None}, "events[0].kind must be a kind of feedback, text of at most 64 characters."),
        ({"value": "4"}, "events[0].value must be a number."),
        ({"value": True}, "events[0].value must be a number."),
        ({"value": [1]}, "events[0].value must be a number."),
    ],
)
def test_wrong_feedback_is_one_sentence(client: TestClient, changes: dict[str, object], told: str) -> None:
    status, body = send(client, play(**changes))
    assert (status, body["detail"]) == (422, told)


def test_a_value_that_is_no_finite_number_is_refused(client: TestClient) -> None:
    event = '{"event_id": "e", "user_id": "u", "item_id": "1", "value": 1e999}'
    answer = client.post("/events", content=f'{{"events": [{event}]}}')
    assert (answer.status_code, answer.json()["detail"]) == (422, "events[0].value must be a number.")
