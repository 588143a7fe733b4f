"""The page of nights: whole whatever is there, escaped whatever it says, written when something happens."""

import json
import re
from pathlib import Path

import dagster as dg
import pytest

from assets.evaluation.leaderboard import STANDINGS
from assets.resources import Home
from assets.shown.plots import standings_chart
from pipelines.operator.overview.gather import try_overview, write_overview
from pipelines.operator.overview.page import Overview, render
from pipelines.operator.overview.sensor import nights_page
from pipelines.resources import Settings, SettingsError, read_settings
from tests.support.overview import REPORT, leaderboard, overview

EVIL = '<script>alert(1)</script><img src=x onerror=alert(2)> & "sons" \' </title></style>'


@pytest.fixture
def instance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dg.DagsterInstance:
    folder = tmp_path / "dagster"
    folder.mkdir()
    monkeypatch.setenv("DAGSTER_HOME", str(folder))
    return dg.DagsterInstance.get()


def settings_of(home: Home) -> Settings:
    return Settings(home=Path(home.path), source="sample", sample_size="tiny")


@pytest.mark.parametrize("nights", [0, 1, 2, 60])
def test_the_page_is_whole_after_so_many_nights(nights: int) -> None:
    page = render(overview(nights))
    assert page.startswith("<!doctype html>") and page.rstrip().endswith("</html>")
    assert page.count('class="outcome"') == min(nights, 14)
    assert ("No champion yet" in page) == (nights == 0)
    assert page.count("<svg") == (0 if nights == 0 else 3 + page.count('class="mark champion"'))
    assert page.count(f'href="{REPORT}"') >= (nights > 0)


def test_the_page_asks_for_nothing_else_and_runs_nothing() -> None:
    page = render(overview(60))
    assert not re.search(r"<script|<link|<img|<iframe|@import|url\(|https?://", page)


def test_what_is_missing_is_told() -> None:
    page = render(Overview("2026-11-28 02:41", "/srv/var"))
    for words in (
        "No champion yet",
        "No run yet",
        "No leaderboard yet",
        "No results yet",
        "No day yet",
        "None yet",
    ):
        assert words in page
    assert "No results yet" in render(overview(3, online=False))


def test_titles_and_reasons_are_text_whatever_they_hold() -> None:
    shown = overview(7, words=EVIL)
    page = render(shown)
    assert (
        "<script" not in page and "<img" not in page and page.count("</style>") == page.count("</title>") == 1
    )
    assert "&lt;script&gt;alert(1)" in page
    assert "<script" not in str(standings_chart({EVIL: leaderboard(1)}))


def test_lines_over_the_nights_are_champion_candidates_and_the_best_baseline() -> None:
    nights = {f"2026-09-0{n + 1}": leaderboard(n) for n in range(3)}
    drawn = str(standings_chart(nights))
    labels = re.findall(r'<text class="strong"[^>]*>([^<]+)</text>', drawn)
    assert sorted(labels) == ["best baseline", "champion", "gru4rec", "sasrec"]
    assert set(re.findall(r'class="line (\w+)"', drawn)) == {"champion", "candidate", "also", "other"}
    lines = re.findall(r'<polyline class="line champion" points="([^"]+)"', drawn)
    assert [len(line.split()) for line in lines] == [2], "on the first night there was no champion"


def test_a_home_without_anything_gets_a_page(empty_home: Home, instance: dg.DagsterInstance) -> None:
    path = write_overview(settings_of(empty_home), empty_home)
    assert "No champion yet" in path.read_text() and "No run yet" in path.read_text()


def test_a_finished_home_tells_who_serves_and_links_its_report(
    home: Home, instance: dg.DagsterInstance
) -> None:
    rows = leaderboard(1)
    event = dg.AssetMaterialization("leaderboard", metadata={STANDINGS: dg.MetadataValue.json(rows)})
    instance.report_runless_asset_event(event)
    instance.report_runless_asset_event(dg.AssetMaterialization("leaderboard"))  # of an older version
    page = write_overview(settings_of(home), home).read_text()
    champion = home.champions().current()
    assert champion is not None and f"Version {champion.version} serves" in page
    (report,) = home.folder("reports").glob("*[0-9a-f].html")
    assert f'href="{report.name}"' in page
    assert "1 night, with 95 % intervals" in page and "0.3710" in page


def test_what_needs_no_person_does_not_stand_under_what_does(
    empty_home: Home, instance: dg.DagsterInstance
) -> None:
    facts = empty_home.folder("reports") / "0123456789abcdef.json"
    of_refused, of_data = (
        "Would any group be worse off with gru4rec?",
        "Are the test items unseen? 3 are not.",
    )
    facts.write_text(json.dumps({"alarms": [of_refused, of_data], "for_a_person": [of_data]}))
    page = write_overview(settings_of(empty_home), empty_home).read_text()
    assert of_data in page and of_refused not in page
    facts.write_text(json.dumps({"alarms": [of_data]}))  # of an earlier version
    assert of_data in write_overview(settings_of(empty_home), empty_home).read_text()


def test_a_page_that_cannot_be_written_fails_no_run(
    home: Home, monkeypatch: pytest.MonkeyPatch, caplog
) -> None:
    monkeypatch.setenv("DAGSTER_HOME", "/nowhere")
    try_overview(settings_of(home), home)
    assert "The page of nights could not be written" in caplog.text


def test_the_sensor_writes_when_something_has_happened(home: Home, instance: dg.DagsterInstance) -> None:
    sensor, page = nights_page(settings_of(home)), home.folder("reports") / "index.html"

    def look(cursor: str | None):
        context = dg.build_sensor_context(instance=instance, cursor=cursor)
        return sensor.evaluate_tick(context)

    first = look(None)
    assert first.skip_message == f"Wrote {page}." and page.exists()
    assert look(first.cursor).skip_message.startswith("Nothing has happened")
    instance.create_run_for_job(_job())
    assert look(first.cursor).skip_message == f"Wrote {page}."


def _job() -> dg.JobDefinition:
    @dg.job(name="everything")
    def everything() -> None: ...

    return everything


@pytest.mark.parametrize(
    "wrong",
    ["reports", "ftp://host/", "http://", "http://host:0/", "http://[", "http://host/?a=1", "//host/"],
)
def test_an_address_of_reports_that_is_none_is_told(wrong: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEXTPLAY_REPORTS_URL", wrong)
    with pytest.raises(SettingsError, match=r"NEXTPLAY_REPORTS_URL=.*give an address of the web"):
        read_settings()


def test_the_report_is_linked_where_a_browser_finds_it(tiny_run) -> None:
    told = tiny_run.materialization("report").metadata
    assert told["open"].value == f"http://127.0.0.1:3002/{Path(told['report'].value).name}"
    assert told["all nights"].value == "http://127.0.0.1:3002/"
