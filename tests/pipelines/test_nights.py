"""A run starts by itself when something is new, skips when nothing is, and comes early on many events."""

import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from assets.feedback.events import CUTOFF_TAG
from models.networks import NETWORKS
from models.stages.names import STAGED
from pipelines.definitions import define
from pipelines.inputs import input_tags, read_inputs
from pipelines.nights import SECONDS_A_DAY, decide
from pipelines.resources import Settings
from serving.state.events import Play
from serving.state.events_sqlite import SqliteEventStore
from serving.state.pointer import Pointer

TICK = datetime(2026, 11, 25, 2, 30, tzinfo=UTC)


@dg.op
def work(context: dg.OpExecutionContext) -> None:
    if context.run.tags.get("fail"):
        raise dg.Failure("planted")


@dg.job
def everything() -> None:
    """Stands for the real job where only its record matters."""
    work()


def run(instance: dg.DagsterInstance, settings: Settings, **tags: str) -> dg.DagsterRun:
    tags = input_tags(read_inputs(settings)) | tags
    return everything.execute_in_process(instance=instance, tags=tags, raise_on_error=False).dagster_run


def crown(settings: Settings, age_days: float = 0.0) -> None:
    folder = settings.home / "champion"
    folder.mkdir(parents=True, exist_ok=True)
    pointer = Pointer("x", "3", "0" * 64, time.time() - age_days * SECONDS_A_DAY)
    (folder / "pointer.json").write_text(pointer.to_json())


def send(settings: Settings, *ids: str) -> None:
    store = SqliteEventStore(settings.home / "events" / "events.db")
    store.add([[Play(event_id, "u", "i") for event_id in ids]])
    store.close()


def why(instance: dg.DagsterInstance, settings: Settings) -> str:
    """The reason of a skip; fails where there is a run."""
    decision = decide(settings, read_inputs(settings), instance, time.time())
    assert not decision.run, decision.why
    return decision.why


def why_not(instance: dg.DagsterInstance, settings: Settings) -> str:
    decision = decide(settings, read_inputs(settings), instance, time.time())
    assert decision.run, decision.why
    return decision.why


@pytest.fixture
def instance(tmp_path: Path):
    with dg.DagsterInstance.local_temp(str(tmp_path)) as made:  # schedules want one that lies on the disk
        yield made


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    table = tmp_path / "plays.csv"
    table.write_text("user_id,item_id,timestamp\nu,i,1\n")
    made = Settings(home=tmp_path / "home", source="table", table=str(table))
    crown(made, age_days=1.2)
    return made


def test_the_first_night_runs_and_an_unchanged_one_skips_with_its_reason(instance, settings) -> None:
    assert why_not(instance, settings) == "No run has succeeded yet."
    last = run(instance, settings)
    assert why(instance, settings) == (
        f"Nothing to do: source, events, code and settings are those of run {last.run_id[:8]}, and the "
        "champion, version 3, is 1.2 days old (30 are allowed)."
    )


def test_whatever_changes_starts_a_run_that_says_what_it_was(instance, settings, tmp_path) -> None:
    last = run(instance, settings).run_id[:8]
    send(settings, "e1")
    assert why_not(instance, settings) == f"Since run {last} there are other events."
    other = settings.model_copy(update={"core": 3})
    assert why_not(instance, other) == f"Since run {last} there are other events and settings."
    run(instance, settings)
    assert "Nothing to do" in why(instance, settings)
    SqliteEventStore(settings.home / "events" / "events.db").forget("u")
    assert "other events" in why_not(instance, settings)
    run(instance, settings)
    os.utime(tmp_path / "plays.csv", ns=(1, 1))
    assert "other source" in why_not(instance, settings)


def test_settings_that_change_nothing_of_the_tables_start_nothing(instance, settings) -> None:
    run(instance, settings)
    why(instance, settings.model_copy(update={"nightly": "0 1 * * *", "progress": False}))
    backups = {"backups": settings.home, "keep_backups": 2, "weekly": "0 1 * * 1"}
    why(instance, settings.model_copy(update=backups))
    why(instance, settings.model_copy(update={"keep_runs_days": 0}))


def test_a_setting_that_says_what_is_default_elsewhere_counts_where_the_source_has_its_own(settings) -> None:
    def state(**given: object) -> str:
        return read_inputs(Settings(home=settings.home, sample_size="tiny", **given))["settings"]

    ours, theirs = {"source": "sample-repeats"}, {"source": "sample-dated"}
    assert state(**ours) != state(**ours, repeats="first")  # unset, it keeps all
    assert state(**ours) == state(**ours, repeats="keep")
    assert state(**theirs) == state(**theirs, repeats="first")


def test_a_failed_run_does_not_count(instance, settings) -> None:
    assert run(instance, settings, fail="yes").status == dg.DagsterRunStatus.FAILURE
    assert why_not(instance, settings) == "No run has succeeded yet."


def test_an_old_or_missing_champion_starts_a_run(instance, settings) -> None:
    run(instance, settings)
    crown(settings, age_days=31)
    assert why_not(instance, settings) == "The champion is 31.0 days old, and 30 are allowed."
    (settings.home / "champion" / "pointer.json").write_text("{")
    assert why_not(instance, settings) == "There is no champion that can be read."


def test_a_source_that_cannot_tell_starts_a_run(instance, settings) -> None:
    gone = settings.model_copy(update={"table": "/no/such/file.csv"})
    run(instance, gone)
    assert "other source" in why_not(instance, gone)


def test_the_schedule_skips_or_asks_for_a_run_up_to_its_own_time(instance, settings) -> None:
    schedule = define(settings).resolve_schedule_def("nightly")

    def tick():
        context = dg.build_schedule_context(instance=instance, scheduled_execution_time=TICK)
        return schedule.evaluate_tick(context)

    (request,) = tick().run_requests
    assert request.tags[CUTOFF_TAG] == TICK.isoformat()
    assert request.tags["nextplay/why"] == "No run has succeeded yet."
    run(instance, settings, **{CUTOFF_TAG: TICK.isoformat()})
    assert tick().run_requests == []
    assert tick().skip_message.startswith("Nothing to do")


def test_events_after_the_cut_off_of_a_late_tick_wait_for_the_next_night(instance, settings) -> None:
    schedule, now = define(settings).resolve_schedule_def("nightly"), datetime.now(UTC)

    def tick(scheduled: datetime):
        context = dg.build_schedule_context(instance=instance, scheduled_execution_time=scheduled)
        return schedule.evaluate_tick(context)

    send(settings, "e1")
    (late,) = tick(now - timedelta(minutes=10)).run_requests
    last = run(instance, settings, **late.tags)
    assert why_not(instance, settings) == f"Since run {last.run_id[:8]} there are other events."
    (request,) = tick(now + timedelta(days=1)).run_requests
    run(instance, settings, **request.tags)
    assert "Nothing to do" in why(instance, settings)


def test_a_late_tick_goes_not_back_behind_what_a_run_has_learned_from(instance, settings) -> None:
    definitions, night = define(settings), datetime.now(UTC) - timedelta(hours=6)

    def cutoff(schedule: str = "nightly") -> datetime:
        context = dg.build_schedule_context(instance=instance, scheduled_execution_time=night)
        (request,) = definitions.resolve_schedule_def(schedule).evaluate_tick(context).run_requests
        return datetime.fromisoformat(request.tags[CUTOFF_TAG])

    assert cutoff() == night
    earlier = (night - timedelta(hours=1)).isoformat()
    run(instance, settings, **{CUTOFF_TAG: earlier})  # an early one, of the evening
    send(settings, "e1")
    assert cutoff() == night
    by_hand = run(instance, settings)  # it took what was there: its end is after that
    send(settings, "e2")
    ended = instance.get_run_record_by_id(by_hand.run_id).end_time
    assert cutoff() == cutoff("watching") == datetime.fromtimestamp(ended, UTC)
    instance.create_run_for_job(everything, status=dg.DagsterRunStatus.STARTED)
    assert cutoff() >= datetime.now(UTC) - timedelta(minutes=1)  # one that works takes what comes
    ahead = datetime.now(UTC) + timedelta(days=400)
    run(instance, settings, **{CUTOFF_TAG: ahead.isoformat()})  # by a clock that has been set back since
    send(settings, "e3")
    assert cutoff() <= datetime.now(UTC)


def test_enough_new_events_start_a_run_early_and_once(instance, settings) -> None:
    settings = settings.model_copy(update={"retrain_events": 3})
    sensor = define(settings).resolve_sensor_def("retrain_early")

    def look():
        return sensor.evaluate_tick(dg.build_sensor_context(instance=instance))

    assert look().skip_message == "There are no events."
    send(settings, "e1", "e2")
    run(instance, settings, **{CUTOFF_TAG: datetime.now(UTC).isoformat()})
    time.sleep(0.002)
    send(settings, "e3", "e4")
    assert look().skip_message == "2 new events wait; a run starts early at 3."
    send(settings, "e5")
    (request,) = look().run_requests
    assert request.run_key == look().run_requests[0].run_key
    run(instance, settings, **request.tags)
    assert look().skip_message == "0 new events wait; a run starts early at 3."
    off = settings.model_copy(update={"retrain_events": 0})
    told = define(off).resolve_sensor_def("retrain_early").evaluate_tick(dg.build_sensor_context(instance))
    assert told.skip_message == "NEXTPLAY_RETRAIN_EVENTS is 0."


def test_a_clock_that_was_ahead_starts_no_run_again_and_again(instance, settings, monkeypatch) -> None:
    settings = settings.model_copy(update={"retrain_events": 3})
    sensor = define(settings).resolve_sensor_def("retrain_early")
    with monkeypatch.context() as patched:
        patched.setattr("serving.state.events_sql.now_ms", lambda: int(time.time() * 1000) + 2 * 86_400_000)
        send(settings, "ahead")
    send(settings, "e1", "e2", "e3")
    (request,) = sensor.evaluate_tick(dg.build_sensor_context(instance=instance)).run_requests
    run(instance, settings, **request.tags)
    for _ in range(2):
        told = sensor.evaluate_tick(dg.build_sensor_context(instance=instance))
        assert told.skip_message == "0 new events wait; a run starts early at 3."


def test_every_asset_has_a_freshness_policy_that_follows_the_champions_age(settings) -> None:
    specs = define(settings.model_copy(update={"max_age_days": 9})).resolve_all_asset_specs()
    # Of a partition the UI says whether it is there; what is no candidate is made by no run.
    idle = {*NETWORKS, *STAGED} - {"sasrec", "gru4rec"}
    specs = [s for s in specs if s.partitions_def is None and s.key.to_user_string() not in idle]
    assert {spec.freshness_policy.warn_window.to_timedelta().days for spec in specs} == {9}
    assert "champion" in {spec.key.to_user_string() for spec in specs}
