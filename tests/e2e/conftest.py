"""A real browser, and the endpoint under a real server, on the models that a run of the pipeline made."""

import os
import shutil
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import uvicorn

from assets.release.bento import SHOWN
from models.bundle.bundle import ITEMS_FILE, bundle_hash, read_items
from serving.app import create_app
from serving.settings import Settings
from serving.state.pointer import Pointer

CHROMIUM = shutil.which("chromium")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
MARKUP = "<img src=x onerror=document.title='broken'> & Sons"
LONG = "The Extraordinarily Long and Winding Chronicles of a Game That Did Not Know When to Stop - Part II"


class Endpoint:
    """The app under uvicorn, on one port that stays the same when it is stopped and started again."""

    def __init__(self, pointer: Path, **settings: object) -> None:
        self._settings = Settings(pointer=pointer, **settings)
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self._port = probe.getsockname()[1]
        self.address = f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        app = create_app(self._settings)
        app.state.follower.check()  # so that the first answer does not wait for the model
        listener = socket.create_server(("127.0.0.1", self._port))
        config = uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=0)  # nor for the browser
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [listener]}, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Not by force: the app would go on to follow its pointer, and to report what it sees of it."""
        self._server.should_exit = True
        self._thread.join(timeout=20)
        assert not self._thread.is_alive()


@pytest.fixture(scope="module")
def pointer(tiny_run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """SASRec as the champion, whoever won, with two titles that are hard to show; both baselines with it."""
    store, folder = tiny_run.home.bundles(), tmp_path_factory.mktemp("page")
    shutil.copytree(store.current("sasrec"), folder / "bundle")
    items = read_items(folder / "bundle")
    hardest = replace(items, titles=[*items.titles[:1], MARKUP, LONG, *items.titles[3:]])
    (folder / "bundle" / ITEMS_FILE).write_text(hardest.to_json())
    baselines = {name: str(store.current(name)) for name in SHOWN}
    bundle = folder / "bundle"
    published = Pointer(str(bundle), "7", bundle_hash(bundle), promoted_at=0.0, baselines=baselines)
    (folder / "pointer.json").write_text(published.to_json())
    return folder / "pointer.json"


@pytest.fixture(scope="module")
def endpoint(pointer: Path) -> Iterator[Endpoint]:
    endpoint = Endpoint(pointer)
    endpoint.start()
    yield endpoint
    endpoint.stop()


@pytest.fixture
def locked_endpoint(pointer: Path) -> Iterator[Endpoint]:
    """One that asks for the API key `open-sesame`."""
    endpoint = Endpoint(pointer, api_keys="open-sesame")
    endpoint.start()
    yield endpoint
    endpoint.stop()


@pytest.fixture(scope="module")
def browser() -> Iterator[object]:
    if CHROMIUM is None and not os.environ.get("CI"):
        pytest.skip("there is no chromium here")
    with pytest.importorskip("playwright.sync_api").sync_playwright() as browsers:
        browser = browsers.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser, endpoint: Endpoint):
    """open_page(*ids, path="", **context options): the page, answered; no script may fail."""
    contexts, errors = [], []

    def open_it(*ids: str, path: str = "", **options: object):
        context = browser.new_context(**({"viewport": {"width": 1280, "height": 900}} | options))
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(f"{endpoint.address}/{path}#{','.join(ids)}")
        if not path:
            page.locator(".champion li").nth(7).wait_for()
        return page

    yield open_it
    for context in contexts:
        context.close()
    assert errors == []


@pytest.fixture(scope="module")
def games(pointer: Path) -> list[str]:
    """Ids of known games with plain titles, most played first."""
    items = read_items(pointer.parent / "bundle")
    order = sorted(range(3, len(items.ids)), key=lambda i: -items.counts[i])
    return [items.ids[i] for i in order]


@pytest.fixture(scope="module")
def titles(pointer: Path) -> dict[str, str]:
    items = read_items(pointer.parent / "bundle")
    return dict(zip(items.ids, items.titles, strict=True))


@pytest.fixture(scope="module")
def odd_games(pointer: Path) -> dict[str, str]:
    """Ids by what is odd about the title: "markup" and "long"."""
    items = read_items(pointer.parent / "bundle")
    return {"markup": items.ids[1], "long": items.ids[2]}
