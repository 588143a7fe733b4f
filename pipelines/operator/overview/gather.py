"""Reads what the page of nights shows: Dagster's records, the champions, and tables of the lake."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, tzinfo
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import dagster as dg
import duckdb

from assets.evaluation.leaderboard import STANDINGS
from assets.evaluation.reporting.facts import read_facts
from assets.feedback.drift import in_words
from assets.resources import Home
from assets.state.files import replace_text
from assets.state.lake import LakeError
from pipelines.instance import open_instance
from pipelines.operator import history
from pipelines.operator.overview.page import Night, Overview, Report, Serving, render
from pipelines.operator.status import read_status, with_architecture
from pipelines.resources import Settings
from serving.reports import INDEX, REPORT

NIGHTS, REIGNS, STANDING_NIGHTS = 14, 20, 60  # that are shown

log = logging.getLogger(__name__)


def write_overview(settings: Settings, home: Home) -> Path:
    """Write the page of nights anew, beside the reports."""
    path = home.folder("reports") / INDEX
    replace_text(path, render(gather(settings, home)))
    return path


def try_overview(settings: Settings, home: Home) -> None:
    """Write it where that is possible: the run that it tells of has ended, whatever becomes of the page."""
    try:
        write_overview(settings, home)
    except Exception as error:
        log.warning("The page of nights could not be written: %s", error)


def gather(settings: Settings, home: Home) -> Overview:
    """Everything that the page says. Reads alone."""
    zone, status = ZoneInfo(settings.timezone), read_status(settings, home, NIGHTS)
    champions = home.champions()
    reigns = [_serving(with_architecture(champions, r.pointer), zone) for r in champions.history()[-REIGNS:]]
    drift, online = _rows(home, "drift"), _rows(home, "online_results", "k = 10")
    reports = list(_reports(home))
    by_run = {run_id: path.name for path, _, _, run_id in reports}
    with open_instance() as instance:
        boards = standings(instance, zone)
    return Overview(
        made=_text(datetime.now(zone).timestamp(), zone),
        zone=datetime.now(zone).tzname() or settings.timezone,
        home=status.home,
        champion=_serving(status.champion, zone) if status.champion else None,
        attention=[*status.attention, *(f"The newest report asks for a look. {a}" for a in status.alarms)],
        as_served=status.as_served,
        next_night=status.next_night,
        nights=[_night(night, by_run, zone) for night in status.nights],
        reigns=reigns[::-1],
        standings=boards,
        drift=drift,
        drift_words=in_words(drift),
        online=online,
        reports=[Report(path.name, _text(made, zone), headline) for path, made, headline, _ in reports],
    )


def standings(instance: dg.DagsterInstance, zone: tzinfo) -> Mapping[str, Sequence[Mapping[str, Any]]]:
    """The leaderboard of each of the last nights, by its day, or its time where a day has several."""
    found = instance.fetch_materializations(dg.AssetKey("leaderboard"), limit=STANDING_NIGHTS).records
    named: dict[str, Sequence[Mapping[str, Any]]] = {}
    for record in reversed(found):
        metadata = record.asset_materialization.metadata if record.asset_materialization else {}
        if STANDINGS in metadata:
            moment = datetime.fromtimestamp(record.timestamp, zone)
            day = f"{moment:%Y-%m-%d}"
            rows: Any = metadata[STANDINGS].value
            named[day if day not in named else f"{day} {moment:%H:%M:%S}"] = rows
    return named


def _night(night: history.Night, reports: Mapping[str, str], zone: tzinfo) -> Night:
    started = [run.started for run in night.runs if run.started]
    ended = [run.ended for run in night.runs if run.ended]
    return Night(
        at=_text(night.at, zone),
        how=night.how,
        outcome=night.outcome,
        said=night.said,
        took=_duration(max(ended) - min(started)) if started and ended else "",
        report=next((reports[run.run_id] for run in night.runs[::-1] if run.run_id in reports), ""),
    )


def _serving(champion: Any, zone: tzinfo) -> Serving:
    return Serving(champion.version, champion.architecture, _text(champion.since, zone), champion.why)


def _rows(home: Home, table: str, only: str = "true") -> list[dict[str, Any]]:
    """A small table by day; nothing where it is not there."""
    try:
        with home.lake().connect(table) as connection:
            rows: list[dict[str, Any]] = (
                connection.table(table).filter(only).order("day").to_arrow_table().to_pylist()
            )
    except (LakeError, duckdb.Error):
        return []
    return rows


def _reports(home: Home) -> Iterator[tuple[Path, float, str, str]]:
    """Each report, newest first: file, when it was made, what it decided, and in which run."""
    kept = [path for path in home.folder("reports").glob("*.html") if REPORT.fullmatch(path.name)]
    for path in sorted(kept, key=lambda path: -path.stat().st_mtime):
        facts = read_facts(path)
        made = datetime.fromisoformat(facts["made"]).timestamp() if "made" in facts else path.stat().st_mtime
        yield path, made, facts.get("headline", "Gate report"), facts.get("run_id", "")


def _text(moment: float, zone: tzinfo) -> str:
    return f"{datetime.fromtimestamp(moment, zone):%Y-%m-%d %H:%M}"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
