"""Who may ask, from where, in which trace, and what happens when too many ask at once."""

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import HTTPException
from fastapi.testclient import TestClient

from serving import telemetry
from serving.app import create_app
from serving.settings import Settings
from serving.turns import Turns
from tests.support.servers import deployment

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.fixture
def start(pointer: Path, wait_until: Callable[..., None]) -> Callable[..., Any]:
    @contextmanager
    def start(**changes: Any) -> Iterator[TestClient]:
        with TestClient(create_app(Settings(pointer=pointer, poll_seconds=0.01, **changes))) as client:
            wait_until(lambda: client.get("/readyz").status_code == 200)
            yield client

    return start


def test_with_keys_only_who_has_one_is_answered(start, capfd: pytest.CaptureFixture[str]) -> None:
    with start(api_keys="secret-1, secret-2") as client:
        telemetry.configure_logging()
        for wrong in ({}, {"Authorization": "Bearer secret"}, {"Authorization": "Basic secret-1"}):
            answer = client.post("/recommend", json={"history": []}, headers=wrong)
            assert answer.status_code == 401 and answer.json()["detail"].startswith(
                "This endpoint needs an API key"
            )
            assert answer.headers["x-request-id"] and answer.headers["www-authenticate"] == "Bearer"
        for key in ("secret-1", "secret-2"):
            headers = {"Authorization": f"Bearer {key}"}
            assert client.post("/recommend", json={"history": []}, headers=headers).status_code == 200
        for path in ("/livez", "/readyz", "/metrics", "/openapi.json", "/docs", "/", "/demo/style.css"):
            assert client.get(path).status_code == 200, path
        for path in ("/model", "/items?query=x", "/similar/3", "/demo/examples", "/demo/choices"):
            assert client.get(path).status_code == 401, path
        assert "secret" not in repr(client.app.state.__dict__)
    assert "secret" not in capfd.readouterr().err
    assert "secret" not in repr(Settings(api_keys="secret"))


def test_pages_of_other_origins_may_ask_only_where_that_is_set(start) -> None:
    asked = {"Origin": "https://shop.example", "Access-Control-Request-Method": "POST"}
    with start() as client:
        assert "access-control-allow-origin" not in client.options("/recommend", headers=asked).headers
    with start(cors_origins="https://shop.example,https://other.example", api_keys="k") as client:
        allowed = client.options("/recommend", headers=asked)
        assert allowed.status_code == 200
        assert allowed.headers["access-control-allow-origin"] == "https://shop.example"
        foreign = client.options("/recommend", headers=asked | {"Origin": "https://evil.example"})
        assert "access-control-allow-origin" not in foreign.headers


def test_a_trace_goes_on_in_the_answer_and_in_the_log(start, capfd: pytest.CaptureFixture[str]) -> None:
    with start() as client:
        telemetry.configure_logging()
        answer = client.post("/recommend", json={"history": []}, headers={"traceparent": TRACE})
        version, trace, span, flags = answer.headers["traceparent"].split("-")
        assert (version, trace, flags) == ("00", TRACE.split("-")[1], "01") and span != TRACE.split("-")[2]
        line = json.loads(capfd.readouterr().err.splitlines()[-1])
        assert (line["trace_id"], line["span_id"], line["parent_id"]) == (trace, span, TRACE.split("-")[2])
        for wrong in ("", "00-xyz", TRACE.replace("4bf92f3577b34da6a3ce929d0e0e4736", "0" * 32)):
            answer = client.post("/recommend", json={"history": []}, headers={"traceparent": wrong})
            assert answer.status_code == 200 and "traceparent" not in answer.headers


def test_no_line_a_request_where_that_is_set(start, capfd: pytest.CaptureFixture[str]) -> None:
    with start(log_requests=False) as client:
        telemetry.configure_logging()
        client.post("/recommend", json={"history": []})
    assert '"request"' not in capfd.readouterr().err


@pytest.mark.parametrize("threads", ["none", "some", "all"])
def test_turns_come_in_order_and_too_many_are_refused(threads: str) -> None:
    async def run() -> tuple[list[int], list[int]]:
        turns, order, refused = Turns(longest=3), list[int](), list[int]()

        async def ask(number: int) -> None:
            try:
                turns.admit()
            except HTTPException as refusal:
                assert refusal.status_code == 503 and (refusal.headers or {})["Retry-After"] == "1"
                refused.append(number)
                return
            in_thread = threads == "all" or (threads == "some" and number % 2 == 0)
            await turns.take(lambda: order.append(number), in_thread)

        await asyncio.gather(*(ask(number) for number in range(6)))
        await ask(6)  # the queue is empty again
        return order, refused

    assert asyncio.run(run()) == ([0, 1, 2, 6], [3, 4, 5])


def test_those_who_were_admitted_before_a_rush_are_refused_in_it() -> None:
    async def run() -> list[bool]:
        turns = Turns(longest=2)

        async def ask() -> bool:
            turns.admit()
            await asyncio.sleep(0.01)  # all are admitted before one takes a turn, as while bodies are read
            try:
                return await turns.take(lambda: True, in_thread=True)
            except HTTPException as refusal:
                assert refusal.status_code == 503
                return False

        return await asyncio.gather(*(ask() for _ in range(5)))

    assert asyncio.run(run()) == [True, True, False, False, False]


def test_a_turn_that_fails_lets_the_next_one_go(start) -> None:
    async def run() -> str:
        turns = Turns(longest=2)

        def fail() -> str:
            raise ValueError

        with pytest.raises(ValueError):
            await turns.take(fail, in_thread=True)
        return await turns.take(lambda: "done", in_thread=False)

    assert asyncio.run(run()) == "done"


def test_the_recommended_deployment_serves_with_several_workers(
    pointer: Path, tmp_path: Path, wait_until: Callable[..., None]
) -> None:
    counted = 'nextplay_request_seconds_count{outcome="ok",route="/recommend"} 20.0'
    with deployment(tmp_path, NEXTPLAY_POINTER=str(pointer), NEXTPLAY_WORKERS="2") as server:
        client = server.client
        for _ in range(20):
            with httpx.Client(base_url=client.base_url) as other:  # a connection of its own, to either worker
                assert other.post("/recommend", json={"history": ["3"]}).status_code == 200
        # a request is counted once its answer has gone out, and its worker need not be the one asked here
        wait_until(lambda: counted in client.get("/metrics").text)
        text = client.get("/metrics").text
        assert 'nextplay_model_info{architecture="sums",version="a1"} 1.0' in text
