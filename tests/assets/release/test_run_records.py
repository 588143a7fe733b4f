"""Dagster's records of old runs in a real instance: all of them goes, but for what somebody reads."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.instance import RUNLESS_RUN_ID
from dagster._core.remote_origin import RemoteJobOrigin
from dagster._core.test_utils import create_run_for_test

from assets.feedback.events import RECEIVED_DAYS, received_events
from assets.release import run_records
from assets.release.run_records import ENDED, WHOLE_TAG, old_runs, records_size, remove_runs
from assets.resources import Home
from pipelines.records import EVERYTHING, newest_whole
from tests.support.nights import REPOSITORY

DAYS, OLD, NEW = 400, 500, 300
SUCCESS, FAILURE = dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE
TABLE, CHECK = dg.AssetKey("table"), dg.AssetCheckKey(dg.AssetKey("table"), "whole")


@pytest.fixture(autouse=True)
def _few_of_a_job_are_searched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_records, "SEARCHED", 1)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    (tmp_path / "dagster").mkdir()
    return Home(path=str(tmp_path))


@pytest.fixture
def instance(home: Home) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.from_config(str(home.folder("dagster"))) as made:
        yield made


def night(instance: dg.DagsterInstance, age: int, day: str = "2026-01-01", checked: bool = True) -> str:
    """A run so many days ago, which made a table, tried it, and received events on a day; its id."""
    check = dg.AssetCheckSpec("whole", asset=TABLE)

    @dg.asset(key=TABLE, check_specs=[check] if checked else [])
    def table(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult[None]]:
        context.instance.add_dynamic_partitions(RECEIVED_DAYS, [day])
        context.log_event(dg.AssetMaterialization(received_events.key, partition=day))
        context.log.info("Made.")
        passed = dg.AssetCheckResult(passed=True, check_name="whole")
        yield dg.MaterializeResult(check_results=[passed] if checked else [])

    job = dg.Definitions(assets=[table], jobs=[dg.define_asset_job(EVERYTHING)]).resolve_job_def(EVERYTHING)
    return made_before(instance, job.execute_in_process(instance=instance).run_id, age)


def bare(
    instance: dg.DagsterInstance, age: int, job: str, status: dg.DagsterRunStatus, **more: object
) -> str:
    """The record of a run that made nothing."""
    run = create_run_for_test(instance, job_name=job, status=status, **more)  # type: ignore[arg-type]
    return made_before(instance, run.run_id, age)


def made_before(instance: dg.DagsterInstance, run: str, age: int) -> str:
    moment = (datetime.now(UTC) - timedelta(days=age)).replace(tzinfo=None).isoformat(" ")
    with closing(sqlite3.connect(Path(instance.root_directory) / "history" / "runs.db")) as runs, runs:
        runs.execute("UPDATE runs SET create_timestamp = ? WHERE run_id = ?", [moment, run])
    return run


def files_of(home: Home, run: str) -> list[str]:
    return [str(path) for path in home.folder("dagster").rglob("*") if run in str(path)]


def rows_of(home: Home, run: str) -> int:
    """In all tables of Dagster's databases."""
    found = 0
    for file in home.folder("dagster").rglob("*.db"):
        with closing(sqlite3.connect(file)) as database:
            tables = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
            for (name,) in tables:
                found += sum(run in str(row) for row in database.execute(f'SELECT * FROM "{name}"'))
    return found


def test_all_that_dagster_keeps_of_an_old_run_goes(home: Home, instance: dg.DagsterInstance) -> None:
    old, new = night(instance, OLD, "2025-01-01"), night(instance, NEW, "2025-08-01")
    assert files_of(home, old) and rows_of(home, old)
    assert old_runs(instance, home, DAYS) == [old] and records_size(instance, [old]) > 50_000
    kept = files_of(home, new), rows_of(home, new)
    remove_runs(instance, [old])
    assert not files_of(home, old) and rows_of(home, old) == 0
    assert (files_of(home, new), rows_of(home, new)) == kept
    assert old_runs(instance, home, DAYS) == []
    assert [run.run_id for run in instance.get_runs()] == [new]
    (check,) = instance.event_log_storage.get_asset_check_execution_history(CHECK, 10)
    assert check.run_id == new
    assert [record.run_id for record in instance.fetch_materializations(TABLE, limit=10).records] == [new]


def test_a_day_that_only_a_removed_run_received_is_no_missing_partition(
    home: Home, instance: dg.DagsterInstance
) -> None:
    old = [night(instance, OLD, day) for day in ("2025-01-01", "2025-01-02")]
    night(instance, NEW, "2025-01-02")
    remove_runs(instance, old_runs(instance, home, DAYS))
    assert {run.run_id for run in instance.get_runs()}.isdisjoint(old)
    there = instance.get_materialized_partitions(received_events.key)
    assert set(instance.get_dynamic_partitions(RECEIVED_DAYS)) == there == {"2025-01-02"}


def test_the_run_that_last_made_an_asset_stays(home: Home, instance: dg.DagsterInstance) -> None:
    """Dagster would say of the asset that nobody ever made it, as of a network that is trained no more."""
    night(instance, OLD)
    bare(instance, NEW, EVERYTHING, SUCCESS)
    assert old_runs(instance, home, DAYS) == []


def test_the_run_of_the_last_result_of_a_check_stays(home: Home, instance: dg.DagsterInstance) -> None:
    last = night(instance, OLD)
    night(instance, NEW, checked=False)
    assert old_runs(instance, home, DAYS) == []
    night(instance, NEW)
    assert old_runs(instance, home, DAYS) == [last]


@pytest.mark.parametrize("status", [status for status in dg.DagsterRunStatus if status not in ENDED])
def test_a_run_that_has_not_ended_stays(
    home: Home, instance: dg.DagsterInstance, status: dg.DagsterRunStatus
) -> None:
    ended = bare(instance, OLD, "watch", SUCCESS)
    bare(instance, OLD - 1, "watch", status, remote_job_origin=RemoteJobOrigin(REPOSITORY, "watch"))
    bare(instance, NEW, "watch", SUCCESS)
    assert old_runs(instance, home, DAYS) == [ended]


def test_what_a_retry_that_waits_goes_on_from_stays(home: Home, instance: dg.DagsterInstance) -> None:
    root, parent = (bare(instance, OLD - n, "watch", FAILURE) for n in range(2))
    other = bare(instance, OLD, "watch", FAILURE)
    waits = dg.DagsterRunStatus.NOT_STARTED
    bare(instance, NEW, "watch", waits, root_run_id=root, parent_run_id=parent)
    bare(instance, NEW, "watch", SUCCESS)
    assert old_runs(instance, home, DAYS) == [other]


def test_the_newest_success_of_a_job_stays_behind_failures(home: Home, instance: dg.DagsterInstance) -> None:
    """The schedule asks it what has changed since: without it a night would run that has nothing to do."""
    older, success = bare(instance, OLD, EVERYTHING, SUCCESS), bare(instance, OLD - 1, EVERYTHING, SUCCESS)
    whole = bare(instance, OLD, "__ASSET_JOB", SUCCESS, tags={WHOLE_TAG: "true"})
    some = [bare(instance, OLD - n, "__ASSET_JOB", SUCCESS) for n in range(3)]
    failed = [bare(instance, age, EVERYTHING, FAILURE) for age in (OLD - 2, NEW)]
    before = newest_whole(instance, [SUCCESS])
    assert before is not None
    gone = old_runs(instance, home, DAYS)
    assert set(gone) == {older, failed[0], *some[:-1]}
    remove_runs(instance, gone)
    left = {run.run_id for run in instance.get_runs()}
    assert left == {success, whole, failed[1], some[-1]}
    after = newest_whole(instance, [SUCCESS])
    assert after is not None and after.dagster_run.run_id == before.dagster_run.run_id


def test_the_newest_runs_of_a_job_stay_however_old(
    home: Home, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_records, "SEARCHED", 3)
    runs = [bare(instance, 2000 - n, "watch", FAILURE) for n in range(5)]
    assert old_runs(instance, home, DAYS) == runs[:2]


def test_a_home_of_years_catches_up_over_some_nights(
    home: Home, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_records, "AT_ONCE", 2)
    runs = [bare(instance, 2000 - n, "watch", SUCCESS) for n in range(6)]
    for expected in (runs[:2], runs[2:4], runs[4:5], []):
        assert old_runs(instance, home, DAYS) == expected
        remove_runs(instance, expected)


def test_nothing_goes_for_0_days_or_from_records_that_are_not_the_homes_own(
    home: Home, instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    old, _ = bare(instance, OLD, "watch", SUCCESS), bare(instance, NEW, "watch", SUCCESS)
    assert old_runs(instance, home, DAYS) == [old]
    assert old_runs(instance, home, 0) == []
    assert old_runs(instance, Home(path=str(tmp_path / "another")), DAYS) == []
    with dg.DagsterInstance.ephemeral() as in_memory:
        assert old_runs(in_memory, home, DAYS) == []


def test_files_of_a_run_that_was_deleted_in_the_ui_go_after_the_days(
    home: Home, instance: dg.DagsterInstance
) -> None:
    """Dagster leaves them, and so does a removal that was killed."""
    deleted, there = night(instance, OLD), night(instance, OLD)
    instance.delete_run(deleted)
    instance.event_log_storage.get_records_for_run(RUNLESS_RUN_ID)  # has a file, too, and is no run
    before = len(list(home.folder("dagster", "history", "runs").iterdir()))
    assert files_of(home, deleted) and old_runs(instance, home, DAYS) == []
    for path in home.folder("dagster").rglob("*"):
        os.utime(path, (0, 0))
    assert old_runs(instance, home, DAYS) == [deleted]
    remove_runs(instance, [deleted])
    assert not files_of(home, deleted) and files_of(home, there)
    assert before - len(list(home.folder("dagster", "history", "runs").iterdir())) == 1
