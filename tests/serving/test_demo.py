"""What the demo page asks for, and how it is served."""

import asyncio
import gc
import os
import re
import signal
import subprocess
import sys
import time
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from fastapi.testclient import TestClient

from models.bundle.bundle import bundle_hash, read_items
from serving.app import create_app
from serving.examples import example_histories
from serving.openapi import WRITTEN, served_examples
from serving.recommender import Recommender
from serving.routes import demo
from serving.settings import Settings
from serving.state.pointer import Pointer
from tests.support.servers import free_port

ROOT = Path(__file__).resolve().parents[2]


def publish(path: Path, bundle: Path, baselines: dict[str, Path]) -> Path:
    folders = {name: str(folder) for name, folder in baselines.items()}
    pointer = Pointer(str(bundle), "a1", bundle_hash(bundle), promoted_at=1.0, baselines=folders)
    path.write_text(pointer.to_json())
    return path


@pytest.fixture
def start(tmp_path: Path, bundles: dict[str, Path]) -> Iterator[Callable[..., TestClient]]:
    """start(baselines, **settings): a client of an app whose model is loaded."""
    clients = []

    def make(baselines: dict[str, Path], **settings: object) -> TestClient:
        pointer = publish(tmp_path / "champion.json", bundles["a"], baselines)
        app = create_app(Settings(pointer=pointer, **settings))
        app.state.follower.check()
        clients.append(TestClient(app))
        return clients[-1]

    yield make
    for client in clients:
        client.close()


def test_the_champion_and_its_baselines_answer_the_same_history(start, baselines) -> None:
    answer = start(baselines).post("/compare", json={"history": [3, "zz", "2", "zz"], "k": 4}).json()
    assert answer["history"] == [{"item_id": "3", "title": "Game 3"}, {"item_id": "2", "title": "Game 2"}]
    assert answer["unknown_ids"] == ["zz"]
    assert answer["model"] == {"version": "a1", "architecture": "sums"}
    columns = [(column["name"], column["role"]) for column in answer["columns"]]
    assert columns == [("sums", "champion"), ("markov", "baseline"), ("popularity", "baseline")]
    for column in answer["columns"]:
        assert [item["rank"] for item in column["items"]] == [1, 2, 3, 4]
        assert not {"2", "3"} & {item["item_id"] for item in column["items"]}
    _, markov, popularity = answer["columns"]
    assert markov["items"][0]["item_id"] == "4"  # besides 3 all that ever followed 2
    assert popularity["items"][0]["item_id"] == "1"  # played twice, and 2 and 3 are seen


def test_the_champions_column_is_what_recommend_says(start, baselines) -> None:
    client = start(baselines)
    compared = client.post("/compare", json={"history": ["3", "7"], "k": 5}).json()["columns"][0]["items"]
    explained = client.post("/recommend", json={"history": ["3", "7"], "k": 5, "explain": True}).json()
    assert compared == explained["items"]


def test_a_filter_that_the_catalogue_does_not_know_is_refused(start, baselines) -> None:
    client = start(baselines)
    offered = client.get("/demo/choices").json()
    assert offered == {"fields": client.get("/model").json()["filters"], "reports": False}
    refused = client.post("/compare", json={"history": ["3"], "filters": {"colour": "red"}})
    assert refused.status_code == 422 and 'There is no field "colour"' in refused.json()["detail"]


def test_the_examples_of_the_docs_are_items_that_are_served(start, baselines) -> None:
    """What is sent from them is answered by the model, whichever catalogue it knows."""
    client = start(baselines)
    described = client.get("/openapi.json").json()
    bodies = {
        path: operation["requestBody"]["content"]["application/json"]["schema"]["examples"]
        for path, operations in described["paths"].items()
        for operation in operations.values()
        if "requestBody" in operation and path not in ("/events", "/items")  # which need a store
    }
    assert set(bodies) == {"/recommend", "/recommend/batch", "/compare"}
    for path, examples in bodies.items():
        for example in examples:
            answer = client.post(path, json=example)
            assert answer.status_code == 200, answer.text
            assert not answer.json().get("unknown_ids"), example
    assert bodies["/recommend"][0]["history"] == ["150", "149", "148"]  # most played first
    assert bodies["/recommend"][1]["history"] == [150, 149, 148], "as numbers, too"
    events = described["paths"]["/events"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert events["examples"][0]["events"][0]["item_id"] == "150"
    (similar,) = (p for path, p in described["paths"].items() if path.startswith("/similar/"))
    (item_id,) = (p for p in similar["get"]["parameters"] if p["name"] == "item_id")
    assert item_id["schema"]["examples"] == ["150"]


@pytest.mark.parametrize(
    ("items", "texts", "numbers"),
    [
        (["383310", "293120", "a b"], ["383310", "293120", "a b"], [383310, 293120, "a b"]),
        (['x"y'], ['x"y'] * 3, ['x"y'] * 3),
        (["007", "1" * 30, "٣"], ["007", "1" * 30, "٣"], ["007", "1" * 30, "٣"]),
        ([], list(WRITTEN), [int(i) for i in WRITTEN]),
    ],
)
def test_examples_name_any_ids(items, texts, numbers) -> None:
    written = {"paths": {}, "texts": list(WRITTEN), "numbers": [int(i) for i in WRITTEN], "n": 2931205}
    found = served_examples(written, items)
    assert (found["texts"], found["numbers"], found["n"]) == (texts, numbers, 2931205)


def test_no_model_shows_what_is_blocked(start, baselines, tmp_path: Path) -> None:
    (tmp_path / "blocked.txt").write_text("4\n1\n")
    client = start(baselines, blocklist=tmp_path / "blocked.txt")
    for column in client.post("/compare", json={"history": ["2"], "k": 100}).json()["columns"]:
        shown = {item["item_id"] for item in column["items"]}
        assert len(shown) == 100 and not shown & {"1", "4"}


def test_baselines_hold_what_is_known_of_the_items_once(start, baselines) -> None:
    served = start(baselines).app.state.follower.current
    assert len(served.baselines) == 2
    assert all(baseline.items is served.recommender.items for baseline in served.baselines.values())


def test_a_champion_without_baselines_is_shown_alone(start) -> None:
    answer = start({}).post("/compare", json={"history": ["3"]}).json()
    assert [column["role"] for column in answer["columns"]] == ["champion"]


def test_a_baseline_that_does_not_fit_is_left_out_and_the_champion_serves(
    start, bundles, write_baselines, tmp_path: Path
) -> None:
    (tmp_path / "broken").mkdir()
    foreign = write_baselines(tmp_path / "foreign", read_items(bundles["b"]))
    client = start({"markov": tmp_path / "broken", "popularity": foreign["popularity"]})
    answer = client.post("/compare", json={"history": ["3"]}).json()
    assert [column["name"] for column in answer["columns"]] == ["sums"]


@pytest.mark.parametrize(
    ("body", "status", "word"),
    [
        (b"{", 400, "JSON"),
        (b'{"history": "3"}', 422, "history"),
        (b'{"history": [], "k": 0}', 422, "k must"),
        (b'{"history": [], "exclude_seen": true}', 422, "Unknown field"),
        (b"{}", 422, "missing"),
    ],
)
def test_a_wrong_body_is_told_in_one_sentence(start, body: bytes, status: int, word: str) -> None:
    answer = start({}).post("/compare", content=body)
    assert answer.status_code == status
    assert word in answer.json()["detail"] and answer.json()["detail"].count(". ") == 0


def test_without_a_model_there_is_a_page_but_no_answer(tmp_path: Path) -> None:
    client = TestClient(create_app(Settings(pointer=tmp_path / "none.json")))
    assert client.get("/").status_code == 200
    for answer in (client.get("/demo/examples"), client.post("/compare", json={"history": []})):
        assert answer.status_code == 503 and "No model is loaded yet" in answer.json()["detail"]


def test_examples_are_plausible_and_share_no_game(start) -> None:
    client = start({})
    examples = client.get("/demo/examples").json()["examples"]
    assert len(examples) == 6 and all(len(example) == 3 for example in examples)
    ids = [item["item_id"] for example in examples for item in example]
    assert len(set(ids)) == len(ids)
    for first, second, third in examples:
        for history, following in (([first], second), ([first, second], third)):
            body = {"history": [item["item_id"] for item in history], "k": 1}
            assert client.post("/recommend", json=body).json()["items"][0]["item_id"] == following["item_id"]
    assert client.get("/demo/examples").json()["examples"] == examples


def test_examples_are_computed_once_however_many_wait_for_them(
    start, monkeypatch: pytest.MonkeyPatch
) -> None:
    computed = []

    def slowly(model: Recommender) -> list[list[str]]:
        computed.append(model)
        time.sleep(0.2)
        return example_histories(model)

    monkeypatch.setattr(demo, "example_histories", slowly)
    transport = httpx.ASGITransport(start({}).app)

    async def first_visitors() -> list[httpx.Response]:
        async with httpx.AsyncClient(transport=transport, base_url="http://page") as client:
            return await asyncio.gather(*(client.get("/demo/examples") for _ in range(5)))

    answers = asyncio.run(first_visitors())
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.text for answer in answers}) == 1 and len(computed) == 1


def test_examples_follow_the_model_and_keep_none_in_memory(start, bundles, baselines, tmp_path: Path) -> None:
    client = start(baselines)
    follower = client.app.state.follower
    assert client.get("/demo/examples").status_code == 200
    before = weakref.ref(follower.current)
    publish(tmp_path / "champion.json", bundles["b"], {})  # under the same version
    follower.check()
    gc.collect()
    assert before() is None
    examples = client.get("/demo/examples").json()["examples"]
    assert examples and all(item["item_id"].startswith("b") for example in examples for item in example)


def test_every_file_of_the_page_comes_with_strict_headers(start) -> None:
    client = start({})
    page = client.get("/")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    names = set(re.findall(r'(?:src|href)="(demo/[^"]+)"', page.text))
    scripts = {path.name for path in (ROOT / "serving" / "demo").glob("*.js")}
    assert {"demo/style.css", "demo/icon.svg", "demo/app.js"} == names and len(scripts) > 5
    for name in ["", *names, *(f"demo/{script}" for script in scripts)]:
        answer = client.get(f"/{name}")
        policy = answer.headers["content-security-policy"]
        assert answer.status_code == 200
        assert "default-src 'none'" in policy and "unsafe" not in policy and "http" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-cache"
        unchanged = client.get(f"/{name}", headers={"if-none-match": answer.headers["etag"]})
        assert unchanged.status_code == 304
        assert client.head(f"/{name}").content == b""


@pytest.mark.parametrize(
    "path", ["/demo/none.js", "/demo/..%2Fsettings.py", "/demo/../settings.py", "/demo/"]
)
def test_nothing_else_is_served(start, path: str) -> None:
    answer = start({}).get(path)
    assert answer.status_code == 404 and "There is nothing at" in answer.json()["detail"]


def test_the_demo_can_be_switched_off(start, baselines) -> None:
    client = start(baselines, demo=False)
    for path in ("/", "/demo/index.html", "/demo/app.js", "/demo/examples"):
        assert client.get(path).status_code == 404
    assert "/compare" not in client.get("/openapi.json").json()["paths"]
    assert client.post("/compare", json={"history": []}).status_code == 404
    assert client.app.state.follower.current.baselines == {}
    assert client.post("/recommend", json={"history": ["3"]}).status_code == 200


def test_make_demo_serves_the_champion_and_opens_its_page(
    tmp_path: Path, pointer: Path, wait_until: Callable[..., None]
) -> None:
    port, opened = free_port(), tmp_path / "opened"
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" > {opened}\n')
    browser.chmod(0o755)
    environment = {"NEXTPLAY_POINTER": str(pointer), "BROWSER": f"{browser} %s", "DISPLAY": ":0"}
    with subprocess.Popen(
        [sys.executable, "-m", "serving.open_page", "127.0.0.1", str(port)],
        cwd=ROOT, env=os.environ | environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    ) as server:  # fmt: skip
        assert server.stdout.readline() == f"What should I play next?  http://127.0.0.1:{port}/\n"
        assert httpx.get(f"http://127.0.0.1:{port}/model").json()["version"] == "a1"
        wait_until(lambda: opened.exists() and opened.read_text() == f"http://127.0.0.1:{port}/\n")
        taken = run_open_page(port, pointer)
        start = f"NEXTPLAY_DEMO_PORT={port} cannot be had on 127.0.0.1, another program listens there: "
        assert taken.stderr.startswith(start) and taken.stderr.count("\n") == 1
        server.send_signal(signal.SIGINT)
        assert server.wait(timeout=20) == 0


def test_make_demo_without_a_champion_is_one_sentence(tmp_path: Path) -> None:
    done = run_open_page(0, tmp_path / "none.json")
    assert done.returncode == 1
    assert (
        done.stderr == "There is no champion yet: `make run` trains one, on the built-in sample in minutes.\n"
    )


def run_open_page(port: int, pointer: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "serving.open_page", "127.0.0.1", str(port)],
        cwd=ROOT, env=os.environ | {"NEXTPLAY_POINTER": str(pointer)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
