"""A worker without memory for the app ends all with one sentence; whatever else fails, fails as ever."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NoReturn

import pytest
from starlette.applications import Starlette

import serving.app
from models.memory import NO_MEMORY
from serving import worker
from tests.support.servers import deployment


@pytest.fixture(autouse=True)
def _ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """An end at once, which a test survives."""

    def end(status: int) -> NoReturn:
        raise SystemExit(status)

    monkeypatch.setattr("os._exit", end)


@pytest.mark.slow
def test_a_worker_that_takes_long_to_start_is_not_ended_for_it(tmp_path: Path, pointer: Path) -> None:
    """On a machine that has no time for it. Each one would be ended, and another started, without a word."""
    server = deployment(tmp_path, NEXTPLAY_POINTER=str(pointer), NEXTPLAY_WORKERS="1")
    held_up = "if any('spawn_main' in word for word in sys.orig_argv): time.sleep(7)"
    with (tmp_path / "blocker" / "sitecustomize.py").open("a") as startup:
        startup.write(f"\nimport sys, time\n{held_up}\n")
    with server:
        assert server.client.get("/livez").status_code == 200


def starting(error: Exception) -> Starlette:
    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        raise error
        yield

    return Starlette(lifespan=lifespan)


def start(app: worker.Worker) -> list[str]:
    """The kinds of messages that a server hears while the app starts."""
    heard: list[str] = []

    async def receive() -> dict[str, str]:
        return {"type": "lifespan.startup"}

    async def send(message: dict[str, str]) -> None:
        heard.append(message["type"])

    async def run() -> None:
        await app({"type": "lifespan", "app": app, "state": {}}, receive, send)  # type: ignore[arg-type]

    try:
        asyncio.run(run())
    except (KeyError, RuntimeError):
        heard.append("raised")
    return heard


def test_without_memory_a_sentence_ends_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        start(worker.Worker(starting(RuntimeError("can't start new thread"))))
    assert ended.value.code == 3 and capsys.readouterr().err == f"{NO_MEMORY}\n"

    def none() -> NoReturn:
        raise ImportError("libx.so: failed to map segment from shared object")

    monkeypatch.setattr(serving.app, "app_from_environment", none)
    with pytest.raises(SystemExit):
        worker.app()
    assert capsys.readouterr().err == f"{NO_MEMORY}\n"


def test_another_failure_is_raised_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    assert start(worker.Worker(starting(KeyError("home")))) == ["lifespan.startup.failed", "raised"]

    def wrong() -> NoReturn:
        raise ImportError("no such module")

    monkeypatch.setattr(serving.app, "app_from_environment", wrong)
    with pytest.raises(ImportError, match="no such module"):
        worker.app()
