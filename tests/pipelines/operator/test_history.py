"""What `make status` says of ten nights, and of the ways in which a run can be started."""

import json
import re
import shutil
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.errors import DagsterExecutionInterruptedError
from dagster._core.scheduler.instigation import InstigatorStatus
from filelock import FileLock

from assets.release.run_records import SEARCHED
from assets.resources import Home
from assets.state.lake import LakeError
from pipelines.instance import KILLED, fail_killed_runs, open_instance
from pipelines.operator.cli import answer
from pipelines.operator.environment import prepare_home
from pipelines.operator.history import Night
from pipelines.operator.status import Status, read_status
from pipelines.operator.status_page import rendered
from pipelines.records import ASSET_JOB
from pipelines.resources import Settings
from serving.state.pointer import read_pointer
from tests.support.nights import BY_SCHEDULE, CLEAN, EARLY, PROMOTION, night, schedule, skipped
from tests.support.once import made_once

ALL = {CLEAN, PROMOTION}
WORSE = "gru4rec may be inferior to the champion sasrec: NDCG@10 0.2000 against 0.3000 on 900 users."
REFUSED = {"promoted": False, "champion": "version 2", "why": WORSE}
PROMOTED = {"promoted": True, "champion": "version 2 (sasrec)", "why": "NDCG@10 0.3000, +0.1 against markov."}


def make_records(folder: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DAGSTER_HOME", str(folder / "dagster"))
        prepare_home(folder)
        open_instance().dispose()


@pytest.fixture
def home(home: Home, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Home:
    """A home after a run in which Dagster has no records yet."""
    records = made_once(tmp_path_factory, "dagster", make_records)
    folder = Path(shutil.copytree(records / "dagster", Path(home.path) / "dagster"))
    monkeypatch.setenv("DAGSTER_HOME", str(folder))
    return home


@pytest.fixture
def settings(home: Home) -> Settings:
    return Settings(home=Path(home.path), sample_size="tiny")


@pytest.fixture
def instance(home: Home) -> Iterator[dg.DagsterInstance]:
    with open_instance() as opened:
        yield opened


def told(settings: Settings, home: Home) -> Status:
    return read_status(settings, home)


def newest(settings: Settings, home: Home) -> Night:
    return told(settings, home).nights[0]


def page(settings: Settings, home: Home) -> str:
    """The page, its wrapped lines joined."""
    return " ".join(rendered(told(settings, home), colour=False).split())


# -- ten nights --------------------------------------------------------------------------------------------


def test_a_failed_night(instance, settings, home) -> None:
    run = night(instance, settings, error=LakeError("The table is gone: make run."), tags=BY_SCHEDULE)
    status = told(settings, home)
    assert (status.last_run.run_id, status.last_run.outcome) == (run.run_id, "FAILURE")
    last = status.nights[0]
    assert (last.how, last.outcome, last.said) == (
        "schedule",
        "failed",
        "clean: The table is gone: make run.",
    )
    assert any("The last run failed. clean: The table is gone: make run." in a for a in status.attention)
    shown = rf"schedule failed, \d+ s \({run.run_id[:8]}\) clean: The table is gone"
    assert re.search(shown, page(settings, home))


def test_a_night_that_failed_and_was_tried_again(instance, settings, home) -> None:
    """The retry hides neither that it failed nor why; a failure to be tried again says so meanwhile."""
    first = night(instance, settings, error=KeyError("no such column"), tags=BY_SCHEDULE)
    assert newest(settings, home).said.endswith("It is tried again at once.")
    again = night(instance, settings, said=PROMOTED, parent=first)
    status = told(settings, home)
    assert (status.last_run.run_id, status.last_run.outcome) == (again.run_id, "SUCCESS")
    (both,) = status.nights
    assert both.outcome == "promoted at try 2" and both.how == "schedule"
    assert [run.run_id for run in both.runs] == [first.run_id, again.run_id]
    assert [run.how for run in both.runs] == ["schedule", "retry"]
    assert "no such column" in both.runs[0].said and "tried again" not in both.runs[0].said
    (sentence,) = status.attention
    assert (
        sentence.startswith("The last run failed before it was tried again") and "no such column" in sentence
    )
    assert "try 1 failed: clean: " in page(settings, home)


def test_a_refused_night(instance, settings, home) -> None:
    night(instance, settings, said=REFUSED, tags=BY_SCHEDULE)
    status = told(settings, home)
    assert (status.nights[0].outcome, status.nights[0].said) == ("refused", WORSE)
    assert status.attention == []  # a normal outcome
    assert WORSE in page(settings, home)


def test_a_night_with_a_promotion_by_hand(instance, settings, home) -> None:
    night(instance, settings, said=REFUSED, tags=BY_SCHEDULE)
    first = read_pointer(home.pointer_file)
    by_hand = replace(
        first, promoted_at=time.time(), reason="promoted by Ada: the old one shows what is gone"
    )
    home.champions().crown(replace(by_hand, bundle=str(home.champions().folder(first)), baselines={}), {})
    status = told(settings, home)
    assert (status.nights[0].how, status.nights[0].said) == ("by hand", by_hand.reason)
    assert status.nights[0].outcome == f"version {first.version} set"
    assert status.nights[1].outcome == "refused" and status.last_run.run_id == status.nights[1].runs[0].run_id
    assert status.champion.why == by_hand.reason
    assert "promoted by Ada: the old one shows what is gone" in page(settings, home)


@pytest.mark.parametrize("fails", [False, True])
def test_a_run_of_all_assets_from_the_ui(instance, settings, home, fails: bool) -> None:
    night(instance, settings, error=KeyError("old") if not fails else None, tags=BY_SCHEDULE)
    error = LakeError("The table is gone.") if fails else None
    run = night(instance, settings, job=ASSET_JOB, selection=ALL, error=error, said=PROMOTED)
    status = told(settings, home)
    assert status.last_run.run_id == run.run_id and status.last_run.what == "everything"
    assert (status.nights[0].how, status.nights[0].outcome) == ("UI", "failed" if fails else "promoted")
    assert [a for a in status.attention if "The table is gone." in a] == status.attention
    assert len(status.attention) == fails  # the older failure is mended by it, or hidden by none


def test_two_runs_at_once(instance, settings, home) -> None:
    with FileLock(Path(home.path) / "run.lock"):
        started = dg.DagsterRunStatus.STARTED
        works = night(instance, settings, tags=BY_SCHEDULE, status=started)
        report(instance, works, dg.DagsterEventType.RUN_START, dg.DagsterEventType.STEP_START)
        waits = night(instance, settings, job=ASSET_JOB, selection=ALL, status=started)
        report(instance, waits, dg.DagsterEventType.RUN_START)
        queued = night(instance, settings, status=dg.DagsterRunStatus.QUEUED)
        status = told(settings, home)
    found = {night.runs[0].run_id: (night.outcome, night.said) for night in status.nights}
    assert found[works.run_id] == ("under way", "It is at clean.")
    assert found[waits.run_id] == ("waiting", "It waits until no other run works in the home.")
    assert found[queued.run_id] == ("queued", "It waits until no other run works.")
    assert status.attention == [
        f"3 runs are under way, and one works at a time: {queued.run_id[:8]} (UI, queued) and "
        f"{waits.run_id[:8]} (UI, waiting) and {works.run_id[:8]} (schedule, under way)."
    ]


def report(instance: dg.DagsterInstance, run: dg.DagsterRun, *kinds: dg.DagsterEventType) -> None:
    """Record events of a run that is left under way."""
    for kind in kinds:
        step = "clean" if kind is dg.DagsterEventType.STEP_START else None
        event = dg.DagsterEvent(kind.value, job_name=run.job_name, step_key=step, message="staged")
        instance.report_dagster_event(event, run.run_id)


@pytest.mark.parametrize("recorded", [False, True])
def test_an_interrupted_night(instance, settings, home, recorded: bool) -> None:
    """Killed: nobody holds the home's lock. Status changes nothing; `make run` records it."""
    run = night(instance, settings, tags=BY_SCHEDULE, status=dg.DagsterRunStatus.STARTED)
    if recorded:
        assert fail_killed_runs(instance, settings.home, grace_s=0.1) == [run.run_id]
    status = told(settings, home)
    assert status.nights[0].outcome == "interrupted" and status.nights[0].said.startswith(KILLED)
    assert status.attention[0].startswith(f"The last run was interrupted. {KILLED}")
    expected = dg.DagsterRunStatus.FAILURE if recorded else dg.DagsterRunStatus.STARTED
    assert instance.get_run_by_id(run.run_id).status is expected


@pytest.mark.parametrize("ended", [KeyboardInterrupt, DagsterExecutionInterruptedError])
def test_a_run_that_was_ended_by_its_terminal_is_interrupted(instance, settings, home, ended) -> None:
    night(instance, settings, error=ended(), terminal=True)
    status, said = told(settings, home), "The next run goes on from there."
    assert (status.nights[0].outcome, status.nights[0].said) == ("interrupted", said)
    assert status.attention == [f"The last run was interrupted. {said}"]
    assert "Last run interrupted, " in page(settings, home)


def test_a_run_that_was_stopped_in_the_ui(instance, settings, home) -> None:
    run = night(instance, settings, status=dg.DagsterRunStatus.STARTED)
    instance.report_run_canceled(run)
    status = told(settings, home)
    assert (status.last_run.outcome, status.nights[0].outcome) == ("CANCELED", "stopped")
    assert status.attention == [
        "The last run was stopped before its end: make run goes on from what is finished."
    ]


def test_a_run_that_waited_in_vain_for_the_home_says_so(instance, settings, home) -> None:
    night(instance, settings, before=LakeError("Another run has worked here for an hour."), tags=BY_SCHEDULE)
    assert told(settings, home).nights[0].said.startswith("Another run has worked here for an hour.")


def test_one_that_was_stopped_while_it_waited_is_not_the_last_run_for_ever(instance, settings, home) -> None:
    waiting = night(instance, settings, status=dg.DagsterRunStatus.QUEUED)
    assert told(settings, home).last_run.run_id == waiting.run_id
    instance.report_run_canceled(waiting)
    assert told(settings, home).last_run.run_id == waiting.run_id
    after = night(instance, settings, tags=BY_SCHEDULE)
    assert told(settings, home).last_run.run_id == after.run_id


def test_a_skipped_night(instance, settings, home) -> None:
    run = night(instance, settings, said=REFUSED, tags=BY_SCHEDULE)
    for day in range(1, 7):
        skipped(instance, f"Nothing to do on day {day}.", at=time.time() + day)
    status = told(settings, home)
    assert (status.nights[0].outcome, status.nights[0].said) == ("skipped", "Nothing to do on day 6.")
    assert [night.how for night in status.nights[:5]] == ["schedule"] * 5
    assert status.nights[5].runs[0].run_id == run.run_id == status.last_run.run_id  # never pushed out
    assert "schedule skipped Nothing to do on day 6." in page(settings, home)
    assert status.attention == []


def test_a_stale_champion(instance, settings, home) -> None:
    pointer = read_pointer(home.pointer_file)
    home.pointer_file.write_text(replace(pointer, promoted_at=time.time() - 40 * 86_400).to_json())
    night(instance, settings, said=REFUSED, tags=BY_SCHEDULE)
    (sentence,) = told(settings, home).attention
    assert "The champion is 40 days old, more than NEXTPLAY_MAX_AGE_DAYS=30" in sentence


def test_no_champion(instance, settings, home) -> None:
    home.pointer_file.unlink()
    for name in ("history.json", "past.json"):
        home.pointer_file.with_name(name).unlink(missing_ok=True)
    night(instance, settings, said=REFUSED | {"champion": "none"}, terminal=True)
    status = told(settings, home)
    assert status.champion is None
    assert status.attention[0] == f"There is no champion: the last candidate was refused. {WORSE}"
    assert "Champion none" in page(settings, home)


# -- what else can be told ---------------------------------------------------------------------------------


def test_a_run_of_some_assets_counts_as_that(instance, settings, home) -> None:
    """It is the last run, and neither mends nor hides the night that failed before it."""
    failed = night(instance, settings, error=LakeError("The table is gone."), tags=BY_SCHEDULE)
    part = night(instance, settings, job=ASSET_JOB, selection={CLEAN})
    status = told(settings, home)
    assert status.last_run.run_id == part.run_id and status.last_run.what == "clean"
    assert status.nights[0].outcome == "done" and "some assets alone" in status.nights[0].said
    assert status.attention == ["The last run failed. clean: The table is gone. make ui shows more."]
    assert status.nights[1].runs[0].run_id == failed.run_id
    night(instance, settings, job=ASSET_JOB, selection={CLEAN}, error=LakeError("Another one."))
    assert told(settings, home).attention[0] == "The last run, of clean, failed. clean: Another one."


def test_an_early_run_says_why_it_started(instance, settings, home) -> None:
    night(instance, settings, said=PROMOTED, tags=EARLY)
    assert newest(settings, home).how == "early"
    assert "Started because: 10,000 new events or more wait." in page(settings, home)


def test_nothing_new_is_no_refusal(instance, settings, home) -> None:
    why = "The candidate sasrec is the champion already, byte for byte: nothing to promote."
    night(instance, settings, said=REFUSED | {"why": why}, terminal=True)
    assert newest(settings, home).outcome == "unchanged"


def test_a_run_of_an_older_version_has_no_such_tags(instance, settings, home) -> None:
    """As a job or from the UI: without the tag nobody can tell that all of its assets were all there were."""
    for job in ("everything", ASSET_JOB):
        run = night(instance, settings, job=job, selection=ALL if job == ASSET_JOB else None)
        for name in [tag for tag in run.tags if tag.startswith("nextplay/")]:
            with instance._run_storage.connect() as connection:  # type: ignore[attr-defined]
                from sqlalchemy import text

                connection.execute(text("DELETE FROM run_tags WHERE key = :key"), {"key": name})
    nights = told(settings, home).nights
    assert {night.outcome for night in nights} <= {"promoted", "done"} and len(nights) == 2


def test_a_night_is_not_lost_behind_many_runs_of_some_assets(instance, settings, home) -> None:
    """As where somebody makes one asset again and again: the last night counts, and its failure is told."""
    run = night(instance, settings, error=LakeError("It is full."), tags=BY_SCHEDULE)
    for _ in range(SEARCHED + 5):
        instance.add_run(
            dg.DagsterRun(ASSET_JOB, asset_selection=frozenset({CLEAN}), status=dg.DagsterRunStatus.SUCCESS)
        )
    found = told(settings, home)
    assert run.run_id in [one.runs[-1].run_id for one in found.nights if one.runs]
    assert any("The last run failed. clean: It is full." in sentence for sentence in found.attention)


def test_the_next_night_is_told_or_why_there_is_none(instance, settings, home) -> None:
    from dagster._daemon.types import DaemonHeartbeat

    assert told(settings, home).next_night.startswith("none, for nothing keeps the schedule running")
    instance.add_daemon_heartbeat(DaemonHeartbeat(time.time(), "SCHEDULER", "id", []))
    assert told(settings, home).next_night.endswith(" 02:30 UTC")
    schedule(instance, InstigatorStatus.STOPPED)  # in the UI
    assert told(settings, home).next_night.startswith("none, for the schedule nightly is turned off")


def test_every_version_is_listed_and_the_champion_marked(instance, settings, home) -> None:
    text, pointer = rendered(told(settings, home), colour=False), read_pointer(home.pointer_file)
    for version in home.tracking().versions():
        mark = " (champion)" if version.version == pointer.version else ""
        assert f"{version.version:>4}  {version.description}{mark}\n" in text


@pytest.mark.parametrize("name", ["history.json", "past.json"])
def test_a_damaged_list_of_champions_hides_nothing_else(instance, settings, home, name: str) -> None:
    home.pointer_file.with_name(name).write_text("{half")
    run = night(instance, settings, said=REFUSED, tags=BY_SCHEDULE)
    status = told(settings, home)
    assert status.champion is not None and status.last_run.run_id == run.run_id
    assert len(status.attention) == 1 and f"{name} is damaged: restore it" in status.attention[0]


def test_programs_get_all_of_it(instance, settings, home, monkeypatch, capsys) -> None:
    monkeypatch.setenv("NEXTPLAY_HOME", home.path)
    run = night(instance, settings, said=REFUSED, tags=BY_SCHEDULE)
    assert answer(["status", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["last_run"]["run_id"] == run.run_id and found["last_run"]["outcome"] == "SUCCESS"
    assert (
        found["nights"][0]["outcome"] == "refused" and found["nights"][0]["runs"][0]["what"] == "everything"
    )
    assert set(found["champion"]) >= {"why", "architecture", "version", "since"}
    assert isinstance(found["attention"], list) and isinstance(found["alarms"], list)
