import gc
import json
import os
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from prometheus_client import REGISTRY

from models.memory import NO_MEMORY
from serving import reload, telemetry
from serving.app import create_app
from serving.reload import Follower
from serving.settings import Settings

Publish = Callable[[str, str], None]


@pytest.fixture
def follower(pointer: Path) -> Follower:
    return Follower(pointer, poll_seconds=1.0, threads=1)


def served(follower: Follower) -> str | None:
    return follower.current.version if follower.current else None


def failing() -> float | None:
    return REGISTRY.get_sample_value("nextplay_reload_failing")


def failures() -> float:
    return REGISTRY.get_sample_value("nextplay_reloads_total", {"outcome": "failure"}) or 0.0


def test_a_new_version_is_followed_and_an_unchanged_one_left_alone(
    follower: Follower, publish: Publish
) -> None:
    follower.check()
    first = follower.current
    follower.check()
    assert served(follower) == "a1" and follower.current is first
    publish("b", "b1")
    follower.check()
    assert served(follower) == "b1"
    value = REGISTRY.get_sample_value
    assert value("nextplay_model_info", {"version": "a1", "architecture": "sums"}) == 0
    assert value("nextplay_model_info", {"version": "b1", "architecture": "sums"}) == 1


def test_a_relative_bundle_is_found_beside_the_pointer(tmp_path: Path, bundles: dict[str, Path]) -> None:
    (tmp_path / "here").symlink_to(bundles["a"])
    values = {"bundle": "here", "version": "r", "bundle_hash": "", "promoted_at": 0.0}
    values["bundle_hash"] = reload.bundle_hash(bundles["a"])
    (tmp_path / "champion.json").write_text(json.dumps(values))
    follower = Follower(tmp_path / "champion.json", 1.0, 1)
    follower.check()
    assert served(follower) == "r"


def spoil(text: str) -> Callable[[Path], None]:
    return lambda pointer: pointer.write_text(text) and None


def change(**values: object) -> Callable[[Path], None]:
    return lambda pointer: pointer.write_text(json.dumps(json.loads(pointer.read_text()) | values)) and None


def as_fifo(pointer: Path) -> None:
    pointer.unlink()
    os.mkfifo(pointer)


@pytest.mark.parametrize(
    "damage",
    [
        spoil(""),
        spoil('{"bundle": "/a'),
        spoil("[]"),
        spoil("{}"),
        Path.unlink,
        as_fifo,
        change(bundle=5),
        change(bundle="/nowhere"),
        change(bundle_hash="0" * 64),
    ],
)
def test_whatever_is_wrong_with_the_pointer_the_model_stays_until_it_is_restored(
    follower: Follower, pointer: Path, publish: Publish, damage: Callable[[Path], None]
) -> None:
    follower.check()
    first, before = follower.current, failures()
    damage(pointer)
    follower.check()
    follower.check()
    assert follower.current is first
    assert failing() == 1 and failures() == before + 1  # told once, not at every look
    publish("a", "a1")
    follower.check()
    assert follower.current is first and failing() == 0


def test_when_the_pointer_was_last_looked_at_is_told_and_one_that_hangs_too(
    follower: Follower, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    follower.check()
    looked = REGISTRY.get_sample_value("nextplay_pointer_looked_timestamp_seconds") or 0.0
    assert 0 <= time.time() - looked < 5
    released = threading.Event()
    monkeypatch.setattr(reload, "read_pointer", lambda _: released.wait(5) and None)
    telemetry.configure_logging()
    follower.start()
    follower.first_look(0.05)
    assert "has not been read for" in capfd.readouterr().err
    assert REGISTRY.get_sample_value("nextplay_pointer_looked_timestamp_seconds") == looked
    released.set()
    follower.stop()


def test_a_bundle_that_breaks_its_golden_promise_is_not_served(follower: Follower, publish: Publish) -> None:
    follower.check()
    publish("broken", "x1")
    follower.check()
    assert served(follower) == "a1" and failing() == 1
    publish("b", "b1")
    follower.check()
    assert served(follower) == "b1" and failing() == 0


def test_a_refused_bundle_is_tried_again_but_not_at_every_look(
    follower: Follower, publish: Publish, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[Path] = []
    load = reload.Recommender

    def flaky(folder: Path, threads: int) -> reload.Recommender:
        tried.append(folder)
        if len(tried) < 2:
            raise OSError("no memory")
        return load(folder, threads)

    monkeypatch.setattr(reload, "Recommender", flaky)
    follower.check()
    follower.check()
    assert len(tried) == 1 and follower.current is None
    monkeypatch.setattr(reload.time, "monotonic", lambda: 1e12)
    follower.check()
    assert len(tried) == 2 and served(follower) == "a1"


def test_a_server_started_before_the_first_promotion_waits_for_it(
    pointer: Path, publish: Publish, wait_until: Callable[..., None]
) -> None:
    pointer.unlink()
    with TestClient(create_app(Settings(pointer=pointer, poll_seconds=0.01))) as client:
        assert client.get("/readyz").status_code == 503
        publish("b", "b1")
        wait_until(lambda: client.get("/readyz").status_code == 200)
        assert client.get("/model").json()["version"] == "b1"


def test_a_model_without_memory_is_told_once_in_a_sentence(
    follower: Follower, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[dict[str, object]] = []

    def short(_: Path) -> None:
        raise MemoryError

    monkeypatch.setattr(reload, "read_pointer", short)
    monkeypatch.setattr(telemetry, "log", lambda event, **values: told.append(values))
    follower.check()
    follower.check()
    assert [(one["error"], one["reason"]) for one in told] == [(None, NO_MEMORY)]
    assert failing() == 1


def test_two_that_load_at_once_leave_the_interpreter_as_it_was() -> None:
    """A model and a listing: the one that ends last had found what the other one set."""
    before = sys.getswitchinterval()
    model, listing = reload.requests_first(), reload.requests_first()
    with ExitStack() as both:
        both.callback(sys.setswitchinterval, before)
        model.__enter__()
        listing.__enter__()
        assert sys.getswitchinterval() == pytest.approx(reload.TURN_SECONDS) and not gc.isenabled()
        model.__exit__(None, None, None)
        assert not gc.isenabled(), "the other one still loads"
        listing.__exit__(None, None, None)
        assert sys.getswitchinterval() == pytest.approx(before) and gc.isenabled()
