"""Pictures of what people see, for docs/: Dagster's UI, the gate report, the demo page and an answer.

    make pictures                                       all of them, and the charts of benchmarks.pictures
    python -m benchmarks.screenshots --only graph.png   one of them
    python -m benchmarks.screenshots --steam HOME       of a home where the run is done already

Homes are made in .bench/pictures where they are missing. The demo page and one report show a run on the
shared Steam libraries; without these their pictures stay as they are. Needs Playwright and a Chromium.
docs/pictures/pictures.json keeps the hash of what each picture shows, and a test compares it with today's.
"""

import argparse
import datetime
import html
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from playwright.sync_api import Browser, Page, sync_playwright

from benchmarks.pictures import CHARTS, DOCS, draw
from benchmarks.shown import RECORD, sources

ROOT = Path(__file__).resolve().parents[1]
HOMES = ROOT / ".bench" / "pictures"
STEAM = ROOT.parent / "shared" / "data" / "steam"
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
HALF_LIFE = "220,380,400"  # Half-Life 2, its Episode One, Portal
PATIENCE = 120_000  # ms, for a busy machine
GRAPH, WIDE = (1300, 560), (1800, 900)  # px, of the UI
PAGE = (1120, 900)  # of the report


@dataclass(frozen=True)
class Stage:
    """A browser, and the homes that it may show."""

    browser: Browser
    homes: Mapping[str, Path]

    @contextmanager
    def page(self, size: tuple[int, int], **options: Any) -> Iterator[Page]:
        context = self.browser.new_context(viewport={"width": size[0], "height": size[1]}, **options)
        context.set_default_timeout(PATIENCE)
        yield context.new_page()
        context.close()


def graph(stage: Stage, path: Path) -> None:
    with ui(stage.homes["sample"]) as address, stage.page(GRAPH) as page:
        page.goto(f"{address}/asset-groups")
        page.get_by_role("button", name="Materialize all").wait_for()
        page.wait_for_timeout(5000)  # groups are closed where there are many assets
        page.locator("button:has([aria-label=panel_show_right])").last.click()  # more room for the graph
        page.wait_for_timeout(5000)
        page.screenshot(path=path)


def gate(stage: Stage, path: Path) -> None:
    with ui(stage.homes["sample"]) as address, stage.page(WIDE) as page:
        page.goto(f"{address}/assets/gate")
        page.get_by_text("verdict", exact=True).wait_for()
        page.wait_for_timeout(2000)
        page.screenshot(path=path)


def report_verdict(stage: Stage, path: Path) -> None:
    with open_report(stage, "sample") as page:
        page.screenshot(path=path, clip=clip(page, 0, 760))


def report_evidence(stage: Stage, path: Path) -> None:
    with open_report(stage, "sample") as page:
        top = page.locator("#leaderboard").bounding_box()
        assert top is not None
        page.screenshot(path=path, full_page=True, clip=clip(page, top["y"] - 24, 1780))


def report_steam(stage: Stage, path: Path) -> None:
    with open_report(stage, "steam") as page:
        page.screenshot(path=path, full_page=True, clip=clip(page, 0, 1900))


def nights(stage: Stage, path: Path) -> None:
    """The page of nights as it was written in the home."""
    with stage.page(PAGE) as page:
        page.goto((stage.homes["sample"] / "reports" / "index.html").resolve().as_uri())
        page.screenshot(path=path, full_page=True, clip=clip(page, 0, 1280))


def demo_light(stage: Stage, path: Path) -> None:
    with demo(stage, (1200, 860)) as page:
        page.screenshot(path=path)


def demo_dark(stage: Stage, path: Path) -> None:
    """Reached by keyboard: the first button has the focus."""
    with demo(stage, (1200, 860), color_scheme="dark") as page:
        page.keyboard.press("Tab")
        page.screenshot(path=path)


def demo_phone(stage: Stage, path: Path) -> None:
    with demo(stage, (390, 844)) as page:
        page.screenshot(path=path)


def answer(stage: Stage, path: Path) -> None:
    """The answer for the three games that most people of the sample played, as a terminal shows it."""
    from pygments import highlight
    from pygments.formatters import HtmlFormatter
    from pygments.lexers import JsonLexer

    from models.bundle.bundle import read_items

    home = stage.homes["sample"]
    with endpoint(home) as address:
        pointer = json.loads((home / "champion" / "pointer.json").read_text())
        items = read_items(home / "champion" / pointer["bundle"])
        history = [items.ids[i] for i in sorted(range(1, len(items.ids)), key=lambda i: -items.counts[i])[:3]]
        body = {"history": history, "k": 3}
        found = httpx.post(f"{address}/recommend", json=body, timeout=10)
        found.raise_for_status()
    command = (
        f"$ curl -s http://127.0.0.1:3000/recommend \\\n    -d '{json.dumps(body)}' | python -m json.tool\n"
    )
    shown = highlight(
        json.dumps(found.json(), indent=2), JsonLexer(), HtmlFormatter(noclasses=True, nowrap=True)
    )
    style = "margin:0;padding:24px;font:16px/19px monospace;background:#fff;color:#1b1b19"
    with stage.page((900, 400)) as page:
        page.set_content(f'<pre style="{style}">{html.escape(command)}{shown}</pre>')
        page.screenshot(path=path, full_page=True)


TAKEN: Mapping[str, tuple[str, Callable[[Stage, Path], None]]] = {
    "graph.png": ("sample", graph),
    "gate.png": ("sample", gate),
    "report-verdict.png": ("sample", report_verdict),
    "report-evidence.png": ("sample", report_evidence),
    "report-steam.png": ("steam", report_steam),
    "nights.png": ("sample", nights),
    "demo-light.png": ("steam", demo_light),
    "demo-dark.png": ("steam", demo_dark),
    "demo-phone.png": ("steam", demo_phone),
    "answer.png": ("sample", answer),
}


def clip(page: Page, top: float, height: int) -> Any:
    return {"x": 0, "y": top, "width": PAGE[0], "height": height}


@contextmanager
def open_report(stage: Stage, home: str) -> Iterator[Page]:
    """The report as today's code makes it of the home's tables."""
    from assets.evaluation.report import curves, origin
    from assets.evaluation.reporting.evidence import read_evidence
    from assets.evaluation.reporting.page import render
    from assets.resources import Home
    from models.networks import NETWORKS

    tables = Home(path=str(stage.homes[home]))
    text = render(read_evidence(tables, curves(tables, list(NETWORKS)), origin(tables, list(NETWORKS))))
    with stage.page(PAGE) as page:
        page.set_content(text)
        yield page


@contextmanager
def demo(stage: Stage, size: tuple[int, int], **options: Any) -> Iterator[Page]:
    with endpoint(stage.homes["steam"]) as address, stage.page(size, **options) as page:
        page.goto(f"{address}/#{HALF_LIFE}")
        page.locator(".champion li").nth(7).wait_for()
        page.wait_for_timeout(500)
        yield page


@contextmanager
def endpoint(home: Path) -> Iterator[str]:
    """The endpoint of a home's champion, in a thread."""
    import uvicorn

    from serving.app import create_app
    from serving.settings import Settings

    app = create_app(Settings(pointer=home / "champion" / "pointer.json"))
    app.state.follower.check()
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    server.should_exit = server.force_exit = True
    thread.join()


@contextmanager
def ui(home: Path) -> Iterator[str]:
    """Dagster's UI on a home, without its welcome."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    command = [
        sys.executable,
        "-m",
        "dagster_webserver",
        "-w",
        "pipelines/workspace.yaml",
        "-h",
        "127.0.0.1",
        "-p",
        str(port),
    ]
    with (home / "ui.log").open("w") as log:
        process = subprocess.Popen(command, env=environment(home), cwd=ROOT, stdout=log, stderr=log)
    try:
        seen = {"query": "mutation { setNuxSeen }"}
        for _ in range(240):
            try:
                httpx.post(f"{address}/graphql", json=seen, timeout=30).raise_for_status()
                break
            except httpx.HTTPError:
                time.sleep(0.5)
        yield address
    finally:
        process.terminate()
        process.wait()


def environment(home: Path) -> dict[str, str]:
    places = {"NEXTPLAY_HOME": home, "DAGSTER_HOME": home / "dagster", "BENTOML_HOME": home / "bentoml"}
    return os.environ | {name: str(place.resolve()) for name, place in places.items()}


def make_home(name: str, home: Path) -> None:
    """A finished home: on the tiny sample two nights, of which the second replaces a weak champion."""
    if (home / "champion" / "pointer.json").exists():
        return
    home.mkdir(parents=True, exist_ok=True)
    steam = {
        "NEXTPLAY_SOURCE": "steam",
        "NEXTPLAY_STEAM_LIBRARIES": str(STEAM / "australian_users_items.part.json.gz"),
        "NEXTPLAY_STEAM_GAMES": str(STEAM / "steam_games.json.gz"),
    }
    tiny = {"NEXTPLAY_SOURCE": "sample", "NEXTPLAY_SAMPLE_SIZE": "tiny"}
    nights = [steam] if name == "steam" else [tiny | {"NEXTPLAY_TRAINING": '{"epochs": 1}'}, tiny]
    for settings in nights:
        command = [sys.executable, "-m", "pipelines.run"]
        subprocess.run(command, cwd=ROOT, env=environment(home) | settings, check=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    for name in ("sample", "steam"):
        parser.add_argument(f"--{name}", type=Path, default=HOMES / name, help="a home")
    parser.add_argument(
        "--only", action="append", choices=[*TAKEN, *CHARTS], help="a picture; all by default"
    )
    given = parser.parse_args()
    wanted = given.only or [*CHARTS, *TAKEN]
    for name in set(wanted) & set(CHARTS):
        draw(name)
    homes = {"sample": given.sample, "steam": given.steam}
    needed = {TAKEN[name][0] for name in wanted if name in TAKEN}
    if "steam" in needed and not STEAM.is_dir() and not (given.steam / "champion").is_dir():
        print(f"{STEAM} is missing: the pictures of a run on Steam stay as they are.")
        needed.discard("steam")
    for name in needed:
        make_home(name, homes[name])
    record = json.loads(RECORD.read_text(encoding="utf-8")) if RECORD.exists() else {}
    with sync_playwright() as browsers:
        chromium = browsers.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        for name in wanted:
            if name in TAKEN and TAKEN[name][0] in needed:
                TAKEN[name][1](Stage(chromium, homes), DOCS / "pictures" / name)
                record[name] = {"shows": sources(name), "made": datetime.date.today().isoformat()}
                print(name, flush=True)
        chromium.close()
    RECORD.write_text(json.dumps(record, indent=1, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
