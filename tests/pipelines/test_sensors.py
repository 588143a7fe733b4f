"""A failed run is told to a real receiver, in the log, and never with the webhook's address."""

import json
import logging
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import dagster as dg
import pytest

from pipelines.sensors import failure_alert, post


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


def test_a_failed_run_reaches_the_receiver_with_its_reason(receiver: Receiver) -> None:
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
        failure_alert(receiver.address)(context)
    (body,) = receiver.bodies
    assert result.run_id in body["text"] and "everything" in body["text"]
    assert "clean: More than 1 % of the lines cannot be read." in body["text"]


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
