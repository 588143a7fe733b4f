"""docs/api.md names all that the OpenAPI document names, and its examples give what it shows.

They are asked of real endpoints, whose model knows the games that the page shows, by id and title. What the
answers hold beside that is random, so where a model answered, the form is compared, and else every value.
"""

import argparse
import re
import shlex
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray
from prometheus_client import REGISTRY

from models.bundle.attributes import Attribute
from models.bundle.bundle import ItemTable, bundle_hash, read_golden, read_items, read_manifest, write_bundle
from models.bundle.ids import MAX_ID
from serving.app import create_app
from serving.bodies import MAX_BODY
from serving.connections import CONNECTIONS, MAX_HEADERS, MAX_PIPELINED, MAX_TARGET
from serving.event_schemas import MAX_EVENTS
from serving.schemas import MAX_BATCH, MAX_FILTERS, MAX_K
from serving.settings import Settings
from serving.state.events import MAX_HISTORY
from serving.state.pointer import Pointer
from tests.support.servers import ROOT, Server, deployment

PAGE = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
ADDRESS = "http://127.0.0.1:3000"
VARIES = {"request_id", "impressions"}  # drawn anew; written soon after an answer

CURL = argparse.ArgumentParser(prog="curl")
CURL.add_argument("url")
CURL.add_argument("-s", action="store_true")
CURL.add_argument("-X", dest="method")
CURL.add_argument("-H", dest="headers", action="append", default=[])
CURL.add_argument("-d", dest="body")


@pytest.fixture(scope="module")
def pointer(
    tmp_path_factory: pytest.TempPathFactory,
    make_bundle: Callable[..., Path],
    make_table: Callable[[int], NDArray[np.float32]],
    write_baselines: Callable[[Path, ItemTable], dict[str, Path]],
) -> Path:
    """A pointer to a model that knows the games of the page, and to both baselines."""
    folder = tmp_path_factory.mktemp("page")
    bundle = make_bundle(folder / "bundle", make_table(1))
    items = with_games_of_the_page(read_items(bundle))
    manifest = replace(read_manifest(bundle), vocabulary_hash=items.vocabulary_hash())
    write_bundle(bundle, manifest, items, read_golden(bundle))
    baselines = {name: str(path) for name, path in write_baselines(folder, items).items()}
    published = Pointer(str(bundle), "7", bundle_hash(bundle), promoted_at=0.0, baselines=baselines)
    (folder / "champion.json").write_text(published.to_json(), encoding="utf-8")
    return folder / "champion.json"


def with_games_of_the_page(items: ItemTable) -> ItemTable:
    games = dict(re.findall(r'"item_id": "(\d+)", "title": "([^"]+)"', PAGE))
    first = len(games) + 1
    n = items.n_items
    return ItemTable(
        ["", *games, *items.ids[first:]],
        ["", *games.values(), *items.titles[first:]],
        items.counts,
        {
            "early_access": Attribute("flag", [None, *[False] * n]),
            "genres": Attribute("text", [None, *[["Indie", "Strategy", "Simulation", "RPG"]] * n]),
            "price": Attribute("number", [None, *(float(i % 40) for i in range(n))]),
            "release_date": Attribute("date", [None, *["2015-06-15"] * n]),
        },
    )


def test_every_example_gives_what_the_page_shows(pointer: Path, tmp_path: Path) -> None:
    asked = 0
    for number, (start, examples) in enumerate(chapters()):
        folder = tmp_path / str(number)
        folder.mkdir()
        with started(start, folder, pointer) as server:
            for example in examples:
                ask(server, example)
                asked += 1
    assert asked == PAGE.count("\ncurl ") > 15


def chapters() -> Iterator[tuple[str, list[str]]]:
    """The commands that start an endpoint, and the examples that are asked of it."""
    start, examples = "make serve", list[str]()
    for example in EXAMPLES:
        if "make serve" in example:
            yield start, examples
            start, examples = example, []
        else:
            examples.append(example)
    yield start, examples


def started(commands: str, folder: Path, pointer: Path) -> Server:
    """The endpoint of `NEXTPLAY_…=… make serve`, after the commands before it."""
    *before, serve = commands.strip().splitlines()
    for command in before:
        subprocess.run(command, shell=True, cwd=folder, check=True)
    *settings, make, target = shlex.split(serve)
    assert (make, target) == ("make", "serve")
    environment = dict(setting.split("=", 1) for setting in settings)
    assert {name.removeprefix("NEXTPLAY_").lower() for name in environment} <= Settings.model_fields.keys()
    events = str(folder / "events.db")
    return deployment(
        folder, NEXTPLAY_POINTER=str(pointer), NEXTPLAY_EVENTS=events, NEXTPLAY_WORKERS="1", **environment
    )


def ask(server: Server, example: str) -> None:
    command, shown = re.split(r"\n(?=\{|nextplay_)", example.strip(), maxsplit=1)
    answer = answer_to(command, server)
    if not shown.startswith("{"):
        assert all(f"\n{line}" in answer.text for line in shown.splitlines()), command
        return
    expected = httpx.Response(200, text=shown).json()
    assert answer.is_error == ("detail" in expected), f"{command}\n{answer.text}"
    by_a_model = bool({"model", "answers", "architecture"} & expected.keys())
    compare(expected, answer.json(), by_a_model, command)


def answer_to(command: str, server: Server) -> httpx.Response:
    asked = CURL.parse_args(shlex.split(command)[1:])
    assert asked.url.startswith(ADDRESS), command
    method = asked.method or ("GET" if asked.body is None else "POST")
    headers = dict(header.split(": ", 1) for header in asked.headers)
    path = asked.url.removeprefix(ADDRESS)
    return server.client.request(method, path, content=asked.body, headers=headers)


def compare(shown: Any, given: Any, form_alone: bool, where: str) -> None:
    """The same fields, kinds and numbers of entries; the same values too, unless the form alone counts."""
    assert type(shown) is type(given), f"{where}: {shown!r} is shown, and {given!r} is given"
    if isinstance(shown, dict):
        assert list(shown) == list(given), where
        for name, value in shown.items():
            compare(value, given[name], form_alone or name in VARIES, f"{where} > {name}")
    elif isinstance(shown, list):
        assert len(shown) == len(given), where
        for number, one, other in zip(count(), shown, given, strict=False):
            compare(one, other, form_alone, f"{where} > {number}")
    else:
        assert form_alone or shown == given, where


# --- names


@pytest.fixture(scope="module")
def document(pointer: Path) -> dict[str, Any]:
    return create_app(Settings(pointer=pointer)).openapi()


def test_every_path_has_a_section_that_names_its_fields(document: dict[str, Any]) -> None:
    sections = {part.partition("\n")[0]: part for part in PAGE.split("\n## ")[1:]}
    schemas, missing = document["components"]["schemas"], list[str]()
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            name = f"`{method.upper()} {path}`"
            section = next((text for heading, text in sections.items() if name in heading), "")
            names = fields_of(operation, schemas)
            missing += [name] if not section else [f"{name}: {n}" for n in names if f"`{n}`" not in section]
    assert missing == []


def fields_of(operation: dict[str, Any], schemas: dict[str, Any]) -> Iterator[str]:
    """The parameters, and the fields of the body and of the answer."""
    yield from (parameter["name"] for parameter in operation.get("parameters", []))
    answer = operation["responses"]["200"].get("content", {})
    for content in (operation.get("requestBody", {}).get("content", {}), answer):
        schema = content.get("application/json", {}).get("schema", {})
        named = schemas[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
        yield from named.get("properties", {})


def test_every_field_and_every_status_is_named(document: dict[str, Any]) -> None:
    own = {n: s for n, s in document["components"]["schemas"].items() if "ValidationError" not in n}
    names = {field for schema in own.values() for field in schema.get("properties", {})}
    statuses = {
        status for path in document["paths"].values() for one in path.values() for status in one["responses"]
    }
    assert {"because", "played_at", "detail"} <= names
    assert {name for name in names if f"`{name}`" not in PAGE} == set()
    assert {status for status in statuses if not re.search(rf"\b{status}\b", PAGE)} == set()


def test_every_metric_is_named() -> None:
    there = {family.name for family in REGISTRY.collect() if family.name.startswith("nextplay_")}
    assert {name.removesuffix("_total") for name in re.findall(r"`(nextplay_\w+)`", PAGE)} == there


def test_the_limits_are_those_of_the_code() -> None:
    for row, limit in {
        "an id": MAX_ID, "`history`, `exclude`": MAX_HISTORY, "`k`, `limit`": MAX_K, "`queries`": MAX_BATCH,
        "`events`": MAX_EVENTS, "requests that wait": Settings.model_fields["max_waiting"].default,
        "a path with its query": MAX_TARGET, "headers": MAX_HEADERS, "connections": CONNECTIONS,
        "requests of one connection that wait for their answers": MAX_PIPELINED,
    }.items():  # fmt: skip
        assert re.search(rf"^\| {row} \| {limit:,}\b", PAGE, re.MULTILINE), row
    assert f"At most {MAX_FILTERS} fields" in PAGE and f"more than {MAX_BODY:,} bytes" in PAGE
