"""A backup is whole or not there; a damaged, unsafe or misplaced one is refused with a sentence."""

import itertools
import json
import os
import shutil
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

from assets.resources import Home
from assets.state import backup as backups
from assets.state.backup import MANIFEST_FILE, WITHIN, BackupError, back_up, opened, restore, verified
from assets.state.lake import file_hash
from models.bundle.bundle import bundle_hash
from models.opening import check_golden
from pipelines.operator.cli import answer
from serving.state.pointer import read_pointer


@pytest.fixture
def small_home(tmp_path: Path) -> Path:
    """A small home: a file, a link inside, one that leads outside, and a database."""
    home = tmp_path / "home"
    (home / "lake" / "tables").mkdir(parents=True)
    (home / "lake" / "tables" / "a.parquet").write_bytes(b"rows")
    (home / "lake" / "link").symlink_to("tables/a.parquet")
    (home / "lake" / "elsewhere").symlink_to("/nowhere/file.gz")
    (home / "lake" / "lake.lock").touch()
    (home / "lake" / "tables" / ".unfinished-1").mkdir()
    (home / "lake" / "tables" / ".unfinished-1" / "half").touch()
    with closing(sqlite3.connect(home / "events.db")) as database, database:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("CREATE TABLE events (event_id INTEGER)")
    return home


def files(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): str(path.readlink()) if path.is_symlink() else file_hash(path)
        for path in folder.rglob("*")
        if path.is_symlink() or path.is_file()
    }


def test_what_was_backed_up_is_restored(small_home: Path, tmp_path: Path) -> None:
    back_up(small_home, tmp_path / "backup")
    restore(tmp_path / "backup", tmp_path / "again")
    opened(tmp_path / "again")
    assert files(tmp_path / "again") == files(tmp_path / "backup" / "home")
    assert set(files(tmp_path / "again")) == {
        "lake/tables/a.parquet", "lake/link", "lake/elsewhere", "events.db",
    }  # fmt: skip
    assert (tmp_path / "again" / "lake" / "link").read_bytes() == b"rows"
    assert not list(tmp_path.glob(".*unfinished"))


def test_files_keep_their_times_by_which_the_oldest_go_first(small_home: Path, tmp_path: Path) -> None:
    place, last_year = Path("lake", "tables", "a.parquet"), 1_767_225_600_000_000_000
    os.utime(small_home / place, ns=(last_year, last_year))
    back_up(small_home, tmp_path / "backup")
    back_up(small_home, tmp_path / "next", tmp_path / "backup")
    for backup in ("backup", "next"):
        restore(tmp_path / backup, tmp_path / f"of-{backup}")
        assert (tmp_path / f"of-{backup}" / place).stat().st_mtime_ns == last_year


def test_a_database_in_use_is_copied_as_of_one_moment(small_home: Path, tmp_path: Path) -> None:
    """A writer adds events in pairs, each pair in one transaction: a copy never holds half a pair."""
    begun, stop = threading.Event(), threading.Event()

    def write() -> None:
        with closing(sqlite3.connect(small_home / "events.db", timeout=30)) as database:
            number = 0
            while not stop.wait(0.001):  # else no reader ever gets in
                with database:
                    database.execute("INSERT INTO events VALUES (?)", [number])
                    database.execute("INSERT INTO events VALUES (?)", [number])
                number += 1
                begun.set()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        assert begun.wait(60)
        for copy in range(5):
            back_up(small_home, tmp_path / f"backup-{copy}")
    finally:
        stop.set()
        writer.join()
    counts = []
    for copy in range(5):
        with closing(sqlite3.connect(tmp_path / f"backup-{copy}" / "home" / "events.db")) as database:
            counts += database.execute("SELECT count(*), 2 * count(DISTINCT event_id) FROM events").fetchall()
    assert all(events == pairs for events, pairs in counts) and counts[-1][0] > 0


def change(backup: Path) -> None:
    (backup / "home" / "lake" / "tables" / "a.parquet").write_bytes(b"roWs")


def lose(backup: Path) -> None:
    (backup / "home" / "lake" / "tables" / "a.parquet").unlink()


def add(backup: Path) -> None:
    (backup / "home" / "more.json").touch()


def turn(backup: Path) -> None:
    (backup / "home" / "lake" / "link").unlink()
    (backup / "home" / "lake" / "link").symlink_to("/etc/passwd")


def half(backup: Path) -> None:
    text = (backup / MANIFEST_FILE).read_text()
    (backup / MANIFEST_FILE).write_text(text[: len(text) // 2])


def flip(backup: Path) -> None:
    text = (backup / MANIFEST_FILE).read_text()
    (backup / MANIFEST_FILE).write_text(text.replace('"bytes": 4', '"bytes": 5'))


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (change, "a.parquet has changed"),
        (lose, "a.parquet is missing"),
        (add, "more.json does not belong to it"),
        (turn, "lake/link has changed"),
        (half, "cannot be read"),
        (flip, "is not what was written"),
        (lambda backup: (backup / MANIFEST_FILE).unlink(), "is no backup"),
    ],
)
def test_a_damaged_backup_is_refused(
    damage: Callable[[Path], None], sentence: str, small_home: Path, tmp_path: Path
) -> None:
    back_up(small_home, tmp_path / "backup")
    damage(tmp_path / "backup")
    with pytest.raises(BackupError, match=sentence) as refused:
        restore(tmp_path / "backup", tmp_path / "again")
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "again").exists()


@pytest.mark.parametrize("path", ["../outside", "/tmp/outside", "lake/../../outside"])
def test_a_manifest_cannot_write_outside_of_the_home(path: str, small_home: Path, tmp_path: Path) -> None:
    from assets.state.backup import _checksum

    back_up(small_home, tmp_path / "backup")
    manifest = json.loads((tmp_path / "backup" / MANIFEST_FILE).read_text())
    manifest["contents"][path] = {"bytes": 0, "sha256": ""}
    manifest["sha256"] = _checksum(manifest["contents"])
    (tmp_path / "backup" / MANIFEST_FILE).write_text(json.dumps(manifest))
    with pytest.raises(BackupError, match="not safe"):
        verified(tmp_path / "backup")


def test_no_place_is_overwritten(small_home: Path, tmp_path: Path) -> None:
    back_up(small_home, tmp_path / "backup")
    with pytest.raises(BackupError, match="is there already"):
        back_up(small_home, tmp_path / "backup")
    with pytest.raises(BackupError, match="inside the home"):
        back_up(small_home, small_home / "backup")
    before = files(small_home)
    with pytest.raises(BackupError, match="is not empty"):
        restore(tmp_path / "backup", small_home)
    assert files(small_home) == before


def test_the_settings_that_make_setup_puts_there_do_not_count(small_home: Path, tmp_path: Path) -> None:
    back_up(small_home, tmp_path / "backup")
    (tmp_path / "again" / "dagster").mkdir(parents=True)
    (tmp_path / "again" / "dagster" / "dagster.yaml").touch()
    restore(tmp_path / "backup", tmp_path / "again")
    assert (tmp_path / "again" / "events.db").exists()


def test_a_full_disk_leaves_no_half_backup(small_home: Path, small_disk: Path) -> None:
    (small_home / "large").write_bytes(os.urandom(8_000_000))
    with pytest.raises(BackupError, match=r"nothing is left of it.*No space left"):
        back_up(small_home, small_disk / "backup")
    assert [path.name for path in small_disk.iterdir()] == []


def test_a_restored_home_serves_the_same_champion(
    home: Home,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    to = tmp_path / "backup"
    first = read_pointer(home.pointer_file)
    monkeypatch.setenv("NEXTPLAY_HOME", home.path)
    assert answer(["backup", str(to)]) == 0
    shutil.rmtree(home.path)
    again = Home(path=str(tmp_path / "elsewhere"))
    monkeypatch.setenv("NEXTPLAY_HOME", again.path)
    assert answer(["restore", str(to)]) == 0
    assert f"the champion is version {first.version}" in capsys.readouterr().out
    assert read_pointer(again.pointer_file) == first
    folder = first.folder(again.pointer_file)
    assert bundle_hash(folder) == first.bundle_hash and folder.is_relative_to(again.path)
    check_golden(folder)
    assert again.tracking().champion() == first.version
    assert answer(["restore", str(to)]) == 1
    assert "is not empty" in capsys.readouterr().err


def test_what_killed_backups_left_under_other_names_goes_after_a_day(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "a.txt").write_text("a")
    for name, inside in (
        (".old.unfinished", "home"),
        (".new.unfinished", "home"),
        (".somebody.unfinished", "x"),
    ):
        (tmp_path / name / inside).mkdir(parents=True)
        if name != ".new.unfinished":
            for path in (tmp_path / name / inside, tmp_path / name):
                os.utime(path, (1, 1))
    back_up(home, tmp_path / "tonight")
    assert sorted(path.name for path in tmp_path.glob(".*.unfinished")) == [
        ".new.unfinished",
        ".somebody.unfinished",
    ]


def test_a_restoration_that_was_killed_before_its_end_may_be_asked_for_again(
    small_home: Path, tmp_path: Path
) -> None:
    back_up(small_home, tmp_path / "backup")
    restore(tmp_path / "backup", tmp_path / "again")  # and killed before the home was opened
    restore(tmp_path / "backup", tmp_path / "again")
    (tmp_path / "again" / "lake" / "tables" / "a.parquet").write_bytes(b"more")
    with pytest.raises(BackupError, match="is not empty"):  # somebody has worked there since
        restore(tmp_path / "backup", tmp_path / "again")
    (tmp_path / "again" / "lake" / "tables" / "a.parquet").write_bytes(b"rows")
    opened(tmp_path / "again")
    with pytest.raises(BackupError, match="is not empty"):
        restore(tmp_path / "backup", tmp_path / "again")


@pytest.mark.parametrize("fixed", ["a disk", "a closed folder above"])
def test_a_home_that_cannot_be_replaced_is_filled(
    fixed: str, small_home: Path, tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: Any
) -> None:
    """A volume of a container, or the folder of a service below one of root."""
    if fixed == "a disk":
        again = request.getfixturevalue("small_disk")
    else:
        again = tmp_path / "again"
        again.mkdir()
        monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != tmp_path)
    back_up(small_home, tmp_path / "backup")
    (again / "dagster").mkdir()
    (again / "dagster" / "dagster.yaml").touch()
    place = again.stat().st_ino
    restore(tmp_path / "backup", again)
    assert again.stat().st_ino == place and not (again / WITHIN).exists()
    opened(again)
    restored = files(again)
    restored.pop("dagster/dagster.yaml")
    assert restored == files(tmp_path / "backup" / "home")
    with pytest.raises(BackupError, match="is not empty"):
        restore(tmp_path / "backup", again)


@pytest.mark.parametrize("moved", range(4))
def test_one_that_was_killed_while_it_was_filled_is_gone_on_from(
    moved: int, small_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    back_up(small_home, tmp_path / "backup")
    again, replace, count = tmp_path / "again", Path.replace, itertools.count()
    again.mkdir()
    monkeypatch.setattr(backups, "_is_fixed", lambda home: True)

    def killed(path: Path, target: Path) -> Path:
        if next(count) == moved:
            raise KeyboardInterrupt
        return replace(path, target)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", killed)
        with suppress(KeyboardInterrupt):
            restore(tmp_path / "backup", again)
    restore(tmp_path / "backup", again)
    opened(again)
    assert files(again) == files(tmp_path / "backup" / "home")
