"""The page of nights in a real browser, as the endpoint shows it to those who may see it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pipelines.operator.overview.page import render
from tests.e2e.conftest import Endpoint
from tests.support.overview import REPORT, overview

playwright = pytest.importorskip("playwright.sync_api")
axe = pytest.importorskip("axe_playwright_python.sync_playwright")
expect = playwright.expect
EVIL = "<script>document.title = 'broken'</script><img src=x onerror=\"document.title = 'broken'\">"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reports")
    (folder / REPORT).write_text("<title>Report</title><h1>Promote sasrec</h1>", encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def shown(pointer: Path, folder: Path) -> Iterator[Endpoint]:
    endpoint = Endpoint(pointer, reports=folder)
    endpoint.start()
    yield endpoint
    endpoint.stop()


def write(folder: Path, *given: object, **more: object) -> None:
    (folder / "index.html").write_text(render(overview(*given, **more)), encoding="utf-8")


@pytest.mark.parametrize(
    ("nights", "online", "scheme"),
    [
        (0, False, "light"),
        pytest.param(0, False, "dark", marks=pytest.mark.slow),
        pytest.param(1, False, "light", marks=pytest.mark.slow),
        (1, False, "dark"),
        (60, True, "light"),
        (60, True, "dark"),
    ],
)
def test_axe_finds_nothing_and_no_width_is_exceeded(browser, shown, folder, nights, online, scheme) -> None:
    write(folder, nights, online)
    for width in (360, 1280):
        page = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
        page.goto(f"{shown.address}/reports/")
        background = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert background == {"light": "rgb(252, 252, 250)", "dark": "rgb(22, 22, 21)"}[scheme]
        assert page.evaluate("document.documentElement.scrollWidth") == width
        found = axe.Axe().run(page)
        assert found.violations_count == 0, found.generate_report()
        page.close()


def test_from_the_demo_to_the_nights_to_a_report_by_links(browser, shown, folder) -> None:
    write(folder, 3)
    page = browser.new_page()
    page.goto(shown.address)
    page.get_by_role("link", name="Nights and reports").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Version 3 serves: sasrec")
    rows = page.locator("table.nights tbody tr")
    expect(rows).to_have_count(3)
    expect(rows.first.locator(".outcome")).to_contain_text("failed at try 3")
    rows.nth(1).get_by_role("link", name="report").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Promote sasrec")
    page.close()


def test_what_titles_hold_runs_nowhere(browser, shown, folder) -> None:
    write(folder, 7, words=EVIL)
    page, asked = browser.new_page(), []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{shown.address}/reports/")
    expect(page.locator(".lead").first).to_contain_text(EVIL)
    assert page.locator("script, img").count() == 0
    assert page.title() == "Version 7 serves – Nextplay nights"
    assert asked == [f"{shown.address}/reports/"]
    page.close()


def test_with_api_keys_a_browser_gives_one_as_a_password(browser, pointer, folder) -> None:
    write(folder, 1)
    endpoint = Endpoint(pointer, reports=folder, api_keys="open-sesame")
    endpoint.start()
    try:
        without = browser.new_context()
        assert without.request.get(f"{endpoint.address}/reports/").status == 401
        without.close()
        context = browser.new_context(http_credentials={"username": "", "password": "open-sesame"})
        page = context.new_page()
        assert page.goto(f"{endpoint.address}/reports/").status == 200
        context.close()
    finally:
        endpoint.stop()
