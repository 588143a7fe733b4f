"""Who may ask, from where, in which trace, and what happens when too many ask at once."""

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import httpx
import pytest
from fastapi import HTTPException
from fastapi.testclient import TestClient

from serving import keys, telemetry
from serving.access import OPEN, needed_role
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
    assert "secret" not in repr(Settings(api_keys="secret-1"))


def test_a_key_of_any_letters_admits(start) -> None:
    with start(api_keys="schlüssel-zum-glück, 🔑🔑🔑🔑🔑🔑🔑🔑") as client:
        for key in ("schlüssel-zum-glück", "🔑" * 8):
            for sent, status in ((key.encode(), 200), (key.encode() + b"\xff", 401)):
                answer = client.get("/model", headers={b"Authorization": b"Bearer " + sent})
                assert answer.status_code == status


def test_pages_of_other_origins_may_ask_only_where_that_is_set(start) -> None:
    asked = {"Origin": "https://shop.example", "Access-Control-Request-Method": "POST"}
    with start() as client:
        assert "access-control-allow-origin" not in client.options("/recommend", headers=asked).headers
    with start(cors_origins="https://shop.example,https://other.example", api_keys="open-sesame") as client:
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


def asks(client: TestClient, key: str, method: str, path: str, **more: Any) -> int:
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    return client.request(method, path, headers=headers, **more).status_code


HISTORY: dict[str, Any] = {"json": {"history": []}}
PLAY: dict[str, Any] = {"json": {"events": [{"event_id": "a", "user_id": "ada", "item_id": "3"}]}}


def test_a_key_may_what_its_roles_say_and_no_more(start, tmp_path: Path) -> None:
    given = "read:reading-1, write:writing-1, operate:operating-1, read+write:both-of-them, all-of-it"
    with start(api_keys=given, events=tmp_path / "events.db", reports=tmp_path) as client:
        asked = {
            "read": [("POST", "/recommend", HISTORY), ("GET", "/model", {}), ("GET", "/items/3", {})],
            "write": [("POST", "/events", PLAY)],
            "operate": [("DELETE", "/users/ada", {}), ("DELETE", "/items/3", {}), ("GET", "/reports/", {})],
        }
        may = {"reading-1": ["read"], "writing-1": ["write"], "operating-1": ["operate"]}
        may |= {"both-of-them": ["read", "write"], "all-of-it": list(asked), "": []}
        for key, roles in may.items():
            for role, requests in asked.items():
                for method, path, more in requests:
                    status = asks(client, key, method, path, **more)
                    if role in roles:
                        assert status in (200, 404), (key, method, path)
                    else:
                        assert status == (403 if key else 401), (key, method, path)
        told = client.delete("/users/ada", headers={"Authorization": "Bearer reading-1"}).json()["detail"]
        assert told == "This key may read: DELETE /users/ada needs one that may operate."


def test_every_request_of_the_api_has_the_role_that_it_is_meant_to_have(start) -> None:
    with start() as client:
        made = client.get("/openapi.json").json()["paths"]
    needed = {(m.upper(), path): needed_role(m.upper(), path) for path, of in made.items() for m in of}
    assert {asked for asked, role in needed.items() if role == "write"} == {("POST", "/events")}
    assert {asked for asked, role in needed.items() if role == "operate"} == {
        ("POST", "/items"), ("DELETE", "/items"), ("DELETE", "/items/{item_id}"),
        ("DELETE", "/users"), ("DELETE", "/users/{user_id}"),
    }  # fmt: skip


ROLES_OF = {"read": "reading-1", "write": "writing-1", "operate": "operating-1"}
UNLISTED = [  # what is not in the document, and ways to write what is
    ("GET", "/demo/examples"), ("GET", "/demo/choices"), ("GET", "/demo/%65xamples"), ("GET", "/reports/"),
    ("GET", "/reports/index.html"), ("GET", "/%72eports/"), ("DELETE", "/%75sers/ada"),
    ("DELETE", "/users/ada/"), ("DELETE", "/Users/ada"), ("POST", "/events/"),
    ("PUT", "/items"), ("PATCH", "/users/ada"), ("POST", "/model"), ("POST", "/nowhere"), ("GET", "/nowhere"),
    ("GET", "/livez/"), ("GET", "/livez/../model"), ("GET", "/metrics/x"), ("GET", "/openapi.json/"),
    ("OPTIONS", "/users/ada"), ("TRACE", "/model"), ("FOO", "/users/ada"), ("DELETE", "/demo/style.css"),
]  # fmt: skip


def test_every_role_at_every_route(start, tmp_path: Path) -> None:
    """A key that may not ask is refused before anything is looked at, however the path is written."""
    given = ",".join(f"{role}:{key}" for role, key in ROLES_OF.items())
    with start(api_keys=given, events=tmp_path / "events.db", reports=tmp_path) as client:
        client.follow_redirects = False
        made = client.get("/openapi.json").json()["paths"]
        listed = [
            (method.upper(), path.replace("{", "").replace("}", ""))
            for path, of in made.items()
            for method in of
        ]
        assert len(listed) > 15
        for method, path in [*listed, *UNLISTED]:
            plain = unquote(path)  # the parts in braces may stand for themselves
            if plain in OPEN or (plain.startswith("/demo/") and plain.endswith(".css")):
                continue
            needed = needed_role(method, plain)
            assert asks(client, "", method, path) == 401, (method, path)
            assert asks(client, "nobody-knows", method, path) == 401, (method, path)
            for role, key in ROLES_OF.items():
                status = asks(client, key, method, path)
                assert (status == 403) == (role != needed), (role, method, path, status)
                assert status != 401 and status < 500, (role, method, path, status)


def test_keys_of_a_file_come_and_go_while_the_endpoint_runs(start, tmp_path: Path, wait_until) -> None:
    file = tmp_path / "keys.txt"
    line, key = made_key("read")
    file.write_text(f"# of the shop\n\n{line}  # until May\n")
    with start(api_keys_file=file) as client:
        assert asks(client, key, "GET", "/model") == 200 and asks(client, "", "GET", "/model") == 401
        next_line, next_key = made_key("read")
        file.write_text(f"{line}\n{next_line}\n")
        wait_until(lambda: asks(client, next_key, "GET", "/model") == 200)
        assert asks(client, key, "GET", "/model") == 200
        file.write_text(f"{next_line}\n")
        wait_until(lambda: asks(client, key, "GET", "/model") == 401)
        for broken in ("", "read:", "nobody:long-enough", "no-roles-here", "\xff"):
            file.write_text(broken, encoding="latin-1")
            wait_until(
                lambda: (
                    asks(client, next_key, "GET", "/model") == 200
                    and "nextplay_keys_failing 1.0" in client.get("/metrics").text
                )
            )
        file.unlink()
        assert asks(client, next_key, "GET", "/model") == 200 and asks(client, "", "GET", "/model") == 401


def made_key(roles: str) -> tuple[str, str]:
    """What `python -m serving.keys` shows: the line, and the key."""
    key, line = (told.rpartition(" ")[2] for told in keys.new(roles))
    assert key not in line
    return line, key


def test_without_keys_no_other_origin_changes_anything(start, tmp_path: Path) -> None:
    evil = {"Origin": "https://evil.example"}
    with start(events=tmp_path / "events.db", cors_origins="https://shop.example") as client:
        for headers in (
            evil,
            {"Origin": "null"},
            {"Sec-Fetch-Site": "cross-site"},
            {"Sec-Fetch-Site": "same-site", "Origin": "http://testserver"},
            evil | {"Sec-Fetch-Site": "cross-site", "Content-Type": "text/plain"},
            {"Origin": "http://["},
        ):
            for method, path in (("POST", "/events"), ("POST", "/recommend"), ("DELETE", "/users/ada")):
                refused = client.request(method, path, headers=headers, content=json.dumps(PLAY["json"]))
                assert refused.status_code == 403 and "NEXTPLAY_CORS_ORIGINS" in refused.json()["detail"]
        for kind in ("text/plain", "multipart/form-data; boundary=x", "TEXT/PLAIN ; charset=utf-8"):
            refused = client.post("/events", content=b"{}", headers={"Content-Type": kind})
            assert refused.status_code == 415 and "application/json" in refused.json()["detail"]
        form = {"Content-Type": "application/x-www-form-urlencoded"}  # as curl -d calls it
        for headers in (
            {},
            form,
            {"Origin": "https://shop.example"},
            {"Origin": "http://testserver"},
            {"Origin": "https://play.example", "Sec-Fetch-Site": "same-origin"},
            {"Origin": "https://play.example", "X-Forwarded-Host": "play.example"},
            {"Sec-Fetch-Site": "none"},
        ):
            given = client.post("/events", headers=headers, content=json.dumps(PLAY["json"]))
            assert given.status_code == 200, headers
        assert client.post("/events", headers=form | {"Origin": "http://testserver"}).status_code == 415


@pytest.mark.parametrize(
    ("hosts", "reached", "key", "name", "answered"),
    [
        ("", "127.0.0.1", "", "evil.example", False),
        ("", "127.0.0.1", "", "evil.example:3000", False),
        ("", "::1", "", "rebound.evil.example", False),
        ("", "127.0.0.1", "", "localhost:3000", True),
        ("", "127.0.0.1", "", "127.0.0.1:3000", True),
        ("", "::1", "", "[::1]:3000", True),
        ("", "127.0.0.1", "open-sesame", "play.example", True),
        ("", "10.0.0.7", "", "play.example", True),
        ("play.example, 10.0.0.7", "10.0.0.7", "", "PLAY.example:80", True),
        ("play.example, 10.0.0.7", "10.0.0.7", "open-sesame", "evil.example", False),
        ("play.example", "10.0.0.7", "", "play.example.evil.example", False),
        ("*", "127.0.0.1", "", "evil.example", True),
    ],
)
def test_only_names_that_are_meant_are_answered(
    hosts: str, reached: str, key: str, name: str, answered: bool, pointer: Path
) -> None:
    app = create_app(Settings(pointer=pointer, hosts=hosts, api_keys=key))
    headers = {"Host": name, "Authorization": f"Bearer {key}"}
    client = TestClient(app, base_url=f"http://{f'[{reached}]' if ':' in reached else reached}")
    asked = client.get("/demo/style.css", headers=headers)
    assert asked.status_code == (200 if answered else 421)
    assert answered or "NEXTPLAY_HOSTS" in asked.json()["detail"]
    assert client.get("/livez", headers=headers).status_code == 200


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
