import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from fastapi import HTTPException, Request
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client import REGISTRY

from serving import telemetry
from serving.app import app_from_environment, create_app
from serving.bodies import given_once
from serving.recommender import Recommender
from serving.settings import Settings, load_settings


def fast(pointer: Path) -> Settings:
    return Settings(pointer=pointer, poll_seconds=0.01)


@pytest.fixture(scope="module")
def client(
    tmp_path_factory: pytest.TempPathFactory,
    bundles: dict[str, Path],
    write_pointer: Callable[..., None],
    wait_until: Callable[..., None],
) -> Iterator[TestClient]:
    pointer = tmp_path_factory.mktemp("app") / "champion.json"
    write_pointer(pointer, bundles["a"], "a1")
    with TestClient(create_app(fast(pointer))) as client:
        wait_until(lambda: client.get("/readyz").status_code == 200)
        yield client


def ask(client: TestClient, **body: object) -> dict[str, Any]:
    answer = client.post("/recommend", json=body)
    assert answer.status_code == 200, answer.text
    result: dict[str, Any] = answer.json()
    return result


def test_an_answer_names_items_model_and_request(client: TestClient) -> None:
    answer = client.post("/recommend", json={"history": ["3", "7", "zz"], "k": 2})
    body = answer.json()
    assert set(body) == {"items", "model", "unknown_ids", "fallback", "stale_history", "request_id"}
    assert [item["rank"] for item in body["items"]] == [1, 2]
    assert body["items"][0]["title"] == f"Game {body['items'][0]['item_id']}"
    assert body["model"] == {"version": "a1", "architecture": "sums"}
    assert body["unknown_ids"] == ["zz"] and body["fallback"] is None
    assert body["request_id"] == answer.headers["x-request-id"]


def test_ten_items_without_the_seen_ones_by_default(client: TestClient) -> None:
    history = [str(i) for i in range(1, 141)]
    items = ask(client, history=history)["items"]
    assert {item["item_id"] for item in items} == {str(i) for i in range(141, 151)}
    assert len(ask(client, history=history, exclude_seen=False, k=100)["items"]) == 100


def test_numbers_and_text_name_the_same_item(client: TestClient) -> None:
    as_text, as_numbers = ask(client, history=["10", "20"]), ask(client, history=[10, 20])
    assert as_text["items"] == as_numbers["items"]
    assert ask(client, history=[-1, 999])["unknown_ids"] == ["-1", "999"]


@pytest.mark.parametrize("history", [[], ["zz", "yy"]])
def test_popularity_answers_and_says_so_when_nothing_is_known(client: TestClient, history: list[str]) -> None:
    body = ask(client, history=history, k=2)
    assert body["fallback"] == "popularity" and body["unknown_ids"] == history
    assert [item["item_id"] for item in body["items"]] == ["150", "149"]


def test_an_answer_does_not_depend_on_what_was_asked_before(client: TestClient) -> None:
    histories = [[str(i), str(i + 1)] for i in range(1, 9)]
    forward = [ask(client, history=h)["items"] for h in histories]
    backward = [ask(client, history=h)["items"] for h in reversed(histories)]
    assert forward == backward[::-1]


def test_the_longest_history_and_the_largest_k_are_answered(client: TestClient) -> None:
    assert len(ask(client, history=["3"] * 10_000, k=100)["items"]) == 100


BAD_BODIES: list[tuple[bytes | str, int, str]] = [
    ("", 400, "not valid JSON"),
    ("{", 400, "not valid JSON"),
    ("nonsense", 400, "not valid JSON"),
    (b'{"history": ["\xff"]}', 400, "not valid JSON"),
    (b"\xfe\xff\x00", 400, "not valid JSON"),
    (r'{"history": ["\ud800"]}', 400, "not valid JSON"),
    ("[" * 100_000, 400, "not valid JSON"),
    ('{"history": ' + "[" * 300 + "]" * 300 + "}", 400, "not valid JSON"),
    ('{"history": [' + "9" * 5000 + "]}", 400, "number out of range"),
    ("null", 422, "JSON object"),
    ("[]", 422, "JSON object"),
    ('"10"', 422, "JSON object"),
    ("NaN", 422, "JSON object"),
    ("{}", 422, "history is missing, and user_id too"),
    ('{"history": null}', 422, "history must be a list"),
    ('{"history": "10"}', 422, "history must be a list"),
    ('{"history": {"10": 1}}', 422, "history must be a list"),
    ('{"history": [10, true]}', 422, "history[1] must be an item id"),
    ('{"history": [1.5]}', 422, "history[0] must be an item id"),
    ('{"history": [10.0]}', 422, "history[0] must be an item id"),
    ('{"history": [NaN]}', 422, "history[0] must be an item id"),
    ('{"history": [Infinity]}', 422, "history[0] must be an item id"),
    ('{"history": [1e400]}', 422, "history[0] must be an item id"),
    ('{"history": [null]}', 422, "history[0] must be an item id"),
    ('{"history": [[10]]}', 422, "history[0] must be an item id"),
    ('{"history": [{}]}', 422, "history[0] must be an item id"),
    ('{"history": [""]}', 422, "history[0] must be an item id"),
    ('{"history": ["%s"]}' % ("x" * 201), 422, "history[0] must be an item id"),
    ('{"history": [99999999999999999999]}', 422, "history[0] must be an item id"),
    (json.dumps({"history": ["1"] * 10_001}), 422, "at most 10,000"),
    ('{"history": [], "k": 0}', 422, "k must be a whole number from 1 to 100"),
    ('{"history": [], "k": 101}', 422, "k must be a whole number from 1 to 100"),
    ('{"history": [], "k": -1}', 422, "k must be a whole number from 1 to 100"),
    ('{"history": [], "k": "5"}', 422, "k must be a whole number"),
    ('{"history": [], "k": 5.0}', 422, "k must be a whole number"),
    ('{"history": [], "k": true}', 422, "k must be a whole number"),
    ('{"history": [], "k": NaN}', 422, "k must be a whole number"),
    ('{"history": [], "k": null}', 422, "k must be a whole number"),
    ('{"history": [], "exclude_seen": "yes"}', 422, "exclude_seen must be true or false"),
    ('{"history": [], "exclude_seen": 1}', 422, "exclude_seen must be true or false"),
    ('{"history": [], "K": 5, "x": 1}', 422, 'Unknown field "K", "x"'),
    ('{"user": 1}', 422, 'Unknown field "user"'),
    ('{"history": [], "k": 1, "k": 5}', 422, 'The field "k" stands twice in one object'),
    ('{"history": [], "k": 1, "k": 1}', 422, 'The field "k" stands twice in one object'),
    (r'{"history": ["1"], "h\u0069story": ["2"]}', 422, 'The field "history" stands twice'),
    ('{"history": [], "filters": {"a": "b", "a": "c"}}', 422, 'The field "a" stands twice'),
    (json.dumps({"history": ["x" * 150] * 7000}), 413, "at most 1,000,000"),
]


@pytest.mark.parametrize(("body", "status", "words"), BAD_BODIES)
def test_a_bad_body_is_refused_in_one_sentence(
    client: TestClient, body: bytes | str, status: int, words: str
) -> None:
    answer = client.post("/recommend", content=body)
    assert answer.status_code == status, answer.text
    detail = answer.json()["detail"]
    assert words in detail
    assert detail.endswith(".") and "\n" not in detail and len(detail) < 300
    assert answer.headers["x-request-id"]


@pytest.mark.parametrize("path", ["/recommend", "/recommend/batch", "/compare"])
def test_many_names_cost_one_look_each(client: TestClient, path: str) -> None:
    """Compared with each other, these would keep a worker from everybody for minutes."""
    names = ",".join([*(f'"{n:x}":0' for n in range(80_000)), '"x":0', '"x":0'])
    query = f'{{"history": [], "filters": {{"genres": {{{names}}}}}}}'
    started = time.process_time()
    answer = client.post(path, content=f'{{"queries": [{query}]}}' if "batch" in path else query)
    assert (answer.status_code, answer.json()["detail"][:15]) == (422, 'The field "x" s')
    assert time.process_time() - started < 5


def test_an_app_that_uvicorn_runs_by_itself_writes_for_its_owner_alone(
    pointer: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not `python -m serving` alone: the event store names users."""
    monkeypatch.setenv("NEXTPLAY_POINTER", str(pointer))
    monkeypatch.setenv("NEXTPLAY_EVENTS", str(tmp_path / "events" / "events.db"))
    before = os.umask(0o022)
    try:
        app_from_environment()
    finally:
        os.umask(before)
    made = [tmp_path / "events", *(tmp_path / "events").iterdir()]
    assert len(made) > 1 and not any(path.stat().st_mode & 0o077 for path in made)


def test_many_parameters_cost_one_look_each() -> None:
    names = "&".join([*(f"{n:x}=" for n in range(40_000)), "k=1", "k=1"])
    request = Request({"type": "http", "query_string": names.encode(), "path_params": {}})
    started = time.process_time()
    with pytest.raises(HTTPException, match="The parameter k is given twice"):
        given_once(request)
    assert time.process_time() - started < 5


def test_searches_take_turns_too_and_what_is_too_much_is_refused(
    pointer: Path, monkeypatch: pytest.MonkeyPatch, wait_until: Callable[..., None]
) -> None:
    """Sixty at once, each with the interpreter to itself, kept everybody else waiting for seconds."""
    searching, finished = threading.Semaphore(0), threading.Event()

    def search(*_: object) -> list[tuple[str, str]]:
        searching.release()
        finished.wait(20)
        return []

    monkeypatch.setattr(Recommender, "search", search)
    settings = Settings(pointer=pointer, max_waiting=2)
    with TestClient(create_app(settings)) as client, ThreadPoolExecutor(8) as clients:
        answers = [clients.submit(client.get, "/items?query=game") for _ in range(8)]
        assert searching.acquire(timeout=20)
        wait_until(lambda: sum(answer.done() for answer in answers) == 6)
        assert not searching.acquire(timeout=0.2)
        finished.set()
    assert sorted(answer.result().status_code for answer in answers) == [200] * 2 + [503] * 6


def test_of_many_unknown_fields_a_few_are_named(client: TestClient) -> None:
    body = json.dumps({"history": []} | {"x" * 100 + str(n): 0 for n in range(1_000)})
    detail = client.post("/recommend", content=body).json()["detail"]
    assert detail.startswith('Unknown field "xxx') and len(detail) < 500
    event = {"event_id": 1, "user_id": 1, "item_id": 1, "y" * 10_000: 0}
    detail = client.post("/events", json={"events": [event]}).json()["detail"]
    assert detail.startswith('Unknown field "yyy') and len(detail) < 500


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters()), inner, max_size=4),
    max_leaves=8,
)
requests = st.fixed_dictionaries(
    {"history": st.lists(st.integers(0, 200) | st.text(max_size=3)) | json_values},
    optional={"k": st.integers(-1, 102) | json_values, "exclude_seen": st.booleans() | json_values},
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=(json_values | requests).map(json.dumps).map(str.encode) | st.binary())
def test_no_body_makes_the_server_fail(client: TestClient, body: bytes) -> None:
    answer = client.post("/recommend", content=body)
    assert answer.status_code in {200, 400, 422}, answer.text
    assert "items" in answer.json() if answer.status_code == 200 else answer.json()["detail"].endswith(".")


def test_examples_in_the_openapi_description_work(client: TestClient) -> None:
    description = client.get("/openapi.json").json()
    operation = description["paths"]["/recommend"]["post"]
    examples = operation["requestBody"]["content"]["application/json"]["schema"]["examples"]
    assert len(examples) == 5
    for example in examples:
        assert ask(client, **example)["items"]
    assert set(operation["responses"]) == {"200", "400", "413", "422", "503"}
    assert {"/recommend", "/model", "/livez", "/readyz", "/metrics"} <= set(description["paths"])


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/nothing", 404), ("GET", "/recommend", 405), ("PUT", "/model", 405)],
)
def test_a_wrong_address_is_explained(client: TestClient, method: str, path: str, status: int) -> None:
    answer = client.request(method, path)
    assert answer.status_code == status and path in answer.json()["detail"]


def test_the_model_describes_itself(client: TestClient) -> None:
    model = client.get("/model").json()
    assert model["version"] == "a1" and model["architecture"] == "sums" and model["n_items"] == 150
    assert model["data_fingerprint"] == "data-1" and model["metrics"] == {"ndcg@10": 0.25}
    assert model["source"] == "sample" and model["split"] == "leave-one-out"
    assert len(model["bundle_hash"]) == 64 and model["loaded_at"].endswith("+00:00")


@pytest.mark.parametrize(("given", "kept"), [("abc-1", True), ("a b", False), ("x" * 65, False)])
def test_a_sane_request_id_is_kept(client: TestClient, given: str, kept: bool) -> None:
    answer = client.post("/recommend", json={"history": []}, headers={"X-Request-ID": given})
    assert (answer.json()["request_id"] == given) is kept
    assert answer.headers["x-request-id"] == answer.json()["request_id"]


def test_metrics_count_what_happened(client: TestClient) -> None:
    def value(name: str, **labels: str) -> float:
        return REGISTRY.get_sample_value(f"nextplay_{name}", labels) or 0.0

    def counts() -> list[float]:
        return [
            value("request_seconds_count", route="/recommend", outcome="ok"),
            value("request_seconds_count", route="/recommend", outcome="refused"),
            value("fallbacks_total"),
            value("unknown_ids_total"),
        ]

    before = counts()
    ask(client, history=["3"])
    ask(client, history=["zz", "yy"])
    client.post("/recommend", content="{")
    assert [after - old for after, old in zip(counts(), before, strict=True)] == [2, 1, 1, 2]
    text = client.get("/metrics").text
    assert 'nextplay_model_info{architecture="sums",version="a1"} 1.0' in text
    assert "nextplay_reload_failing 0.0" in text


def test_the_log_has_one_json_line_a_request_and_no_history(
    client: TestClient, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    telemetry.configure_logging()  # the standard error stream of this test
    answer = ask(client, history=["3", "secret-id"])
    client.get("/livez")
    (line,) = capfd.readouterr().err.splitlines()
    entry = json.loads(line)
    assert entry["request_id"] == answer["request_id"] and entry["route"] == "/recommend"
    assert (entry["status"], entry["version"], entry["history"], entry["unknown"]) == (200, "a1", 2, 1)
    assert "secret-id" not in line


def test_a_bug_is_a_500_with_the_request_id_and_a_stack_trace_in_the_log(
    client: TestClient, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    telemetry.configure_logging()
    monkeypatch.setattr(Recommender, "recommend", lambda *_, **__: 1 / 0)
    answer = client.post("/recommend", json={"history": ["3"]})
    assert answer.status_code == 500 and answer.headers["x-request-id"] in answer.json()["detail"]
    entry = json.loads(capfd.readouterr().err)
    assert "ZeroDivisionError" in entry["trace"] and entry["request_id"] == answer.headers["x-request-id"]


def test_ready_only_after_the_warm_up(
    pointer: Path, monkeypatch: pytest.MonkeyPatch, wait_until: Callable[..., None]
) -> None:
    warm_up, reached, go_on = Recommender._warm_up, threading.Event(), threading.Event()

    def slow(self: Recommender) -> None:
        reached.set()
        assert go_on.wait(20)
        warm_up(self)

    monkeypatch.setattr(Recommender, "_warm_up", slow)
    monkeypatch.setattr("serving.app.PATIENCE_SECONDS", 0.1)  # then it takes requests without a model
    with TestClient(create_app(fast(pointer))) as client:
        assert reached.wait(20)
        assert client.get("/livez").status_code == 200
        for answer in (
            client.get("/readyz"),
            client.get("/model"),
            client.post("/recommend", json={"history": []}),
        ):
            assert answer.status_code == 503 and "No model is loaded yet" in answer.json()["detail"]
        go_on.set()
        wait_until(lambda: client.get("/readyz").status_code == 200)
        assert client.post("/recommend", json={"history": []}).status_code == 200


def test_a_wrong_setting_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEXTPLAY_POLL_SECONDS", "often")
    with pytest.raises(SystemExit, match=r"^NEXTPLAY_POLL_SECONDS='often': it must be a number[.]$"):
        load_settings()


def test_an_empty_setting_is_no_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEXTPLAY_POINTER", "")
    assert load_settings().pointer.name == "champion.json"
