"""Dagster's UI in a real browser: a click on "Materialize all" makes every asset; the schedule is on."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.runs import ENVIRONMENT, FinishedRun

playwright = pytest.importorskip("playwright.sync_api")
CHROMIUM = shutil.which("chromium")
ROOT = Path(__file__).resolve().parents[2]
RUNS = "{ runsOrError { ... on Runs { results { runId status } } } }"
ASSETS = "{ assetNodes { assetKey { path } assetMaterializations(limit: 1) { runId } } }"
SCHEDULES = """{ schedulesOrError(repositorySelector: {repositoryName: "__repository__",
  repositoryLocationName: "nextplay"}) { ... on Schedules { results { name scheduleState { status } } } } }"""

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None and not os.environ.get("CI"), reason="there is no chromium here"),
    pytest.mark.timeout(280),
]


@pytest.fixture(scope="module", params=["a home with bundles", pytest.param("empty", marks=pytest.mark.slow)])
def ui(
    request: pytest.FixtureRequest, tiny_run: FinishedRun, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """`nextplay ui`, with no runs and no champion so far; where bundles are, nothing has to be trained."""
    home = tmp_path_factory.mktemp("ui")
    if request.param != "empty":
        shutil.copytree(tiny_run.home.path, home, dirs_exist_ok=True)
        shutil.rmtree(home / "champion")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = os.environ | {
        "DAGSTER_HOME": str(home / "dagster"),
        "NEXTPLAY_HOME": str(home),
        **ENVIRONMENT,
    }
    log = (home / "ui.log").open("w")
    process = subprocess.Popen(
        [sys.executable, "-m", "pipelines.operator.cli", "ui", "--port", str(port)],
        env=environment, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
    )  # fmt: skip
    address = f"http://127.0.0.1:{port}"
    try:
        wait_for(lambda: httpx.get(f"{address}/server_info", timeout=2).status_code == httpx.codes.OK, 120)
        wait_for(lambda: len(ask(address, ASSETS)["assetNodes"]) > 0, 60)
        yield address
    finally:
        os.killpg(process.pid, signal.SIGKILL)  # its processes ignore SIGTERM while one of them starts
        process.wait()


def wait_for(condition, seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            if condition():
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.5)
    raise AssertionError(f"still waiting after {seconds} s")


def ask(address: str, query: str) -> dict:
    answer = httpx.post(f"{address}/graphql", json={"query": query}, timeout=30).json()
    assert "errors" not in answer, answer["errors"]
    return answer["data"]


def runs(address: str) -> list[dict]:
    return ask(address, RUNS)["runsOrError"]["results"]


def test_the_nightly_schedule_is_on(ui: str) -> None:
    schedules = ask(ui, SCHEDULES)["schedulesOrError"]["results"]
    states = {schedule["name"]: schedule["scheduleState"]["status"] for schedule in schedules}
    assert states == {"nightly": "RUNNING", "watching": "RUNNING", "weekly": "RUNNING"}


def test_materialize_all_makes_every_asset(ui: str) -> None:
    ask(ui, "mutation { setNuxSeen }")  # a welcome dialog covers the page until then
    with playwright.sync_playwright() as browsers:
        flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        browser = browsers.chromium.launch(executable_path=CHROMIUM, args=flags)
        page = browser.new_page(viewport={"width": 1800, "height": 900})
        page.goto(f"{ui}/asset-groups")
        page.get_by_role("button", name="Materialize all").click()
        wait_for(lambda: len(runs(ui)) == 1, 60)
        wait_for(lambda: runs(ui)[0]["status"] in ("SUCCESS", "FAILURE"), 240)
        browser.close()
    (run,) = runs(ui)
    assert run["status"] == "SUCCESS"
    made = {
        node["assetKey"]["path"][-1]: node["assetMaterializations"] for node in ask(ui, ASSETS)["assetNodes"]
    }
    assert len(made) >= 15
    never = [name for name, materializations in made.items() if not materializations]
    # Days are there once the endpoint has stored an event; what is no candidate is not trained.
    assert sorted(never) == [
        "bert4rec", "hstu", "ligr", "received_events", "sasrec_ranked", "tiger", "two_stage", "two_towers",
    ]  # fmt: skip
