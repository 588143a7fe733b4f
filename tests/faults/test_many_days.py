"""A year and more of days: taken in by one run, and each again by a backfill, as after a lost table."""

import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import httpx
import pytest

from assets.feedback.events import events, events_of_a_day, received_days, received_events
from assets.resources import Home
from serving.state import events_sql
from serving.state.event_stores import open_event_store
from serving.state.events import Play
from tests.support.homes import rows
from tests.support.servers import ROOT, Server, free_port

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]
DAYS, A_DAY = 400, 20
PAGES = {  # what the UI asks for where a page opens, in its own words for the graph
    "asset": """{ assetNodeOrError(assetKey: {path: ["received_events"]}) { ... on AssetNode {
        partitionKeys partitionStats { numMaterialized numPartitions } assetPartitionStatuses {
        ... on DefaultPartitionStatuses { materializedPartitions unmaterializedPartitions } } } } }""",
    "events of an asset": """{ assetNodeOrError(assetKey: {path: ["received_events"]}) { ... on AssetNode {
        assetMaterializations(limit: 100) { partition runId metadataEntries { label } } } } }""",
    "job": """{ pipelineOrError(params: {pipelineName: "events_of_a_day", repositoryName: "__repository__",
        repositoryLocationName: "pipelines.definitions"}) { ... on Pipeline {
        partitionKeysOrError { partitionKeys } runs(limit: 100) { id status } } } }""",
    "runs": "{ runsOrError(limit: 25) { ... on Runs { results { runId status tags { key value } } } } }",
    "assets": "{ assetNodes { assetKey { path } assetMaterializations(limit: 1) { timestamp } } }",
}
FIRST = datetime(2025, 1, 1, 12, tzinfo=UTC)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """A store with some events on each of many days."""
    home = Home(path=str(tmp_path / "home"))
    store = open_event_store(home.events_file)
    for number in range(DAYS):
        at = int((FIRST + timedelta(days=number)).timestamp() * 1000)
        monkeypatch.setattr(events_sql, "now_ms", lambda at=at: at)
        store.add([[Play(f"{number}-{n}", f"u{n}", "a") for n in range(A_DAY)]])
    store.close()
    return home


def test_four_hundred_days_are_taken_in_and_backfilled(home: Home, tmp_path: Path) -> None:
    days = [(FIRST + timedelta(days=number)).date().isoformat() for number in range(DAYS)]
    (tmp_path / "dagster").mkdir()
    took = dict[str, float]()
    with dg.DagsterInstance.local_temp(str(tmp_path / "dagster")) as instance:
        begun = time.monotonic()
        assert dg.materialize([received_events, events], instance=instance, resources={"home": home}).success
        took["one run of all"] = time.monotonic() - begun
        assert instance.get_materialized_partitions(received_events.key) == set(days)
        (home.folder("lake") / "pointer.json").unlink()  # the table is lost
        begun = time.monotonic()
        for day in days:
            assert events_of_a_day.execute_in_process(
                partition_key=day, resources={"home": home}, instance=instance
            ).success
        took["a day of the backfill"] = (time.monotonic() - begun) / DAYS
        begun = time.monotonic()
        assert instance.get_dynamic_partitions(received_days.name) == sorted(days)
        assert len(instance.get_run_records(limit=50)) == 50
        took["what a page of the UI asks for"] = time.monotonic() - begun
    took |= of_a_webserver(tmp_path, home, set(days))
    found = sorted(row[0] for row in rows(home, "events", "day"))
    assert found == sorted(day for day in days for _ in range(A_DAY))
    assert took["what a page of the UI asks for"] < 5, took
    assert max(took[page] for page in PAGES) < 10, took
    assert took["a day of the backfill"] < 20, took  # no day costs more for those before it


class Webserver(Server):
    """Dagster's own, over the records of this test."""

    def is_ready(self) -> bool:
        try:
            return bool(ask(self.url, PAGES["assets"])["assetNodes"])
        except (httpx.HTTPError, ValueError, KeyError):
            return False


def ask(address: str, query: str) -> dict[str, Any]:
    answer = httpx.post(f"{address}/graphql", json={"query": query}, timeout=60).json()
    assert "errors" not in answer, answer["errors"]
    found: dict[str, Any] = answer["data"]
    return found


def of_a_webserver(folder: Path, home: Home, days: set[str]) -> dict[str, float]:
    """What each page takes in a real webserver, asked a second time; they know every day."""
    port, took, told = free_port(), dict[str, float](), dict[str, Any]()
    command = [str(Path(sys.executable).with_name("dagster-webserver")), "-m", "pipelines.definitions"]
    environment = {
        "DAGSTER_HOME": str(folder / "dagster"),
        "NEXTPLAY_HOME": str(home.path),
        "PYTHONPATH": str(ROOT),
        "DAGSTER_DISABLE_TELEMETRY": "1",
    }
    with Webserver([*command, "-p", str(port)], port, folder, **environment) as server:
        for page, query in PAGES.items():
            ask(server.url, query)
            begun = time.monotonic()
            told[page] = ask(server.url, query)
            took[page] = time.monotonic() - begun
    asset = told["asset"]["assetNodeOrError"]
    assert set(asset["partitionKeys"]) == days
    assert asset["partitionStats"] == {"numMaterialized": len(days), "numPartitions": len(days)}
    assert set(asset["assetPartitionStatuses"]["materializedPartitions"]) == days
    assert asset["assetPartitionStatuses"]["unmaterializedPartitions"] == []
    of_asset = told["events of an asset"]["assetNodeOrError"]["assetMaterializations"]
    assert len(of_asset) == 100 and {one["partition"] for one in of_asset} <= days
    assert set(told["job"]["pipelineOrError"]["partitionKeysOrError"]["partitionKeys"]) == days
    assert {run["status"] for run in told["runs"]["runsOrError"]["results"]} == {"SUCCESS"}
    return took
