"""A year and more of days: taken in by one run, and each again by a backfill, as after a lost table."""

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from assets.feedback.events import events, events_of_a_day, received_days, received_events
from assets.resources import Home
from serving.state import events_sql
from serving.state.event_stores import open_event_store
from serving.state.events import Play
from tests.support.homes import rows

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]
DAYS, A_DAY = 400, 20
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
    found = sorted(row[0] for row in rows(home, "events", "day"))
    assert found == sorted(day for day in days for _ in range(A_DAY))
    assert took["what a page of the UI asks for"] < 5, took
    assert took["a day of the backfill"] < 20, took  # no day costs more for those before it
