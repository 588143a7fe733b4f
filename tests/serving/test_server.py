"""The real thing: a Bento, built and served by BentoML, with training's packages unimportable."""

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import packages_distributions, requires
from pathlib import Path

import httpx
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.support.attacks import (
    ENDLESS,
    bounds_are_sharp,
    has_no_meaning,
    never_ends,
    offers_more,
    pipelines,
)
from tests.support.servers import bento, free_port

OPTIONAL = ("events_postgres.py",)  # which an endpoint with its events in Postgres imports


def with_dependencies(names: set[str]) -> set[str]:
    """What an installer brings for these packages."""
    found, left = set[str](), list(names)
    while left:
        name = canonicalize_name(left.pop())
        if name not in found:
            found.add(name)
            wanted = map(Requirement, requires(name) or [])
            left += [one.name for one in wanted if one.marker is None or one.marker.evaluate({"extra": ""})]
    return found


def imported_at_start(folder: Path) -> Iterator[str]:
    """The packages that the modules of a folder import as soon as they are imported."""
    for path in (path for path in folder.rglob("*.py") if path.name not in OPTIONAL):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.Import):
                yield from (name.name.split(".")[0] for name in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module:
                yield node.module.split(".")[0]


def test_a_bento_names_every_package_that_it_imports(bento_home: Path) -> None:
    """Those that are installed here beside it would hide one that is missing."""
    (bento,) = (bento_home / "bentos" / "nextplay").glob("7/")
    listed = (bento / "env" / "python" / "requirements.txt").read_text().splitlines()
    there = with_dependencies({Requirement(line).name for line in listed})
    distributions = packages_distributions()
    imported = set(imported_at_start(bento / "src")) - sys.stdlib_module_names - {"models", "serving"}
    assert len(imported) > 5
    missing = {name for name in imported if not set(map(canonicalize_name, distributions[name])) & there}
    assert not missing


def test_the_bento_answers_without_the_packages_of_training(
    bento_server: httpx.Client, bento_home: Path
) -> None:
    answer = bento_server.post("/recommend", json={"history": ["3", 7, "zz"], "k": 3})
    assert answer.status_code == 200
    body = answer.json()
    assert body["model"] == {"version": "7", "architecture": "sums"} and len(body["items"]) == 3
    assert body["unknown_ids"] == ["zz"]
    blocked = (bento_home.parent / "blocked").read_text().split()
    assert len(set(blocked)) >= 2  # the command and the worker that it started


def test_bentoml_lets_the_app_answer_for_itself(bento_server: httpx.Client) -> None:
    assert bento_server.get("/livez").status_code == 200
    assert bento_server.get("/readyz").status_code == 200
    assert bento_server.get("/model").json()["version"] == "7"
    assert bento_server.get("/nothing").json()["detail"].startswith("There is nothing at /nothing")
    assert bento_server.get("/recommend").status_code == 405
    assert bento_server.get("/openapi.json").json()["info"]["title"] == "Nextplay"


def test_the_bento_brings_the_page_and_the_baselines(bento_server: httpx.Client) -> None:
    page = bento_server.get("/")
    assert (
        "What should I play next?" in page.text and "default-src" in page.headers["content-security-policy"]
    )
    assert bento_server.get("/demo/app.js").status_code == 200
    assert "How to ask the endpoint" in bento_server.get("/docs").text
    columns = bento_server.post("/compare", json={"history": ["3"]}).json()["columns"]
    assert [column["name"] for column in columns] == ["sums", "markov", "popularity"]


def test_bentoml_keeps_bad_input_and_its_answer_as_they_are(bento_server: httpx.Client) -> None:
    for content, status in ((b"\xff", 400), (b'{"history": [], "k": 0}', 422), (b" " * 1_200_000, 413)):
        answer = bento_server.post("/recommend", content=content)
        assert answer.status_code == status and isinstance(answer.json()["detail"], str)


def test_bentoml_has_the_same_bounds_on_connections(bento_server: httpx.Client) -> None:
    port = bento_server.base_url.port or 80
    for kind in ENDLESS:
        never_ends(port, kind)
    bounds_are_sharp(port)
    pipelines(port)
    offers_more(port)
    has_no_meaning(port)
    assert bento_server.get("/livez").status_code == 200


def test_metrics_are_the_apps(bento_server: httpx.Client) -> None:
    bento_server.post("/recommend", json={"history": ["3"]})
    text = bento_server.get("/metrics").text
    assert 'nextplay_request_seconds_count{outcome="ok",route="/recommend"}' in text
    assert 'nextplay_model_info{architecture="sums",version="7"} 1.0' in text
    assert "bentoml_" not in text


def test_a_bento_holds_what_serving_needs_and_no_more(bento_home: Path, bento_server: httpx.Client) -> None:
    source = bento_home / "bentos" / "nextplay" / "7" / "src"
    assert {path.name for path in source.iterdir()} == {
        "serving", "models", "bundle", "baselines", "champion.json", "bentofile.yaml",
    }  # fmt: skip
    assert not (source / "models" / "networks").exists()
    requirements = (source.parent / "env" / "python" / "requirements.txt").read_text()
    assert "onnxruntime==" in requirements and "torch" not in requirements


@pytest.mark.slow
def test_a_bento_with_an_open_lock_does_not_start(bento_home: Path) -> None:
    command = [
        str(Path(sys.executable).with_name("bentoml")),
        "serve",
        "nextplay:7",
        "--port",
        str(free_port()),
    ]
    for value in ("", " , ", "secret"):
        environment = {"BENTOML_HOME": str(bento_home), "NEXTPLAY_API_KEYS": value}
        done = subprocess.run(
            command, env=os.environ | environment, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 1 and "secret" not in done.stderr
        assert done.stderr.startswith("NEXTPLAY_API_KEYS") and done.stderr.count("\n") == 1


@pytest.mark.slow
def test_the_repository_can_be_served_too(tmp_path: Path, pointer: Path) -> None:
    with bento("serving.service:Nextplay", tmp_path, NEXTPLAY_POINTER=str(pointer)) as server:
        assert server.client.get("/model").json()["version"] == "a1"
