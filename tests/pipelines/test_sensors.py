"""A failed run is told to a real receiver, in the log, and never with the webhook's address."""

import json
import logging
import re
import threading
import time
from collections.abc import Iterator
from datetime import datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import dagster as dg
import pytest
from dagster._daemon.types import DaemonHeartbeat

from assets.resources import Home
from assets.state.lake import LakeError
from pipelines.records import ASSET_JOB
from pipelines.resources import Settings
from pipelines.sensors import failure_alert, post
from serving.state.pointer import Pointer, read_pointer
from tests.support.nights import BY_SCHEDULE, CLEAN, night


class Receiver(HTTPServer):
    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers: list[int] = []
        self.bodies: list[dict] = []

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/hook-secret"


class Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        self.server.bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(self.server.answers.pop(0) if self.server.answers else 200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    server = Receiver()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def test_a_failed_run_reaches_the_receiver_with_its_reason(receiver: Receiver, tmp_path: Path) -> None:
    @dg.op
    def clean() -> None:
        raise dg.Failure("More than 1 % of the lines cannot be read.")

    @dg.job
    def everything() -> None:
        clean()

    with dg.DagsterInstance.ephemeral() as instance:
        result = everything.execute_in_process(instance=instance, raise_on_error=False)
        context = dg.build_run_status_sensor_context(
            sensor_name="failure_alert",
            dagster_event=result.get_run_failure_event(),
            dagster_instance=instance,
            dagster_run=result.dagster_run,
        ).for_run_failure()
        failure_alert(receiver.address, Settings(home=tmp_path))(context)
    (body,) = receiver.bodies
    assert result.run_id in body["text"] and "everything" in body["text"]
    assert "clean: More than 1 % of the lines cannot be read." in body["text"]


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    retries = {"run_retries": {"enabled": True, "max_retries": 2}}
    with dg.DagsterInstance.ephemeral(settings=retries) as made:
        yield made


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home")


def posted(
    receiver: Receiver, instance: dg.DagsterInstance, settings: Settings, run: dg.DagsterRun
) -> list[str]:
    """What the sensor posts of a failed run."""
    before = len(receiver.bodies)
    (record,) = instance.get_records_for_run(run.run_id, of_type=dg.DagsterEventType.RUN_FAILURE).records
    context = dg.build_run_status_sensor_context(
        sensor_name="failure_alert",
        dagster_event=record.event_log_entry.dagster_event,
        dagster_instance=instance,
        dagster_run=run,
    ).for_run_failure()
    failure_alert(receiver.address, settings)(context)
    return [body["text"] for body in receiver.bodies[before:]]


GONE = "NEXTPLAY_TABLE names plays.csv, which does not exist."


def test_an_alert_says_where_what_still_serves_whether_again_and_how_to_look(
    receiver: Receiver, instance: dg.DagsterInstance, settings: Settings, home: Home
) -> None:
    settings = settings.model_copy(update={"home": Path(home.path)})
    instance.add_daemon_heartbeat(DaemonHeartbeat(time.time(), "SCHEDULER", "id", []))
    run = night(instance, settings, error=LakeError(GONE), tags=BY_SCHEDULE)
    (text,) = posted(receiver, instance, settings, run)
    now = read_pointer(home.pointer_file)
    since = datetime.fromtimestamp(now.promoted_at).astimezone()
    assert text.startswith(f"Nextplay in {Path(home.path).resolve()} on ")
    assert (
        f": run {run.run_id} of everything failed. clean: {GONE} Still serving: version {now.version} ("
        in text
    )
    assert f"champion since {since:%Y-%m-%d %H:%M}" in text
    assert re.search(r"It is not tried again before the next night, 20\d\d-\d\d-\d\d 02:30 UTC\.", text)
    assert text.endswith("To look: make status, or make ui.") and len(text) < 600 and "\n" not in text


def test_a_mistake_that_returns_is_told_once_a_night(
    receiver: Receiver, instance: dg.DagsterInstance, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(sentence: str) -> list[str]:
        run = night(instance, settings, error=LakeError(sentence), tags=BY_SCHEDULE)
        return posted(receiver, instance, settings, run)

    assert "told" not in fails("51% of the users are gone.")[0]
    assert fails("52% of the users are gone.") == []  # another try an hour later: only numbers differ
    assert len(fails(GONE)) == 1  # another fault
    now = time.time()
    monkeypatch.setattr("pipelines.alerts.time.time", lambda: now + 24 * 3600)
    (next_night,) = fails("53% of the users are gone.")
    assert "The same was told once before, first at 20" in next_night
    monkeypatch.setattr("pipelines.alerts.time.time", lambda: now + 48 * 3600)
    assert "The same was told 2 times before" in fails("54% of the users are gone.")[0]


def test_what_could_not_be_delivered_was_not_told(
    receiver: Receiver, instance: dg.DagsterInstance, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as away:
        away.setattr("pipelines.sensors.post", lambda *_: False)
        run = night(instance, settings, error=LakeError(GONE), tags=BY_SCHEDULE)
        assert posted(receiver, instance, settings, run) == []
    run = night(instance, settings, error=LakeError(GONE), tags=BY_SCHEDULE)
    (text,) = posted(receiver, instance, settings, run)
    assert "told" not in text


def test_a_run_that_is_tried_again_is_told_first_and_last(
    receiver: Receiver, instance: dg.DagsterInstance, settings: Settings
) -> None:
    texts, parent = [], None
    for _ in range(3):
        parent = night(instance, settings, error=OSError("the network"), parent=parent, tags=BY_SCHEDULE)
        texts.append(posted(receiver, instance, settings, parent))
    assert [len(of_run) for of_run in texts] == [1, 0, 1]
    assert "It is tried again at once." in texts[0][0]
    assert "It is not tried again, and there is no next night, for nothing keeps the schedule" in texts[2][0]
    assert "There is no champion yet, so nothing serves." in texts[0][0]


def test_a_run_that_came_to_no_step_is_told_with_its_reason(
    receiver: Receiver, instance: dg.DagsterInstance, settings: Settings
) -> None:
    run = night(instance, settings, before=LakeError("Another run has worked here."), tags=BY_SCHEDULE)
    (text,) = posted(receiver, instance, settings, run)
    assert "failed. Another run has worked here. " in text and "It is tried again at once." in text


def test_an_alert_of_a_part_names_no_night(
    receiver: Receiver, instance: dg.DagsterInstance, settings: Settings
) -> None:
    run = night(instance, settings, error=LakeError(GONE), job=ASSET_JOB, selection={CLEAN})
    (text,) = posted(receiver, instance, settings, run)
    assert "It is not tried again by itself." in text and "night" not in text


def test_a_damaged_champion_does_not_silence_the_alert(
    receiver: Receiver, instance: dg.DagsterInstance, settings: Settings
) -> None:
    pointer = settings.home / "champion" / "pointer.json"
    pointer.parent.mkdir(parents=True)
    pointer.write_text("{half")
    run = night(instance, settings, error=LakeError(GONE))
    (text,) = posted(receiver, instance, settings, run)
    assert "pointer is damaged, and endpoints keep the model" in text
    pointer.write_text(Pointer("gone", "3", "0" * 64, 1.0).to_json())
    run = night(instance, settings, error=LakeError("Another one."))
    (text,) = posted(receiver, instance, settings, run)
    assert "The bundle of version 3 is missing or damaged" in text


def test_a_receiver_that_stumbles_is_tried_again_and_its_address_is_not_logged(
    receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    receiver.answers = [503, 500]
    with caplog.at_level(logging.INFO):
        assert post(receiver.address, "late", wait=0.01)
    assert len(receiver.bodies) == 3 and "secret" not in caplog.text


def test_a_receiver_that_is_gone_is_said_in_the_log_without_its_address(
    receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    receiver.answers = [500, 500, 500]
    with caplog.at_level(logging.ERROR, logger="pipelines.sensors"):
        assert not post(receiver.address, "the run failed", wait=0.01)
    assert "the run failed" in caplog.text and "secret" not in caplog.text
