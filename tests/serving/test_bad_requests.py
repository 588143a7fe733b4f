"""Whatever comes over the wire, a real server answers it: no status of 500 or more, no hang, no growth.

Requests are generated from the OpenAPI document by schemathesis, right and wrong ones, and by hypothesis
without regard to it.
"""

import json
import math
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode

from tests.support.attacks import (
    bounds_are_sharp,
    endless,
    has_no_meaning,
    never_ends,
    offers_more,
    pipelines,
)
from tests.support.servers import deployment

WORKERS = 2
MAX_GROWTH = 32 * 2**20  # bytes of all workers together, after their first requests
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)
FIELDS = ("history", "user_id", "k", "exclude", "filters", "explain", "queries", "events", "x")
PATHS = ("/recommend", "/recommend/batch", "/compare", "/events", "/items", "/similar/3", "/model")
objects = st.dictionaries(st.sampled_from(FIELDS), json_values, max_size=4)
histories = st.fixed_dictionaries({"history": json_values})
bodies = st.binary(max_size=300) | (json_values | objects | histories).map(json.dumps).map(str.encode)


@pytest.fixture(scope="module")
def server(
    tmp_path_factory: pytest.TempPathFactory,
    bundles: dict[str, Path],
    write_pointer: Callable[..., None],
) -> Iterator[tuple[httpx.Client, psutil.Process]]:
    folder = tmp_path_factory.mktemp("bad")
    write_pointer(folder / "champion.json", bundles["a"], "a1")
    environment = {
        "NEXTPLAY_POINTER": str(folder / "champion.json"),
        "NEXTPLAY_EVENTS": str(folder / "events.db"),
        "NEXTPLAY_WORKERS": str(WORKERS),
    }
    with deployment(folder, **environment) as server:
        for content in (b'{"history": ["3"]}', b" " * 2_000_000) * 12:  # of both workers the first requests
            httpx.post(f"{server.url}/recommend", content=content)
        yield server.client, psutil.Process(server.pid)


@endless
def test_what_never_ends_is_refused(server: tuple[httpx.Client, psutil.Process], kind: str) -> None:
    client, process = server
    before = memory(process)
    never_ends(client.base_url.port or 80, kind)
    assert memory(process) - before < MAX_GROWTH
    assert client.get("/livez").status_code == 200


@pytest.mark.parametrize("attack", [bounds_are_sharp, pipelines, offers_more, has_no_meaning])
def test_heads_and_pipelines_have_bounds(server: tuple[httpx.Client, psutil.Process], attack: Any) -> None:
    attack(server[0].base_url.port)
    assert server[0].get("/livez").status_code == 200


def operations(client: httpx.Client) -> list[Any]:
    schema = schemathesis.openapi.from_dict(client.get("/openapi.json").json())
    schema.config.update(base_url=str(client.base_url))
    return [found.ok() for found in schema.get_all_operations()]


def answered(client: httpx.Client, response: Any) -> None:
    assert response.status_code < 500, response.text
    if response.status_code in (400, 401, 404, 405, 409, 413, 422):
        assert response.json()["detail"].endswith((".", "?")), response.text


def flood(client: httpx.Client, examples: int) -> int:
    """Ask about that many requests, three quarters of them made from the document; returns how many."""
    asked = 0
    cases = [
        operation.as_strategy(generation_mode=mode)
        for operation in operations(client)
        for mode in GenerationMode
        if mode.is_positive or operation.body or list(operation.iter_parameters())
    ]
    quick = settings(
        max_examples=math.ceil(3 * examples / (4 * len(cases))),
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    for case_strategy in cases:

        @quick
        @given(case=case_strategy)
        def ask_case(case: Any) -> None:
            nonlocal asked
            asked += 1
            answered(client, case.call(timeout=20))

        with suppress(Unsatisfiable):  # nothing can be wrong with a parameter that takes any text
            ask_case()

    @settings(quick, max_examples=math.ceil(examples / 4))
    @given(path=st.sampled_from(PATHS), body=bodies, method=st.sampled_from(["POST", "GET", "PUT", "DELETE"]))
    def ask_anything(path: str, body: bytes, method: str) -> None:
        nonlocal asked
        asked += 1
        answered(client, client.request(method, path, content=body, timeout=20))

    ask_anything()
    return asked


def memory(server: psutil.Process) -> int:
    return sum(child.memory_info().rss for child in server.children(recursive=True))


def test_the_document_is_sound_and_refers_to_nothing_that_is_missing(
    server: tuple[httpx.Client, psutil.Process],
) -> None:
    client, _ = server
    document = client.get("/openapi.json").json()
    text = json.dumps(document)
    known = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}
    assert "$defs" not in text
    assert {part.split('"')[0] for part in text.split('"$ref": "')[1:]} <= known
    assert len(operations(client)) == sum(len(methods) for methods in document["paths"].values())
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            assert operation.get("description"), f"{method} {path}"


def test_examples_work_when_pasted(server: tuple[httpx.Client, psutil.Process]) -> None:
    client, _ = server
    pasted = 0
    for path, methods in client.get("/openapi.json").json()["paths"].items():
        for content in methods.get("post", {}).get("requestBody", {}).get("content", {}).values():
            for example in content["schema"]["examples"]:
                answer = client.post(path, json=example)
                assert answer.status_code == 200, f"{path} {example}: {answer.text}"
                pasted += 1
    assert pasted >= 8


def test_no_request_makes_the_server_fail(server: tuple[httpx.Client, psutil.Process]) -> None:
    asked = 0
    while asked < 300:
        asked += flood(server[0], 300 - asked)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_20_000_requests_make_no_failure_no_hang_and_no_growth(
    server: tuple[httpx.Client, psutil.Process],
) -> None:
    client, process = server
    workers = {child.pid for child in process.children(recursive=True)}
    asked = flood(client, 3_000)  # buffers and caches fill
    before = memory(process)
    while asked < 20_000:
        asked += flood(client, 4_000)
    assert memory(process) - before < MAX_GROWTH
    assert {child.pid for child in process.children(recursive=True)} == workers  # none died
    assert client.post("/recommend", json={"history": ["3"]}).status_code == 200
