"""Backups that are made by themselves: bounded, linked, restored aside; one that does not work is told."""

import os
import shutil
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import dagster as dg
import pytest
import yaml
from dagster._utils.schedules import schedule_execution_time_iterator
from filelock import FileLock, Timeout

from assets.resources import Home
from assets.state.backup import BackupError, restore
from assets.state.home_id import home_id
from pipelines.factory import define
from pipelines.operator.backups import (
    NOTE_FILE,
    about_backup,
    backups_of,
    backups_to_look_at,
    last_backup,
    make_backup,
)
from pipelines.operator.cli import answer
from pipelines.resources import Settings
from serving.state.event_stores import open_event_store
from serving.state.events import Play
from tests.support.champions import succession


@pytest.fixture
def home(tmp_path: Path, mlflow_folder: Path) -> Home:
    """Two champions and three events."""
    home = succession(tmp_path / "home", mlflow_folder, 2)
    store = open_event_store(home.events_file)
    store.add([[Play(f"e{n}", "ada", str(n)) for n in range(3)]])
    store.close()
    return home


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "backups").mkdir()
    return tmp_path / "backups"


def names(home: Home, folder: Path) -> list[str]:
    return [path.name for path in backups_of(folder, home_id(home.folder()))]


def disk(folder: Path) -> int:
    """Bytes of all files, each counted once however many names it has."""
    files = {s.st_ino: s.st_size for s in (p.lstat() for p in folder.rglob("*") if p.is_file())}
    return sum(files.values())


def test_a_backup_is_tried_and_takes_the_room_of_what_is_new(home: Home, folder: Path) -> None:
    (home.folder("raw") / "large").write_bytes(os.urandom(3_000_000))
    first = make_backup(home, folder, keep=4)
    assert first.wrong == [] and first.holds == "version 2 as champion, 0 tables, 3 events"
    assert last_backup(home.folder()) == first
    room = disk(folder)
    (home.folder("raw") / "new").write_bytes(b"new")
    second = make_backup(home, folder, keep=4)
    databases = sum(path.stat().st_size for path in Path(second.backup).rglob("*.db"))
    assert disk(folder) - room < databases + 100_000
    old, new = (Path(tried.backup) / "home" / "raw" / "large" for tried in (first, second))
    assert old.samefile(new) and new.stat().st_nlink == 2
    shutil.rmtree(first.backup)  # each is whole without the others
    restore(Path(second.backup), folder.parent / "again")
    assert not list(folder.glob("*.unfinished")) and "works" in about_backup(Settings(), home.folder())


def test_a_copy_that_has_decayed_is_not_handed_on(home: Home, folder: Path) -> None:
    (home.folder("raw") / "file").write_bytes(b"sound")
    first = make_backup(home, folder, keep=4)
    (Path(first.backup) / "home" / "raw" / "file").write_bytes(b"sOund")
    second = make_backup(home, folder, keep=4)
    assert second.wrong == []
    assert (Path(second.backup) / "home" / "raw" / "file").read_bytes() == b"sound"


def test_only_so_many_are_kept_and_what_is_not_ours_stays(home: Home, folder: Path) -> None:
    name = home_id(home.folder())
    others = ["2020-01-01-000000-0123456789abcdef", f"by-hand-{name}", ".2020-x.unfinished"]
    for other in others:
        (folder / other).mkdir()
    (folder / f".2026-01-01-000000-{name}.unfinished").mkdir()  # of a killed one
    made = [Path(make_backup(home, folder, keep=2).backup).name for _ in range(4)]
    assert names(home, folder) == made[-2:]
    assert sorted(p.name for p in folder.iterdir()) == sorted([*others, *made[-2:], f".{name}.lock"])


def spoil_champion(home: Home) -> None:
    pointer = home.champions().current()
    assert pointer is not None
    (home.champions().folder(pointer) / "manifest.json").unlink()


def spoil_database(home: Home) -> None:
    """A page of an index is lost: SQLite copies it as it is, and its hash is that of the copy."""
    with closing(sqlite3.connect(home.folder("mlflow") / "mlflow.db")) as database:
        (page,) = database.execute("SELECT rootpage FROM sqlite_master WHERE name = 'experiments'").fetchone()
        (size,) = database.execute("PRAGMA page_size").fetchone()
    with (home.folder("mlflow") / "mlflow.db").open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(os.urandom(size))


def spoil_tables(home: Home) -> None:
    (home.folder("lake") / "pointer.json").write_text('{"clean": "0123456789abcdef"}')


def spoil_events(home: Home) -> None:
    with closing(sqlite3.connect(home.events_file)) as database:
        database.execute("PRAGMA user_version = 99")


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (spoil_champion, "The champion cannot serve: the bundle markov-"),
        (spoil_database, "The database mlflow/mlflow.db is damaged"),
        (spoil_tables, "The files of the table 'clean' are missing"),
        (spoil_events, "is of format 99, written by a newer release"),
    ],
)
def test_a_backup_of_what_does_not_work_is_told_and_older_ones_stay(
    spoil: Callable[[Home], None], sentence: str, home: Home, folder: Path
) -> None:
    sound = make_backup(home, folder, keep=1)
    spoil(home)
    tried = make_backup(home, folder, keep=1)
    assert any(sentence in wrong for wrong in tried.wrong), tried.wrong
    assert "\n" not in tried.told
    assert names(home, folder) == [Path(sound.backup).name, Path(tried.backup).name]
    (told,) = backups_to_look_at(Settings(backups=folder), home.folder())
    assert told.startswith("The last backup does not work.") and sentence in told


def test_a_backup_that_is_due_and_missing_is_told(home: Home, folder: Path) -> None:
    settings = Settings(backups=folder)
    tried = make_backup(home, folder, keep=1)
    assert list(backups_to_look_at(settings, home.folder())) == []
    old = replace(tried, at=time.time() - 16 * 86_400)
    note = (home.folder() / NOTE_FILE).read_text().replace(str(tried.at), str(old.at))
    (home.folder() / NOTE_FILE).write_text(note)
    (told,) = backups_to_look_at(settings, home.folder())
    assert told.startswith("A backup was due at ") and told.endswith("or make backup.")
    assert list(backups_to_look_at(Settings(), home.folder())) == []
    (home.folder() / NOTE_FILE).write_text("{half")
    with pytest.raises(BackupError, match=r"backup\.json is damaged: the next backup writes it anew"):
        about_backup(settings, home.folder())


def test_a_folder_that_is_not_there_or_in_use_is_refused(home: Home, folder: Path) -> None:
    with pytest.raises(BackupError, match="is no folder: make it, or mount the disk"):
        make_backup(home, folder / "not-mounted", keep=1)
    with pytest.raises(BackupError, match="inside the home"):
        make_backup(home, home.folder("backups"), keep=1)
    with FileLock(folder / f".{home_id(home.folder())}.lock"), pytest.raises(BackupError, match="under way"):
        make_backup(home, folder, keep=1)


def test_a_full_disk_leaves_no_half_backup_and_the_one_before(home: Home, small_disk: Path) -> None:
    made = make_backup(home, small_disk, keep=1) if disk(home.folder()) < 1_500_000 else None
    (home.folder("raw") / "large").write_bytes(os.urandom(8_000_000))
    with pytest.raises(BackupError, match="No space left"):
        make_backup(home, small_disk, keep=1)
    assert names(home, small_disk) == ([Path(made.backup).name] if made else [])
    assert not list(small_disk.glob("*.unfinished"))


def test_the_job_waits_for_the_longest_night(
    home: Home, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It took an hour for one that hangs: where each night takes five, no Sunday had a backup."""
    shipped = yaml.safe_load((files("pipelines") / "dagster.yaml").read_text(encoding="utf-8"))
    longest = shipped["run_monitoring"]["max_runtime_seconds"]
    settings = Settings(home=Path(home.path), backups=folder)
    sunday = next(schedule_execution_time_iterator(time.time(), settings.weekly, "UTC")).timestamp()
    night = next(schedule_execution_time_iterator(sunday - 86_400, settings.nightly, "UTC")).timestamp()
    waited = list[float]()

    class Busy:
        def __init__(self, *_: object) -> None: ...

        def acquire(self, timeout: float) -> None:
            waited.append(timeout)
            raise Timeout("run.lock")

    monkeypatch.setattr("assets.resources.FileLock", Busy)
    with dg.DagsterInstance.ephemeral() as instance:
        job = define(settings).resolve_job_def("backup")
        assert not job.execute_in_process(instance=instance, raise_on_error=False).success
    assert longest - (sunday - night) < waited[-1] < longest - 3600  # and an hour is left to copy


def test_the_job_and_the_command_do_the_same(
    home: Home, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NEXTPLAY_HOME", home.path)
    monkeypatch.setenv("NEXTPLAY_BACKUPS", str(folder))
    settings = Settings(home=Path(home.path), backups=folder)
    definitions = define(settings)
    with dg.DagsterInstance.ephemeral() as instance:
        assert definitions.resolve_job_def("backup").execute_in_process(instance=instance).success
        context = dg.build_schedule_context(instance)
        assert isinstance(
            definitions.resolve_schedule_def("weekly").evaluate_tick(context).run_requests[0], dg.RunRequest
        )
    assert len(names(home, folder)) == 1
    spoil_champion(home)
    with dg.DagsterInstance.ephemeral() as instance:
        failed = definitions.resolve_job_def("backup").execute_in_process(
            instance=instance, raise_on_error=False
        )
    (event,) = (event for event in failed.all_events if event.is_step_failure)
    assert "restored aside, it does not work. The champion cannot serve" in str(event.step_failure_data.error)
    assert answer(["backup"]) == 1
    said = capsys.readouterr().err.strip().splitlines()
    assert said[-1].startswith("The backup ") and "it does not work" in said[-1]


def test_without_a_folder_nothing_is_made_and_nothing_fails(home: Home) -> None:
    weekly = define(Settings(home=Path(home.path))).resolve_schedule_def("weekly")
    with dg.DagsterInstance.ephemeral() as instance:
        tick = weekly.evaluate_tick(dg.build_schedule_context(instance))
    assert tick.skip_message == "NEXTPLAY_BACKUPS names no folder, so no backup is made."
    assert about_backup(Settings(), home.folder()) == ""


def test_a_note_that_is_no_file_is_told_and_never_waited_for(home: Home, folder: Path) -> None:
    os.mkfifo(home.folder() / NOTE_FILE)
    with pytest.raises(BackupError, match=r"backup\.json is damaged: the next backup writes it anew"):
        about_backup(Settings(backups=folder), home.folder())
